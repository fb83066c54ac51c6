"""Accepted work is polled until it ends, its bound passes, or nobody would go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, ReplayHarness, replay, replay_harness, run_bounded, step
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.history.model import Operation
from verifier.http.encode import encode_request
from verifier.http.message import Request, Response
from verifier.http.server import Reply
from verifier.replay.awaited import FAILURES
from verifier.replay.context import same_origin

CONTRACT = """\
openapi: 3.0.3
info: {title: jobs, version: "1"}
paths:
  /jobs:
    post: {operationId: begin, responses: {"202": {description: accepted}, "201": {description: done}}}
  /jobs/{id}:
    get: {operationId: look, responses: {"200": {description: how far it is}}}
"""
GUARANTEES = """\
service: orders
operations:
  begin:
    completes:
      {poll: $response.header.Location, state: $response.body#/status, final: [done, failed], within: WITHIN}
"""
BEGIN = (request("POST", "/jobs", {"n": 1}), answer(202, {"ok": True}, (("Location", "/jobs/7"),)))


def promised(folder: Path, within: str = "30s") -> ContractRegistry:
    (folder / "c.yaml").write_text(CONTRACT)
    (folder / "guarantees.yaml").write_text(GUARANTEES.replace("WITHIN", within))
    return ContractRegistry(tuple(version_contract("orders", version, folder / "c.yaml") for version in ("1", "2")))


def polls(harness: ReplayHarness) -> list[Operation]:
    return [entry for entry in harness.operations if entry.source == "poll"]


def accepted(location: str = "/jobs/7") -> Response:
    return answer(202, {"ok": True}, (("Location", location),))


@pytest.mark.parametrize("location", ["/jobs/7", "http://orders:8080/jobs/7", "jobs/7", "./jobs/7#state"])
@pytest.mark.parametrize("final", ["done", "failed"])
def test_polling_ends_with_a_final_state(final: str, location: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async def works(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                return accepted(location)
            return answer(200, {"status": final if arrival.number > 4 else "pending"})

        async with replay_harness(works, "1", "2", registry=promised(tmp_path)) as harness:
            await harness.replayer(BEGIN).run(step(replay("1")), lambda: None)
            assert [entry.request.target for entry in harness.arrived] == ["/jobs", *["/jobs/7"] * 4]
            begun, *asked = harness.operations
            assert (begun.name, begun.outcome) == ("begin", "accepted")
            assert [entry.id for entry in asked] == [f"{begun.id}/poll-{n}" for n in (1, 2, 3, 4)]
            assert {(entry.source, entry.parent, entry.name) for entry in asked} == {("poll", begun.id, "look")}
            assert {entry.version for entry in asked} == {"1", "2"}, "through every live version by turn"
            (end,) = harness.ends
            assert (end.how, end.shown, end.operation, end.reads) == ("ended", final, begun.id, 4)
            assert (end.index, end.version, end.name) == (0, "1", "begin")

    run_bounded(scenario())


def test_polling_ends_at_its_bound_and_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def never(arrival: Arrival) -> Response:
            return accepted() if arrival.request.method == "POST" else answer(200, {"status": "pending"})

        async with replay_harness(never, "1", registry=promised(tmp_path, "200ms")) as harness:
            await harness.replayer(BEGIN).run(step(replay("1")), lambda: None)
            assert polls(harness)
            (end,) = harness.ends
            assert (end.how, end.operation, end.step) == ("open", harness.operations[0].id, "rollout.1")
            assert (end.shown, end.bound, end.declared, end.reads) == ("pending", 0.2, True, len(polls(harness)))
            assert end.wanted == "$response.body#/status = done or failed"
            assert end.last == polls(harness)[-1].id

    run_bounded(scenario())


@pytest.mark.parametrize("how", [answer(404, {}), answer(500, {}), Reply(None)])
def test_polling_ends_after_repeated_failure(how: Response | Reply, tmp_path: Path) -> None:
    async def scenario() -> None:
        async def fails(arrival: Arrival) -> Response | Reply:
            return accepted() if arrival.request.method == "POST" else how

        async with replay_harness(fails, "1", registry=promised(tmp_path)) as harness:
            await harness.replayer(BEGIN).run(step(replay("1")), lambda: None)
            assert len(polls(harness)) == FAILURES
            assert [(end.how, end.reads) for end in harness.ends] == [("unreadable", FAILURES)]

    run_bounded(scenario())


def test_a_failure_now_and_then_does_not_end_polling(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def hiccups(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                return accepted()
            if arrival.number > 2 * FAILURES:
                return answer(200, {"status": "done"})
            return answer(503, {}) if arrival.number % 2 else answer(200, {"status": "pending"})

        async with replay_harness(hiccups, "1", registry=promised(tmp_path)) as harness:
            await harness.replayer(BEGIN).run(step(replay("1")), lambda: None)
            assert len(polls(harness)) == 2 * FAILURES
            assert [end.how for end in harness.ends] == ["ended"]

    run_bounded(scenario())


@pytest.mark.parametrize("answered", [answer(201, {"ok": True}, (("Location", "/jobs/7"),)), answer(202, {"ok": True})])
def test_what_promises_nothing_is_not_polled(answered: Response, tmp_path: Path) -> None:
    """Completed at once, or accepted without a place to ask."""

    async def scenario() -> None:
        async def works(arrival: Arrival) -> Response:
            return answered

        async with replay_harness(works, "1", registry=promised(tmp_path)) as harness:
            await harness.replayer(BEGIN).run(step(replay("1")), lambda: None)
            assert len(harness.arrived) == 1

    run_bounded(scenario())


def test_nothing_declared_is_not_polled() -> None:
    async def scenario() -> None:
        async def works(arrival: Arrival) -> Response:
            return accepted()

        async with replay_harness(works, "1") as harness:
            await harness.replayer(BEGIN).run(step(replay("1")), lambda: None)
            assert len(harness.arrived) == 1

    run_bounded(scenario())


def test_polls_carry_the_client_s_identity_and_nothing_of_its_write(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def works(arrival: Arrival) -> Response:
            return accepted() if arrival.request.method == "POST" else answer(200, {"status": "done"})

        headers = (("Authorization", "Bearer x"), ("Idempotency-Key", "k"), ("Cookie", "a=b"))
        begin = (request("POST", "/jobs", {"n": 1}, headers), BEGIN[1])
        async with replay_harness(works, "1", registry=promised(tmp_path)) as harness:
            await harness.replayer(begin).run(step(replay("1")), lambda: None)
            names = {name.lower() for name, _ in harness.arrived[1].request.headers}
            assert {"authorization", "traceparent"} <= names
            assert not names & {"idempotency-key", "content-type"}
            assert harness.arrived[1].request.body == b""

    run_bounded(scenario())


# --- polling that was recorded, with nothing declared ---

RECORDED = (
    (request("POST", "/jobs", {"n": 1}), answer(202, {"id": "j-1"})),
    (request("GET", "/jobs/j-1"), answer(200, {"status": "pending"})),
    (request("GET", "/jobs/j-1"), answer(200, {"status": "pending"})),
    (request("GET", "/jobs/j-1"), answer(200, {"status": "done"})),
)


@pytest.mark.parametrize("needed", [1, 2, 6])
def test_a_recorded_poll_goes_on_until_it_shows_what_the_recording_ended_with(needed: int) -> None:
    async def scenario() -> None:
        async def works(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                return answer(202, {"id": "j-9"})
            return answer(200, {"status": "done" if arrival.number > needed else "pending"})

        async with replay_harness(works, "1", "2") as harness:
            replayer = harness.replayer(*RECORDED)
            await replayer.run(step(replay("1", "2")), lambda: None)
            assert [entry.request.target for entry in harness.arrived] == ["/jobs", *["/jobs/j-9"] * needed]
            assert [end.how for end in harness.ends] == ["ended"]
            assert len(polls(harness)) == needed - 1
            (found,) = replayer.resources
            assert found.request.target == "/jobs/j-9"

    run_bounded(scenario())


def test_a_recorded_poll_gives_up_after_repeated_failure() -> None:
    async def scenario() -> None:
        async def breaks(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                return answer(202, {"id": "j-9"})
            return answer(200, {"status": "pending"}) if arrival.number == 2 else answer(500, {})

        async with replay_harness(breaks, "1") as harness:
            replayer = harness.replayer(*RECORDED)
            await replayer.run(step(replay("1", "1")), lambda: None)
            assert len(polls(harness)) == FAILURES
            assert [(end.how, end.shown) for end in harness.ends] == [("open", "pending")]
            assert not replayer.resources

    run_bounded(scenario())


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("/jobs/7?full=1", "/jobs/7?full=1"),
        ("https://orders.example/jobs/7?a=b", "/jobs/7?a=b"),
        ("//orders:8080/jobs/7", "/jobs/7"),
        ("http://orders", "/"),
        ("7", "/jobs/7"),
        ("../states/7", "/states/7"),
        ("?state=7", "/jobs/8?state=7"),
        ("/jobs/the seventh", "/jobs/the%20seventh"),
        ("//[7", "//[7"),
        ("http://[7", "/http://[7"),
    ],
)
def test_an_address_that_a_service_gives_is_asked_for_as_a_browser_would(address: str, target: str) -> None:
    assert same_origin(address, "/jobs/8?now=1") == target


@given(st.text())
def test_any_address_can_be_asked_for(address: str) -> None:
    assert encode_request(Request("GET", same_origin(address, "/jobs")), b"orders").startswith(b"GET /")
