"""Who gets the requests while a replica lingers in the load balancer after it was told to end."""

from __future__ import annotations

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, replay_harness, run_bounded
from verifier.history.model import Source
from verifier.http.message import Response
from verifier.plan.faults import IN_HAND, LATE_REMOVAL
from verifier.replay.context import Attempt
from verifier.replay.late_removal import LateRequests

NAME = "/things/c2f9a8de-1f58-4a0f-8c1c-b8b7d0b6c0aa"
PUT = (request("PUT", NAME, {"v": 1}), answer(200, {"v": 1}))
GET = (request("GET", NAME), answer(200, {"v": 1}))


async def well(arrival: Arrival) -> Response:
    return answer(200, {"v": 1})


def attempt(number: int, source: Source, version: str = "", replica: str = "") -> Attempt:
    return Attempt("s.1", f"r{number}", "s1", 0, 1, source, "orders", version, "GET /things/{}", replica=replica)


def test_live_traffic_alone_meets_a_replica_that_lingers() -> None:
    """Polls ask the others what became of work: they would only find out again that the replica has ended."""

    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            harness.rotation.linger("orders-1-1")

            async def served(source: Source, version: str = "", replica: str = "") -> set[str]:
                found = [
                    await harness.context.send(attempt(number, source, version, replica), GET[0]) for number in range(6)
                ]
                assert {entry.fault for entry in found} <= {"", LATE_REMOVAL}
                assert all((entry.fault == LATE_REMOVAL) is (entry.replica == "orders-1-1") for entry in found)
                return {entry.replica for entry in found}

            assert await served("live") == {"orders-1-1", "orders-2-1"}
            assert await served("live", replica="orders-1-1") == {"orders-1-1"}
            for source in ("replay", "poll", "sweep"):
                assert await served(source, replica="orders-1-1") == {"orders-2-1"}  # type: ignore[arg-type]
            assert await served("replay", version="1") == {""}
            harness.rotation.remove("orders-1-1")
            assert await served("live", replica="orders-1-1") == {"orders-2-1"}

    run_bounded(scenario())


def test_a_replica_has_a_request_in_hand_before_it_is_told_to_end() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            endpoint = harness.rotation.endpoint("orders-1-1")
            assert endpoint is not None
            late = LateRequests(harness.replayer(PUT, GET), "s.1", endpoint, 0.2)
            await late.begin()
            assert any(arrival.version == "1" for arrival in harness.arrived)
            assert not [entry for entry in harness.operations if entry.fault == IN_HAND], "it is still under way"
            harness.rotation.linger("orders-1-1")
            harness.rotation.remove("orders-1-1")
            await late.end()
            (in_hand,) = [entry for entry in harness.operations if entry.fault == IN_HAND]
            assert (in_hand.replica, in_hand.outcome, in_hand.request.method) == ("orders-1-1", "ok", "PUT")
            assert harness.under_way == 0

    run_bounded(scenario())
