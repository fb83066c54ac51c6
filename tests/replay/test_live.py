"""Live traffic spans the block, follows the rotation, ends its sessions, and is cut short only when all of it is."""

from __future__ import annotations

import asyncio

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, replay_harness, run_bounded, until
from verifier.http.message import Response
from verifier.http.server import Reply
from verifier.replay.live import live_traffic

PUT = (request("PUT", "/things/c2f9a8de-1f58-4a0f-8c1c-b8b7d0b6c0aa", {"v": 1}), answer(200, {"v": 1}))
GET = (request("GET", "/things/c2f9a8de-1f58-4a0f-8c1c-b8b7d0b6c0aa"), answer(200, {"v": 1}))


async def well(arrival: Arrival) -> Response:
    return answer(200, {"v": 1})


def test_traffic_begins_before_the_block_and_goes_on_after_it() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1") as harness:
            replayer = harness.replayer(PUT, GET, live_rate=1000.0)
            async with live_traffic(replayer, "rollout.2"):
                inside = len(harness.operations)
                assert inside >= 1
                await until(lambda: len(harness.operations) > inside + 10)
                end = len(harness.operations)
            assert len(harness.operations) > end
            assert {(entry.source, entry.step, entry.outcome) for entry in harness.operations} == {
                ("live", "rollout.2", "ok")
            }
            sessions: dict[str, list[int]] = {}
            for entry in harness.operations:
                sessions.setdefault(entry.replay, []).append(entry.index)
            assert len(sessions) > 2
            assert set(map(tuple, sessions.values())) == {(0, 1)}, "every session is brought to its end"
            assert harness.under_way == 0
            assert harness.context.sent == harness.context.answered == len(harness.operations)
            assert len({entry.id for entry in harness.operations}) == len(harness.operations)
            assert replayer.resources
            await asyncio.sleep(0)
            assert harness.gateway.step == "rollout.2"

    run_bounded(scenario())


def test_it_follows_the_rotation() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1") as harness:
            replayer = harness.replayer(PUT, GET, live_rate=1000.0)
            async with live_traffic(replayer, "rollout.2"):
                await harness.replica("orders", "2")
                await until(lambda: "2" in {entry.version for entry in harness.operations})
                harness.rotation.remove("orders-1-1")
                gone = len(harness.arrived)
                await until(lambda: len(harness.arrived) > gone + 10)
            assert {entry.version for entry in harness.arrived[gone + 2 :]} == {"2"}
            assert {entry.error for entry in harness.operations} == {""}

    run_bounded(scenario())


def test_a_service_that_is_down_does_not_stop_it() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1") as harness:
            replayer = harness.replayer(PUT, GET, live_rate=1000.0)
            gone = harness.rotation.remove("orders-1-1")
            assert gone is not None
            async with live_traffic(replayer, "rollout.2"):
                assert {entry.error for entry in harness.operations} == {"refused"}
                harness.rotation.add(gone)
                await until(lambda: bool(harness.arrived))
            assert harness.context.sent == harness.context.answered + harness.context.failed == len(harness.operations)

    run_bounded(scenario())


def test_a_session_ends_at_the_first_unexpected_answer_and_another_begins() -> None:
    async def scenario() -> None:
        async def refuses(arrival: Arrival) -> Response | Reply:
            return answer(500, {}) if arrival.number % 2 else Reply(None)

        async with replay_harness(refuses, "1") as harness:
            replayer = harness.replayer(PUT, GET, live_rate=1000.0)
            async with live_traffic(replayer, "rollout.2"):
                await until(lambda: len(harness.operations) > 6)
            assert {entry.index for entry in harness.operations} == {0}
            assert not replayer.resources

    run_bounded(scenario())


@pytest.mark.parametrize("clients", [1, 5])
def test_the_number_of_sessions_is_as_declared(clients: int) -> None:
    async def scenario() -> None:
        async def gathers(arrival: Arrival) -> Response:
            await until(lambda: harness.most_under_way >= clients)
            return answer(200, {"v": 1})

        async with replay_harness(gathers, "1") as harness:
            replayer = harness.replayer(PUT, GET, live_sessions=clients, live_rate=1000.0)
            async with live_traffic(replayer, "rollout.2"):
                pass
            assert harness.most_under_way == clients

    run_bounded(scenario())


def test_what_fails_in_the_block_is_raised_and_sessions_are_brought_to_their_end() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1") as harness:
            replayer = harness.replayer(PUT, GET, live_rate=1000.0)
            with pytest.raises(LookupError):
                async with live_traffic(replayer, "rollout.2"):
                    raise LookupError
            assert harness.under_way == 0
            last: dict[str, int] = {}
            for entry in harness.operations:
                last[entry.replay] = entry.index
            assert set(last.values()) == {1}

    run_bounded(scenario())


def test_an_interruption_does_not_wait_for_answers() -> None:
    """Ctrl-C while a service hangs: its sessions are dropped, not waited for until their time-outs."""

    async def scenario() -> None:
        never = asyncio.Event()

        async def hangs(arrival: Arrival) -> Response:
            if arrival.number > 1:
                await never.wait()
            return answer(200, {"v": 1})

        async with replay_harness(hangs, "1") as harness:
            replayer = harness.replayer(PUT, GET, live_rate=1000.0)

            async def block() -> None:
                async with live_traffic(replayer, "rollout.2"):
                    await never.wait()

            running = asyncio.create_task(block())
            await until(lambda: harness.under_way == 2)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert len(harness.operations) == 1, "nobody waited for the others' answers or time-outs"

    run_bounded(scenario())
