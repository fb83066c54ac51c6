"""Exchanges that go by themselves leave the same history as those that are sent one by one."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.correlation.building import answer, request
from tests.history.test_history_store import RUN
from tests.replay.harness import Arrival, ReplayHarness, replay, replay_harness, run_bounded, step
from tests.replay.recordings import CHANGE, CREATE, LOOK, shop
from verifier.contracts.model import Contract, ContractOperation
from verifier.contracts.registry import ContractRegistry, VersionContract
from verifier.history.model import Operation
from verifier.history.store import HistoryWriter, Lines, read
from verifier.http.message import Response
from verifier.http.server import Reply

LIST = (request("GET", "/things?of=t-100"), answer(200, [{"id": "t-100"}]))
SESSION = (CREATE, LOOK, CHANGE, LIST, LOOK)
OPERATIONS = tuple(
    ContractOperation(f"{method} {path}", method, path, (), None, (), (), "")
    for method, path in (("GET", "/things"), ("POST", "/things"), ("GET", "/things/{id}"), ("PUT", "/things/{id}"))
)


def promised(*more: ContractOperation) -> ContractRegistry:
    contract = Contract("orders", "1", "f", "openapi", OPERATIONS + more)
    return ContractRegistry(tuple(VersionContract("orders", version, contract, None) for version in "12"))


def timeless(harness: ReplayHarness) -> list[Operation]:
    """All operations by id, without what two runs cannot share: times, and who listened where."""
    plain = [structs.replace(entry, started=0.0, ended=0.0) for entry in harness.operations]
    return sorted(plain, key=lambda entry: entry.id)


def history(pairs: Any, routes: list[tuple[str, ...]], handler: Any, lines: bool, **settings: Any) -> ReplayHarness:
    """One replay for each route, all in one step; what they have written, and what can be read back."""

    async def scenario() -> ReplayHarness:
        async with replay_harness(handler, "1", "2", **settings) as harness:
            if not lines:
                harness.context.lines = None
            replayer = harness.replayer(*pairs, concurrency=1)
            ended: list[None] = []
            planned = [replay(*route, id=f"r{number}") for number, route in enumerate(routes, 1)]
            await replayer.run(step(*planned), lambda: ended.append(None))
            assert len(ended) == len(routes), "each replay is told of once"
            harness.kept = sorted(replayer.resources, key=lambda entry: (entry.operation, entry.request.target))  # type: ignore[attr-defined]
            assert harness.context.sent == harness.context.answered + harness.context.failed == len(harness.operations)
            assert not any(harness.rotation.in_flight(entry).count for entry in harness.rotation.of("orders"))
            return harness

    return run_bounded(scenario())


def same(pairs: Any, handler: Any, **settings: Any) -> ReplayHarness:
    """The history with lines, which is that without them."""
    routes = [("1", "2", "1", "2", "2")[: len(pairs)], ("2", "1", "1", "1", "2")[: len(pairs)]] * 2
    quick, plain = (history(pairs, routes, handler, lines, **settings) for lines in (True, False))
    assert timeless(quick) == timeless(plain)
    assert plain.lines == 0
    bare = [[structs.replace(one, request=one.request.target) for one in harness.kept] for harness in (quick, plain)]  # type: ignore[attr-defined, arg-type]
    assert bare[0] == bare[1]
    assert quick.notes == plain.notes
    return quick


@pytest.mark.parametrize("registry", [ContractRegistry(), promised()])
def test_lines_are_the_operations_that_would_have_been_recorded(registry: ContractRegistry) -> None:
    async def numbered(arrival: Arrival) -> Response:
        """Ids depend on the client's own key alone, so that they are the same whoever comes first."""
        if arrival.request.method == "POST":
            return answer(201, {"id": f"t-{json.loads(arrival.request.body)['key'][:8]}", "v": 1})
        if "of=" in arrival.request.target:
            return answer(200, [{"id": arrival.request.target.rpartition("=")[2]}])
        return await shop(arrival)

    harness = same(SESSION, numbered, registry=registry)
    assert harness.lines >= 4 * len(SESSION) - 3, "all but the first to each replica"
    assert {entry.name for entry in harness.operations} >= {
        "GET /things/{id}" if registry.entries else "GET /things/{}"
    }


