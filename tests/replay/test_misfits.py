"""A response that the old version does not give as recorded ends a session only where something later needs it."""

from __future__ import annotations

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, replay, replay_harness, run_bounded, step
from tests.replay.recordings import CHANGE, CREATE, LOOK, shop
from verifier.http.message import Request, Response
from verifier.plan.model import Fault

ASSET = (request("GET", "/app.js"), answer(200, {}))
BEACON = (request("POST", "/beacon", {"seen": "page"}), answer(204))
Pair = tuple[Request, Response]


def sent(pairs: tuple[Pair, ...], refused: Pair, status: int, *, learning: bool, fault: Fault | None = None) -> int:
    """How many requests one replay sends if one of them is answered with this status."""

    async def scenario() -> int:
        async def serve(arrival: Arrival) -> Response:
            path = refused[0].path
            is_refused = arrival.request.method == refused[0].method and arrival.request.path == path
            return answer(status, {}) if is_refused else await shop(arrival)

        async with replay_harness(serve, "1") as harness:
            harness.context.misfits.learning = learning
            planned = replay(*("1",) * len(pairs), fault=fault)
            await harness.replayer(*pairs).run(step(planned), lambda: None)
            return len(harness.arrived)

    return run_bounded(scenario())


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_read_that_nothing_needs_is_left_out(status: int) -> None:
    pairs = (ASSET, CREATE, LOOK)
    assert sent(pairs, ASSET, status, learning=True) == 3
    # Elsewhere it is a finding; a session goes on from it where the read was refused, and ends at a failure.
    assert sent(pairs, ASSET, status, learning=False) == (3 if status == 404 else 1)


@pytest.mark.parametrize(("status", "goes_on"), [(404, True), (405, True), (409, False), (429, False), (500, False)])
def test_a_write_that_nothing_needs_is_left_out_if_it_had_no_effect(status: int, goes_on: bool) -> None:
    assert sent((BEACON, CREATE, LOOK), BEACON, status, learning=True) == (3 if goes_on else 1)


def test_what_something_later_needs_ends_the_session() -> None:
    assert sent((CREATE, LOOK, CHANGE), CREATE, 404, learning=True) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429])
def test_a_refused_read_whose_response_something_later_needs_ends_the_session(status: int) -> None:
    page = (request("GET", "/page"), answer(200, {"token": "k3y-0123456789abcdef"}))
    use = (request("POST", "/things", {"token": "k3y-0123456789abcdef"}), answer(201, {"id": "t-1"}))
    assert sent((page, use), page, status, learning=False) == 1
    assert sent((page, CREATE), page, status, learning=False) == 2


def test_a_session_goes_on_from_a_refused_read_in_a_disturbed_replay_too() -> None:
    fault = Fault("duplicate-at-once", 1, "POST /things", "1", "1")
    assert sent((ASSET, CREATE, LOOK), ASSET, 404, learning=False, fault=fault) == 4


def test_a_disturbed_replay_teaches_nothing() -> None:
    fault = Fault("duplicate-at-once", 1, "POST /things", "1", "1")
    assert sent((ASSET, CREATE, LOOK), ASSET, 500, learning=True, fault=fault) == 1


def test_what_was_left_out_in_a_control_is_left_out_in_every_state() -> None:
    async def scenario() -> None:
        async def serve(arrival: Arrival) -> Response:
            return answer(500, {}) if arrival.request.path == ASSET[0].path else await shop(arrival)

        async with replay_harness(serve, "1") as harness:
            replayer, context = harness.replayer(ASSET, CREATE, LOOK), harness.context
            for learning in (False, True, False):
                context.misfits.learning = learning
                before = len(harness.arrived)
                await replayer.run(step(replay("1", "1", "1"), replay("1", "1", "1", id="r2")), lambda: None)
                assert len(harness.arrived) - before == (6 if context.misfits.known else 2)
            assert context.misfits.known == {("s1", 0)}

    run_bounded(scenario())
