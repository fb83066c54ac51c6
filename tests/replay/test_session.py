"""A step's replays: each exchange to its planned version, an end at the first unexpected answer, counts that add up."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, Fault, replay, replay_harness, run_bounded, step
from tests.replay.recordings import CHANGE, CREATE, KEY, LOOK, shop
from verifier.history.model import Replicas
from verifier.http.message import Response, header
from verifier.http.server import Reply
from verifier.plan.model import PlannedStep, Proof
from verifier.replay.exchange import unique_responses
from verifier.replay.replay_script import service_of


@pytest.mark.parametrize("route", [("1", "1", "1"), ("1", "2", "1"), ("2", "1", "2"), ("2", "2", "2")])
def test_every_exchange_goes_to_its_version_with_the_ids_of_this_replay(route: tuple[str, ...]) -> None:
    async def scenario() -> None:
        async with replay_harness(shop, "1", "2") as harness:
            await harness.replayer(CREATE, LOOK, CHANGE).run(step(replay(*route)), lambda: None)
            assert [entry.version for entry in harness.arrived] == list(route)
            assert [entry.request.target for entry in harness.arrived] == ["/things", "/things/t-91", "/things/t-91"]
            sent = json.loads(harness.arrived[0].request.body)
            assert sent["key"] != KEY, "renewed"
            assert [entry.id for entry in harness.operations] == [f"rollout.1/r1/{n}.1" for n in (1, 2, 3)]
            assert [(entry.version, entry.replica) for entry in harness.operations] == [
                (version, f"orders-{version}-1") for version in route
            ]
            assert {(entry.source, entry.outcome) for entry in harness.operations} == {("replay", "ok")}
            for entry, arrival in zip(harness.operations, harness.arrived, strict=True):
                assert header(entry.request.headers, "traceparent") == header(arrival.request.headers, "traceparent")
            assert len({header(entry.request.headers, "traceparent") for entry in harness.operations}) == 3

    run_bounded(scenario())


def test_the_same_seed_sends_the_same_bytes_and_replays_differ() -> None:
    async def sent() -> list[bytes]:
        async with replay_harness(shop, "1") as harness:
            replayer = harness.replayer(CREATE)
            for name in ("r1", "r2"):
                await replayer.run(step(replay("1", id=name)), lambda: None)
            return [entry.request.body for entry in harness.arrived]

    first, second = run_bounded(sent()), run_bounded(sent())
    assert first == second
    assert first[0] != first[1]


@pytest.mark.parametrize(
    ("second", "stops"),
    [
        (answer(200, {"v": 1}), False),
        (answer(204), False),
        (answer(404, {}), True),
        (answer(500, {}), True),
        (answer(302, {}, (("Location", "/x"),)), True),
        (Reply(None), True),
    ],
)
def test_a_session_ends_at_the_first_unexpected_status_class(second: Response | Reply, stops: bool) -> None:
    async def scenario() -> None:
        async def serve(arrival: Arrival) -> Response | Reply:
            return second if arrival.number == 2 else await shop(arrival)

        async with replay_harness(serve, "1") as harness:
            replayer = harness.replayer(CREATE, LOOK, CHANGE)
            await replayer.run(step(replay("1", "1", "1")), lambda: None)
            assert len(harness.arrived) == (2 if stops else 3)
            assert len(harness.operations) == len(harness.arrived)
            assert bool(replayer.resources) != stops, "what was not answered as recorded is nothing to read back"

    run_bounded(scenario())


def test_a_recorded_refusal_is_no_reason_to_stop() -> None:
    async def scenario() -> None:
        async def refuses(arrival: Arrival) -> Response:
            return answer(404, {"error": "none"}) if arrival.number == 1 else await shop(arrival)

        async with replay_harness(refuses, "1") as harness:
            missing = (request("GET", "/things/none"), answer(404, {"error": "none"}))
            replayer = harness.replayer(missing, CREATE)
            await replayer.run(step(replay("1", "1")), lambda: None)
            assert len(harness.arrived) == 2
            assert not replayer.resources

    run_bounded(scenario())


def test_counts_add_up_whatever_happens() -> None:
    async def scenario() -> None:
        async def moody(arrival: Arrival) -> Response | Reply:
            return Reply(None, reset=True) if arrival.number % 3 == 0 else await shop(arrival)

        async with replay_harness(moody, "1") as harness:
            replayer, told = harness.replayer(CREATE, LOOK, CHANGE), []
            planned = [replay(*("12"[n % 2],) * 3, id=f"r{n}") for n in range(12)]  # version 2 does not run
            await replayer.run(step(*planned), lambda: told.append(1))
            context = harness.context
            assert context.sent == context.answered + context.failed == len(harness.operations)
            assert context.answered == sum(entry.response is not None for entry in harness.operations)
            refused = [entry for entry in harness.operations if entry.error == "refused"]
            assert len(refused) == 6
            assert {entry.outcome for entry in refused} == {"fail"}
            assert len(harness.arrived) == context.sent - len(refused)
            assert len(told) == 12

    run_bounded(scenario())


def test_concurrency_is_bounded_and_used() -> None:
    async def scenario() -> None:
        together = asyncio.Event()

        async def waits(arrival: Arrival) -> Response:
            if arrival.number == 3:
                together.set()
            await together.wait()
            return await shop(arrival)

        async with replay_harness(waits, "1") as harness:
            replayer = harness.replayer(CREATE, concurrency=3)
            await replayer.run(step(*(replay("1", id=f"r{n}") for n in range(10))), lambda: None)
            assert harness.most_under_way == 3
            assert len(harness.arrived) == 10

    run_bounded(scenario())


def test_inner_faults_run_one_at_a_time_until_services_are_known_to_pass_traces() -> None:
    async def scenario(passes: bool) -> int:
        second = asyncio.Event()

        async def waits(arrival: Arrival) -> Response:
            """With traces, the first request is answered once another one has arrived."""
            if arrival.number == 2:
                second.set()
            if passes:
                await second.wait()
            return await shop(arrival)

        async with replay_harness(waits, "1") as harness:
            harness.gateway.traced = 1 if passes else 0
            planned = Fault("inner-lost-answer", 0, "POST /things", "", "", "psp")
            replayer = harness.replayer(CREATE, LOOK)
            await replayer.run(step(*(replay("1", "1", fault=planned, id=f"r{n}") for n in range(6))), lambda: None)
            assert harness.gateway.alone is None
            assert len(harness.arrived) == 12
            return harness.most_under_way

    assert run_bounded(scenario(False)) == 1
    assert run_bounded(scenario(True)) > 1


def test_what_was_read_is_remembered_with_all_versions_that_touched_it() -> None:
    async def scenario() -> None:
        async with replay_harness(shop, "1", "2") as harness:
            replayer = harness.replayer(CREATE, CHANGE, LOOK)
            await replayer.run(step(replay("1", "2", "1")), lambda: None)
            (found,) = replayer.resources
            assert (found.service, found.request.target, found.versions) == ("orders", "/things/t-91", ("1", "2"))
            assert (found.step, found.replay, found.session, found.index) == ("rollout.1", "r1", "s1", 2)
            assert found.operation == harness.operations[2].id

    run_bounded(scenario())


def test_proofs_are_sent_to_the_version_that_they_name() -> None:
    async def scenario() -> None:
        async with replay_harness(shop, "1", "2") as harness:
            sent = request("POST", "/things", {"new": True})
            proof = Proof("proof-c1", "orders", "1", "create", sent)
            state = (Replicas("orders", "1", 1),)
            planned = PlannedStep("rollout.2", "replace", "forward", "", (), state, (), False, (), (proof,))
            await harness.replayer(CREATE).prove(planned)
            assert [(entry.version, entry.request.body) for entry in harness.arrived] == [("1", sent.body)]
            (entry,) = harness.operations
            assert (entry.source, entry.replay, entry.step, entry.name) == ("proof", "proof-c1", "rollout.2", "create")

    run_bounded(scenario())


def test_unmatched_values_are_noted_with_their_operation() -> None:
    async def scenario() -> None:
        async def forgets(arrival: Arrival) -> Response:
            return answer(201, {"v": 1}) if arrival.request.method == "POST" else answer(200, {"id": "x", "v": 1})

        async with replay_harness(forgets, "1") as harness:
            await harness.replayer(CREATE, LOOK).run(step(replay("1", "1")), lambda: None)
            assert [note.kind for note in harness.notes] == ["unmatched"]
            (note,) = harness.notes
            assert note.operation in {entry.id for entry in harness.operations}
            assert note.step == "rollout.1"

    run_bounded(scenario())


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("orders:8080", "orders"), ("orders", "orders"), ("payments:1", "payments"), ("127.0.0.1:8080", "orders"),
        ("", "orders"), ("[::1]:80", "orders"), ("orders.example.com", "orders"),
    ],
)  # fmt: skip
def test_the_service_that_a_recorded_host_names(host: str, service: str) -> None:
    assert service_of(host, {"orders": 8080, "payments": 8081}, "orders") == service


def test_answers_that_differ_stand_for_work_of_their_own() -> None:
    async def scenario() -> None:
        async def echo(arrival: Arrival) -> Response:
            return answer(200, {"n": min(arrival.number, 2)})

        async with replay_harness(echo, "1") as harness:
            replayer = harness.replayer(*[(request("PUT", "/a", {}), answer(200, {}))] * 3)
            await replayer.run(step(replay("1", "1", "1")), lambda: None)
            assert [entry.index for entry in unique_responses(harness.operations)] == [0, 1]

    run_bounded(scenario())
    assert unique_responses([]) == []


def test_inner_calls_of_a_replay_carry_its_operation() -> None:
    """A service that passes the trace on: whatever it calls belongs to the operation that caused it."""

    async def scenario() -> None:
        ports: dict[str, int] = {}

        async def calls(arrival: Arrival) -> Response:
            trace = header(arrival.request.headers, "traceparent") or ""
            charge = request("POST", "/charge", {}, (("traceparent", trace),))
            await harness.client.send("127.0.0.1", ports["psp"], charge, timeout=30)
            return await shop(arrival)

        async with replay_harness(calls, "1", partners={"psp": 0.0}) as harness:
            ports.update(await harness.gateway.attach("orders-1-1", "orders", "1", ("psp",)))
            replayer = harness.replayer(CREATE, LOOK)
            await replayer.run(step(*(replay("1", "1", id=f"r{n}") for n in range(4))), lambda: None)
            causes = {entry.id: entry for entry in harness.operations if entry.source == "replay"}
            inner = [entry for entry in harness.operations if entry.source == "partner"]
            assert len(inner) == len(causes) == 8
            assert {entry.parent for entry in inner} == set(causes)
            assert all(entry.replay == causes[entry.parent].replay for entry in inner)
            assert harness.gateway.passes_traces

    run_bounded(scenario())


def test_an_inner_fault_befalls_the_calls_of_its_exchange_alone() -> None:
    """By traces only: the replays run side by side, and the exchange before makes the same call."""

    async def scenario() -> None:
        ports: dict[str, int] = {}

        async def calls(arrival: Arrival) -> Response:
            trace = header(arrival.request.headers, "traceparent") or ""
            charge = request("POST", "/charge", {}, (("traceparent", trace),))
            charged = await harness.client.send("127.0.0.1", ports["psp"], charge, timeout=30)
            if charged.response is None:
                return answer(503, {}, (("Retry-After", "0"),))
            return await shop(arrival)

        async with replay_harness(calls, "1", partners={"psp": 0.0}) as harness:
            harness.gateway.traced = 1
            ports.update(await harness.gateway.attach("orders-1-1", "orders", "1", ("psp",)))
            planned = Fault("inner-lost-answer", 1, "GET /things/{}", "", "", "psp")
            replayer = harness.replayer(CREATE, LOOK, CHANGE)
            await replayer.run(
                step(*(replay("1", "1", "1", fault=planned, id=f"r{n}") for n in range(3))), lambda: None
            )
            partner = {entry.parent: entry for entry in harness.operations if entry.source == "partner"}
            faulty = {parent for parent, entry in partner.items() if entry.fault}
            # Disturbed, an exchange is not tried again: its answer is what the finding is about.
            assert faulty == {f"rollout.1/r{n}/2.1" for n in range(3)}
            assert {entry.operation.rpartition("/")[0] for entry in harness.injected} == faulty
            assert len(partner) == 6
            assert {partner[f"rollout.1/r{n}/1.1"].replay for n in range(3)} == {"r0", "r1", "r2"}

    run_bounded(scenario())