def test_a_name_that_depends_on_the_value_is_looked_up_each_time() -> None:
    last = ContractOperation("latest", "GET", "/things/latest", (), None, (), (), "")

    async def latest(arrival: Arrival) -> Response:
        if arrival.request.method == "POST":
            return answer(201, {"id": "latest" if b"8" in arrival.request.body[:12] else "t-7", "v": 1})
        return await shop(arrival)

    harness = same((CREATE, LOOK), latest, registry=promised(last))
    named = {entry.name for entry in harness.operations if entry.request.target == "/things/latest"}
    assert named <= {"latest"}
    assert {entry.name for entry in harness.operations if entry.request.target == "/things/t-7"} <= {"GET /things/{id}"}


@pytest.mark.parametrize("given", ["a b", 'q"x', "a/b", "\u00fc", "x%2Fy", "a\r\nb"])
def test_values_that_have_to_be_encoded_are(given: str) -> None:
    async def odd(arrival: Arrival) -> Response:
        if arrival.request.method == "POST":
            return Response(201, (("Content-Type", "application/json"),), json.dumps({"id": given, "v": 1}).encode())
        return answer(200, {"id": "t", "v": 1})

    harness = same((CREATE, LOOK, CHANGE), odd)
    assert any(entry.index == 1 for entry in harness.operations)


def test_a_value_that_no_file_can_hold_is_written_as_any_other_record_has_it() -> None:
    async def lone(arrival: Arrival) -> Response:
        return Response(201, (("Content-Type", "application/json"),), b'{"id": "\\ud800", "v": 1}')

    harness = history((CREATE, LOOK), [("1", "1")] * 2, lone, lines=True)
    assert harness.lines > 0
    *_, written = [entry for entry in harness.operations if entry.index == 0]
    assert written.produced == (("$response.body#/id", "\ufffd"),)


def test_a_number_in_a_body_stays_a_number() -> None:
    created = (request("POST", "/things", {"key": "k"}), answer(201, {"id": 7310245566}))
    used = (request("POST", "/lines", {"thing": 7310245566, "n": 1}), answer(201, {"n": 1}))
    named = (request("POST", "/lines", {"thing": "7310245566", "n": 1}), answer(201, {"n": 1}))

    async def numbered(arrival: Arrival) -> Response:
        if arrival.request.target == "/things":
            return answer(201, {"id": 8420356677})
        return answer(201, {"n": 1})

    done = same((created, used, named, used, named), numbered)
    assert done.lines > 0
    sent = {entry.index: entry.request.body for entry in done.operations}
    assert sent[1] == sent[3] == b'{"thing": 8420356677, "n": 1}'
    assert sent[2] == sent[4] == b'{"thing": "8420356677", "n": 1}'
    assert {entry.request.body for entry in done.arrived if entry.request.target == "/lines"} == {sent[1], sent[2]}


def test_coded_answers_are_recorded_uncoded() -> None:
    async def zipped(arrival: Arrival) -> Response:
        plain = await shop(arrival)
        return Response(
            plain.status, (*plain.headers, ("Content-Encoding", "gzip")), gzip.compress(plain.body, mtime=0)
        )

    harness = same((LOOK, LOOK), zipped)
    assert {entry.response.body for entry in harness.operations if entry.response} == {b'{"id": "t-100", "v": 1}'}


@pytest.mark.parametrize(
    "odd", [answer(404, {}), answer(503, {}, (("Retry-After", "0"),)), Reply(None), answer(201, {})]
)
def test_an_answer_of_another_kind_ends_the_fast_path(odd: Response | Reply) -> None:
    async def once(arrival: Arrival) -> Response | Reply:
        return odd if "of=" in arrival.request.target else await shop(arrival)

    same(((LOOK), LOOK, LIST, LOOK, LOOK), once)


def test_a_service_that_closes_after_each_answer_is_met_again() -> None:
    async def closing(arrival: Arrival) -> Response:
        plain = await shop(arrival)
        return Response(plain.status, (*plain.headers, ("Connection", "close")), plain.body)

    same((LOOK, LOOK, LIST), closing)


def test_several_replicas_of_one_version_take_turns() -> None:
    async def scenario() -> None:
        async with replay_harness(shop, "1") as harness:
            await harness.replica("orders", "1", "orders-1-2")
            replayer = harness.replayer(LOOK, LOOK, LOOK, LOOK, concurrency=1)
            await replayer.run(step(replay("1", "1", "1", "1"), replay("1", "1", "1", "1", id="r2")), lambda: None)
            assert Counter(entry.replica for entry in harness.operations) == {"orders-1-1": 4, "orders-1-2": 4}
            assert harness.lines > 0

    run_bounded(scenario())


