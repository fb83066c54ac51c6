"""Every fault does on the wire what its name says: how many requests, to which version, in which order."""

from __future__ import annotations

import asyncio

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, Fault, ReplayHarness, replay, replay_harness, run_bounded, step
from verifier.history.model import Operation
from verifier.http.message import Response
from verifier.http.server import Reply
from verifier.matrix.model import Retry

PUT = (request("PUT", "/things/a", {"v": 1}), answer(200, {"v": 1}))
GET = (request("GET", "/things/a"), answer(200, {"v": 1}))


async def well(arrival: Arrival) -> Response:
    return answer(200, {"v": 1})


def fault(kind: str, first: str = "1", second: str = "2", until: str = "", index: int = 0) -> Fault:
    return Fault(kind, index, "PUT /things/{}", first, second, until=until)


async def disturbed(harness: ReplayHarness, what: Fault, *route: str) -> None:
    replayer = harness.replayer(PUT, GET)
    await replayer.run(step(replay(*(route or (what.first, "1")), fault=what)), lambda: None)


def put(harness: ReplayHarness) -> list[Operation]:
    return [entry for entry in harness.operations if entry.request.method == "PUT"]


PAIRS = [("1", "1"), ("1", "2"), ("2", "1")]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_duplicates_at_once_are_under_way_together(first: str, second: str) -> None:
    async def scenario() -> None:
        both = asyncio.Event()

        async def waits(arrival: Arrival) -> Response:
            """Neither is answered before the other one has arrived: one after the other would never end."""
            if arrival.number == 2:
                both.set()
            await both.wait()
            return answer(200, {"v": 1})

        async with replay_harness(waits, "1", "2") as harness:
            await disturbed(harness, fault("duplicate-at-once", first, second))
            assert sorted(entry.version for entry in harness.arrived[:2]) == sorted((first, second))
            assert harness.most_under_way == 2
            assert [entry.version for entry in put(harness)] == [first, second]
            assert [entry.outcome for entry in put(harness)] == ["ok", "ok"]
            one, two = put(harness)
            assert (one.attempt, two.attempt, two.parent) == (1, 2, one.id)
            assert harness.arrived[0].request.body == harness.arrived[1].request.body
            assert len(harness.arrived) == 3, "and the session goes on"

    run_bounded(scenario())


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_duplicate_after_comes_after_the_answer(first: str, second: str) -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            await disturbed(harness, fault("duplicate-after", first, second))
            assert harness.seen() == [(first, "PUT"), (second, "PUT"), ("1", "GET")]
            assert harness.most_under_way == 1
            one, two = put(harness)
            assert one.ended <= two.started
            assert [entry.outcome for entry in (one, two)] == ["ok", "ok"]

    run_bounded(scenario())


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_lost_answer_happened_and_the_retry_follows(first: str, second: str) -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            await disturbed(harness, fault("lost-answer", first, second))
            assert harness.seen() == [(first, "PUT"), (second, "PUT"), ("1", "GET")]
            lost, retried = put(harness)
            assert lost.response is not None, "kept as evidence"
            assert (lost.outcome, retried.outcome) == ("info", "ok")
            assert lost.ended <= retried.started

    run_bounded(scenario())


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_reset_comes_after_the_effect_and_before_the_whole_answer(first: str, second: str) -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            await disturbed(harness, fault("reset", first, second))
            assert harness.seen() == [(first, "PUT"), (second, "PUT"), ("1", "GET")], "the service had done it"
            cut, retried = put(harness)
            assert (cut.response, cut.error, cut.outcome) == (None, "reset", "info")
            assert retried.response is not None
            assert retried.outcome == "ok"

    run_bounded(scenario())


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_late_arrival_is_served_after_its_retry(first: str, second: str) -> None:
    async def scenario() -> None:
        answered: list[int] = []

        async def notes(arrival: Arrival) -> Response:
            answered.append(arrival.number)
            return answer(200, {"v": 1})

        async with replay_harness(notes, "1", "2") as harness:
            await disturbed(harness, fault("late-arrival", first, second))
            assert harness.seen() == [(second, "PUT"), (first, "PUT"), ("1", "GET")]
            late, retried = put(harness)
            assert (late.attempt, late.version, late.outcome) == (1, first, "info")
            assert (retried.attempt, retried.version, retried.outcome) == (2, second, "ok")
            assert retried.ended <= late.ended

    run_bounded(scenario())


