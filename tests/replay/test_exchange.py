"""A session of live traffic follows the rules of a planned replay: both leave the same operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, ReplayHarness, replay, replay_harness, run_bounded, step, until
from tests.replay.recordings import CHANGE, CREATE, LOOK, shop
from tests.replay.test_polling_accepted import BEGIN, promised
from verifier.contracts.registry import ContractRegistry
from verifier.history.model import Operation
from verifier.http.message import Response
from verifier.http.server import Reply
from verifier.replay.live import live_traffic
from verifier.replay.resources import Resource

Handler = Callable[[Arrival], Awaitable[Response | Reply]]
SESSION = (CREATE, LOOK, CHANGE, LOOK)
WATCHED = (
    CREATE,
    (request("GET", "/things/t-100"), answer(200, {"status": "pending"})),
    (request("GET", "/things/t-100"), answer(200, {"status": "pending"})),
    (request("GET", "/things/t-100"), answer(200, {"status": "done"})),
)


async def refuses(arrival: Arrival) -> Response:
    return answer(404, {}) if arrival.request.method == "PUT" else await shop(arrival)


async def breaks(arrival: Arrival) -> Response | Reply:
    return Reply(None) if arrival.request.method == "PUT" else await shop(arrival)


async def asks_to_retry(arrival: Arrival) -> Response:
    if arrival.number in (2, 3):
        return answer(503, {}, (("Retry-After", "0"),))
    return await shop(arrival)


async def takes_long(arrival: Arrival) -> Response:
    if arrival.request.method == "POST":
        return await shop(arrival)
    return answer(200, {"status": "done" if arrival.number % 7 == 0 else "pending"})


async def accepts(arrival: Arrival) -> Response:
    if arrival.request.method == "POST":
        return answer(202, {"ok": True}, (("Location", "/jobs/7"),))
    return answer(200, {"status": "done" if arrival.number % 5 == 0 else "pending"})


def comparable(harness: ReplayHarness) -> list[Operation]:
    return [
        structs.replace(entry, started=0.0, ended=0.0, source="replay" if entry.source == "live" else entry.source)
        for entry in harness.operations
        if entry.replay == "live-1"
    ]


def read(found: Any) -> list[Resource]:
    return sorted((entry for entry in found if entry.replay == "live-1"), key=lambda entry: entry.operation)


def planned(pairs: Any, handler: Handler, registry: ContractRegistry) -> tuple[list[Operation], list[Resource]]:
    async def scenario() -> tuple[list[Operation], list[Resource]]:
        async with replay_harness(handler, "1", registry=registry) as harness:
            replayer = harness.replayer(*pairs)
            route = ["1"] * len(replayer.replay_scripts["s1"].script.steps)
            await replayer.run(step(replay(*route, id="live-1")), lambda: None)
            return comparable(harness), read(replayer.resources)

    return run_bounded(scenario())


def unplanned(pairs: Any, handler: Handler, registry: ContractRegistry) -> tuple[list[Operation], list[Resource]]:
    async def scenario() -> tuple[list[Operation], list[Resource]]:
        async with replay_harness(handler, "1", registry=registry) as harness:
            replayer = harness.replayer(*pairs, live_sessions=1, live_rate=1000.0)
            async with live_traffic(replayer, "rollout.1"):
                await until(lambda: any(entry.replay == "live-2" for entry in harness.operations))
            return comparable(harness), read(replayer.resources)

    return run_bounded(scenario())


@pytest.mark.parametrize(
    ("pairs", "handler", "sent"),
    [
        (SESSION, shop, 4),
        (SESSION, refuses, 3),
        (SESSION, breaks, 3),
        (SESSION, asks_to_retry, 6),
        (WATCHED, takes_long, 7),
        ((BEGIN,), accepts, 5),
        (((request("POST", "/jobs", {"n": 1}), answer(404, {})),), accepts, 5),  # unexpected, and work all the same
    ],
)
def test_live_traffic_and_planned_replays_have_the_same_rules(
    pairs: Any, handler: Handler, sent: int, tmp_path: Path
) -> None:
    registry = promised(tmp_path)
    operations, resources = planned(pairs, handler, registry)
    assert len(operations) == sent
    assert (operations, resources) == unplanned(pairs, handler, registry)
    assert bool(resources) == (handler is not accepts)