def test_a_replica_that_leaves_is_sent_no_more_even_within_the_fast_path() -> None:
    async def scenario() -> None:
        async with replay_harness(shop, "1") as harness:
            await harness.replica("orders", "1", "orders-1-2")
            first, left = harness.handler, asyncio.Event()

            async def leaving(arrival: Arrival) -> Response | Reply:
                if arrival.number == 6:
                    harness.rotation.remove("orders-1-1")
                    left.set()
                return await first(arrival)

            harness.handler = leaving
            replayer = harness.replayer(*[LOOK] * 12, concurrency=1)
            await replayer.run(step(replay(*["1"] * 12)), lambda: None)
            assert left.is_set()
            assert {entry.replica for entry in harness.operations[6:]} == {"orders-1-2"}
            assert len(harness.operations) == 12

    run_bounded(scenario())


def test_a_new_replica_is_met_within_the_fast_path() -> None:
    async def scenario() -> None:
        async with replay_harness(shop, "1") as harness:
            first = harness.handler

            async def joined(arrival: Arrival) -> Response | Reply:
                if arrival.number == 4:
                    await harness.replica("orders", "1", "orders-1-2")
                return await first(arrival)

            harness.handler = joined
            replayer = harness.replayer(*[LOOK] * 12, concurrency=1)
            await replayer.run(step(replay(*["1"] * 12)), lambda: None)
            assert Counter(entry.replica for entry in harness.operations[4:]) == {"orders-1-1": 4, "orders-1-2": 4}

    run_bounded(scenario())


def test_long_bodies_of_its_lines_are_kept_by_content(tmp_path: Path) -> None:
    upload = (request("POST", "/things", "u" * 5000), answer(201, {"id": "t-1"}))
    pairs = (upload, (request("GET", "/things"), answer(200, ["x" * 5000])), upload)

    async def handle(arrival: Arrival) -> Response:
        return pairs[0 if arrival.request.method == "POST" else 1][1]

    async def scenario() -> None:
        async with replay_harness(handle, "1", "2") as harness:
            writer = HistoryWriter(tmp_path, RUN)
            harness.context.lines, harness.context.record = writer.lines, writer.add
            planned = [replay("1", "2", "1", id=f"r{number}") for number in range(20)]
            await harness.replayer(*pairs, concurrency=1).run(step(*planned), lambda: None)
            writer.close()

    run_bounded(scenario())
    found = read(tmp_path).operations
    assert [entry.request.body for entry in found] == [sent.body for sent, _ in pairs] * 20
    assert [entry.response and entry.response.body for entry in found] == [got.body for _, got in pairs] * 20
    assert (tmp_path / "history" / "bodies.jsonl").read_bytes().count(b"\n") == 2
    assert (tmp_path / "history" / "operations.jsonl").stat().st_size < 60 * 1000


def test_an_error_within_a_callback_reaches_the_run() -> None:
    async def scenario() -> None:
        async with replay_harness(shop, "1") as harness:
            replayer = harness.replayer(LOOK, LOOK, LOOK)

            class Full(Lines):
                def append(self, line: str) -> None:
                    raise OSError("no space left on device")

            harness.context.lines = Full(io.BytesIO())
            with pytest.raises(ExceptionGroup) as raised:
                await replayer.run(step(replay("1", "1", "1")), lambda: None)
            assert raised.group_contains(OSError, match="no space left")

    run_bounded(scenario())


def test_a_run_that_is_cancelled_within_the_fast_path_leaves_nothing_in_flight() -> None:
    async def scenario() -> None:
        waiting, released = asyncio.Event(), asyncio.Event()

        async def stuck(arrival: Arrival) -> Response:
            if arrival.number == 3:
                waiting.set()
                await released.wait()
            return await shop(arrival)

        async with replay_harness(stuck, "1") as harness:
            replayer = harness.replayer(LOOK, LOOK, LOOK)
            going = asyncio.ensure_future(replayer.run(step(replay("1", "1", "1")), lambda: None))
            await waiting.wait()
            going.cancel()
            with pytest.raises(asyncio.CancelledError):
                await going
            released.set()
            assert [harness.rotation.in_flight(entry).count for entry in harness.rotation.of("orders")] == [0]
            assert len(harness.operations) == 2

    run_bounded(scenario())