def test_a_slow_reader_gets_the_whole_answer() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            await disturbed(harness, fault("slow-read", "2", "2"))
            assert harness.seen() == [("2", "PUT"), ("1", "GET")]
            (read,) = put(harness)
            assert read.response is not None
            assert read.response.body == answer(200, {"v": 1}).body

    run_bounded(scenario())


def test_reordered_exchanges_arrive_the_other_way_round() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            replayer = harness.replayer(PUT, (request("PUT", "/others/b", {"w": 1}), answer(200, {"v": 1})), GET)
            await replayer.run(step(replay("1", "2", "1", fault=fault("reorder", "1", "2"))), lambda: None)
            assert [(entry.version, entry.request.path) for entry in harness.arrived] == [
                ("2", "/others/b"),
                ("1", "/things/a"),
                ("1", "/things/a"),
            ]
            assert [entry.index for entry in harness.operations] == [1, 0, 2]
            assert [entry.fault for entry in harness.operations] == ["reorder", "reorder", ""]
            assert len(harness.injected) == 1

    run_bounded(scenario())


@pytest.mark.parametrize("kind", ["duplicate-next-step", "duplicate-after-rollback"])
def test_a_deferred_duplicate_is_sent_in_its_step_and_once(kind: str) -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            replayer = harness.replayer(PUT, GET)
            await replayer.run(step(replay("1", "1", fault=fault(kind, "1", "2", "rollout.3"))), lambda: None)
            assert harness.seen() == [("1", "PUT"), ("1", "GET")]
            assert harness.injected == []
            first = put(harness)[0]
            await replayer.run(step(id="rollout.2"), lambda: None)
            assert len(harness.arrived) == 2, "not yet"
            await replayer.run(step(replay("1", "1"), id="rollout.3"), lambda: None)
            assert harness.seen() == [("1", "PUT"), ("1", "GET"), ("2", "PUT"), ("1", "PUT"), ("1", "GET")]
            late = put(harness)[1]
            assert harness.arrived[2].request.body == harness.arrived[0].request.body
            assert (late.step, late.attempt, late.parent, late.fault) == ("rollout.3", 2, first.id, kind)
            assert late.id != put(harness)[2].id, "a replay of this step may have the same number"
            (record,) = harness.injected
            assert (record.step, record.replay) == ("rollout.3", "rollout.1:r1")
            await replayer.run(step(id="rollout.4"), lambda: None)
            assert len(put(harness)) == 3

    run_bounded(scenario())


def test_until_its_duplicate_is_due_a_client_meets_only_live_versions() -> None:
    """The version of the later step does not run yet: a client that is asked to come back stays where it was."""

    async def scenario() -> None:
        async def later(arrival: Arrival) -> Response:
            return answer(503, {}, (("Retry-After", "0"),)) if arrival.number == 1 else answer(200, {"v": 1})

        async with replay_harness(later, "1") as harness:
            await disturbed(harness, fault("duplicate-next-step", "1", "2", "rollout.2"))
            assert harness.seen() == [("1", "PUT"), ("1", "PUT"), ("1", "GET")]
            assert {entry.error for entry in harness.operations} == {""}

    run_bounded(scenario())


@pytest.mark.parametrize(("asked", "attempts"), [(1, 2), (2, 3), (99, 4)])
@pytest.mark.parametrize("kind", ["", "lost-answer"])
def test_a_client_comes_back_a_bounded_number_of_times(kind: str, asked: int, attempts: int) -> None:
    async def scenario() -> None:
        async def later(arrival: Arrival) -> Response:
            if arrival.number <= asked + bool(kind) and not (kind and arrival.number == 1):
                return answer(503, {}, (("Retry-After", "0"),))
            return answer(200, {"v": 1})

        async with replay_harness(later, "1", "2", retry=Retry(attempts=4)) as harness:
            if kind:
                await disturbed(harness, fault(kind))
            else:
                await harness.replayer(PUT, GET).run(step(replay("1", "1")), lambda: None)
            expected = min(4, attempts + bool(kind))
            assert len(put(harness)) == expected
            assert [entry.attempt for entry in put(harness)] == list(range(1, expected + 1))
            assert len({entry.id for entry in put(harness)}) == expected
            versions = ["1", *["2" if kind else "1"] * (expected - 1)]
            assert [entry.version for entry in put(harness)] == versions

    run_bounded(scenario())


@pytest.mark.parametrize(
    ("response", "statuses", "times"),
    [
        (answer(500, {}), (), 1),
        (answer(500, {}), (500,), 3),
        (answer(500, {}, (("Retry-After", "0"),)), (), 1),
        (answer(429, {}, (("Retry-After", "0"),)), (), 3),
        (answer(409, {}), (), 1),
        (answer(503, {}, (("Retry-After", "Wed, 21 Oct 2037 07:28:00 GMT"),)), (), 3),
    ],
)
def test_what_a_client_tries_again(response: Response, statuses: tuple[int, ...], times: int) -> None:
    async def scenario() -> None:
        async def refuses(arrival: Arrival) -> Response:
            return response

        async with replay_harness(refuses, "1", retry=Retry(attempts=3, statuses=statuses)) as harness:
            await harness.replayer(PUT).run(step(replay("1")), lambda: None)
            assert len(harness.arrived) == times

    run_bounded(scenario())


@pytest.mark.parametrize("kind", ["lost-answer", "reset", "late-arrival", "duplicate-at-once", "duplicate-after"])
def test_a_fault_that_reached_no_replica_did_not_take_place(kind: str) -> None:
    """Version 1 does not run: what was sent to it certainly did not happen."""

    async def scenario() -> None:
        async with replay_harness(well, "2") as harness:
            await disturbed(harness, fault(kind), "1", "2")
            one, two = put(harness)
            assert (one.outcome, one.error, one.replica) == ("fail", "refused", "")
            assert (two.outcome, two.version) == ("ok", "2")
            assert harness.injected == []

    run_bounded(scenario())


@pytest.mark.parametrize(
    "kind", ["lost-answer", "reset", "late-arrival", "duplicate-at-once", "duplicate-after", "slow-read"]
)
def test_each_fault_that_took_place_is_told_once(kind: str) -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            await disturbed(harness, fault(kind))
            (record,) = harness.injected
            assert (record.step, record.replay, record.kind) == ("rollout.1", "r1", kind)
            assert (record.first, record.second) == ("1", "2")
            assert record.operation == put(harness)[0].id
            assert {entry.fault for entry in put(harness)} == {kind}
            assert harness.context.sent == harness.context.answered + harness.context.failed
            assert harness.context.sent == len(harness.operations)

    run_bounded(scenario())


@pytest.mark.parametrize("kind", ["lost-answer", "duplicate-at-once", "late-arrival"])
def test_a_service_that_breaks_under_a_fault_ends_no_replay(kind: str) -> None:
    async def scenario() -> None:
        async def breaks(arrival: Arrival) -> Reply:
            return Reply(None, reset=True)

        async with replay_harness(breaks, "1", "2") as harness:
            await disturbed(harness, fault(kind))
            assert [entry.outcome for entry in put(harness)] == ["info", "info"]
            assert len(harness.arrived) == 2, "the session does not go on"
            assert harness.context.sent == harness.context.failed == 2

    run_bounded(scenario())


def test_an_inner_fault_without_traces_is_kept_for_its_own_exchange() -> None:
    """Both exchanges call payments; the fault is planned for the second one's call."""

    async def scenario() -> None:
        ports: dict[str, int] = {}
        harness: ReplayHarness

        async def calls(arrival: Arrival) -> Response | Reply:
            if arrival.version == "p":
                return answer(200, {"paid": True})
            got = await harness.client.send("127.0.0.1", ports["payments"], request("POST", "/charge", {}), timeout=30)
            return answer(200, {"v": 1, "paid": got.response is not None})

        async with replay_harness(calls, "1") as harness:
            await harness.replica("payments", "p")
            ports.update(await harness.gateway.attach("orders-1-1", "orders", "1", ("payments",)))
            replayer = harness.replayer(PUT, GET)
            planned = Fault("inner-lost-answer", 1, "GET /things/{}", "p", "p", "payments")
            await replayer.run(step(replay("1", "1", fault=planned)), lambda: None)
            inner = [entry for entry in harness.operations if entry.source == "inner"]
            assert [entry.fault for entry in inner] == ["", "inner-lost-answer"]
            assert {entry.replay for entry in inner} == {"r1"}
            assert [entry.operation for entry in harness.injected] == [inner[1].id]
            assert harness.gateway.alone is None

    run_bounded(scenario())
