"""Recorded event streams, replayed: heard as far as they were recorded, and hung up, for they may never end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, Fault, replay, replay_harness, run_bounded, step, until
from tests.replay.recordings import CREATE, LOOK, shop
from verifier.history.model import Operation
from verifier.http.handler import Reply
from verifier.http.message import Response
from verifier.replay import listening
from verifier.replay.listening import listen_limits
from verifier.replay.live import live_traffic

STREAM = (("Content-Type", "text/event-stream"),)
ONE, TWO = b'data: {"at": 1}\n\n', b'data: {"at": 2}\n\n'
LISTEN = (request("GET", "/moves"), Response(200, STREAM, ONE + TWO))


@dataclass
class Said:
    """The body of an event stream: these pieces, then an end or none. `left` says who stopped listening."""

    pieces: list[bytes]
    ends: bool
    pause: float = 0.0
    length: int | None = None
    left: list[str] = field(default_factory=list)
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> bytes:
        if self.pieces:
            await asyncio.sleep(self.pause)
            return self.pieces.pop(0)
        if not self.ends:
            await self._over.wait()
        return b""

    def how(self) -> str:
        return ""

    def stop(self, why: str) -> None:
        self.left.append(why)
        self._over.set()

    def finish(self) -> None:
        pass


async def heard(said: Said, status: int = 200, after: bool = True) -> tuple[list[tuple[str, str, bytes]], list[str]]:
    """Operations (target, outcome, body) of a session with a stream in its middle, and the targets remembered."""

    async def serve(arrival: Arrival) -> Response | Reply:
        if arrival.request.target == "/moves":
            return Reply(Response(status, STREAM), stream=said)
        return await shop(arrival)

    async with replay_harness(serve, "1") as harness:
        replayer = harness.replayer(CREATE, LISTEN, LOOK)
        await replayer.run(step(replay("1", "1", "1")), lambda: None)
        assert [entry.outcome for entry in harness.operations] == ["ok"] * 3 or status != 200
        found = [
            (entry.request.target, entry.outcome, entry.response.body if entry.response else b"")
            for entry in harness.operations
        ]
        return found, [entry.request.target for entry in replayer.resources]


def test_as_many_events_as_were_recorded_are_heard_and_the_session_goes_on() -> None:
    said = Said([ONE, TWO], ends=False)
    operations, remembered = run_bounded(heard(said))
    assert operations[1] == ("/moves", "ok", ONE + TWO)
    assert [target for target, _, _ in operations] == ["/things", "/moves", "/things/t-91"]
    assert remembered == ["/things/t-91"], "a sweep reads back what is, not what happens"
    assert said.left == ["caller"]


def test_silence_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SILENCE", 0.05)
    said = Said([ONE], ends=False)
    operations, _ = run_bounded(heard(said))
    assert operations[1] == ("/moves", "ok", ONE)
    assert said.left == ["caller"]


def test_a_stream_that_ends_is_heard_to_its_end() -> None:
    said = Said([ONE], ends=True)
    operations, _ = run_bounded(heard(said))
    assert (operations[1], said.left) == (("/moves", "ok", ONE), [])


def test_another_status_class_ends_the_session() -> None:
    operations, remembered = run_bounded(heard(Said([ONE], ends=True), status=503))
    assert [(target, outcome) for target, outcome, _ in operations] == [("/things", "ok"), ("/moves", "fail")]
    assert remembered == []


def test_what_later_requests_need_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SILENCE", 0.05)
    recorded = (request("GET", "/moves"), Response(200, STREAM, b'data: {"thing": "t-5bf7e1"}\n\n'))
    later = (request("GET", "/things/t-5bf7e1"), answer(200, {"id": "t-5bf7e1"}))
    said = Said([b'data: {"thing": "t-0a93c4"}\n\n'], ends=False, pause=0.3)

    async def serve(arrival: Arrival) -> Response | Reply:
        return Reply(Response(200, STREAM), stream=said) if arrival.request.target == "/moves" else await shop(arrival)

    async def targets() -> list[str]:
        async with replay_harness(serve, "1") as harness:
            await harness.replayer(recorded, later).run(step(replay("1", "1")), lambda: None)
            return [arrival.request.target for arrival in harness.arrived]

    assert run_bounded(targets()) == ["/moves", "/things/t-0a93c4"]


def test_a_stream_that_never_begins_is_a_time_out() -> None:
    async def serve(arrival: Arrival) -> Response:
        await asyncio.sleep(30)
        return answer(200)

    async def ended() -> list[tuple[str, str]]:
        async with replay_harness(serve, "1") as harness:
            harness.context.timeout = 0.2
            await harness.replayer(LISTEN).run(step(replay("1")), lambda: None)
            return [(entry.outcome, entry.error) for entry in harness.operations]

    assert run_bounded(ended()) == [("info", "timeout")]


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("duplicate-at-once", ["ok", "ok"]),
        ("duplicate-after", ["ok", "ok"]),
        ("lost-answer", ["info", "ok"]),
        ("reset", ["info", "ok"]),
        ("late-arrival", ["info", "ok"]),
        ("slow-read", ["ok"]),
    ],
)
def test_streams_that_answer_a_write_are_disturbed_as_others_are(kind: str, ends: list[str]) -> None:
    streams: list[Said] = []
    write = (request("POST", "/moves", {"v": 1}), Response(200, STREAM, ONE + TWO))

    async def serve(arrival: Arrival) -> Response | Reply:
        streams.append(Said([ONE, TWO], ends=False))
        return Reply(Response(200, STREAM), stream=streams[-1])

    async def disturbed() -> list[Operation]:
        async with replay_harness(serve, "1", "2") as harness:
            await harness.replayer(write).run(step(replay("1", fault=Fault(kind, 0, "", "1", "2"))), lambda: None)
            assert [entry.kind for entry in harness.injected] == [kind]
            await until(lambda: all(said.left for said in streams))
            return harness.operations

    found = run_bounded(disturbed())
    assert sorted(entry.outcome for entry in found) == sorted(ends)
    lost = [entry.error for entry in found if entry.response is None]
    assert lost == (["reset"] if kind == "reset" else [])
    assert {entry.response.body for entry in found if entry.response is not None} == {ONE + TWO}


def test_live_traffic_hangs_up_too() -> None:
    streams: list[Said] = []

    async def serve(arrival: Arrival) -> Response | Reply:
        streams.append(Said([ONE, TWO], ends=False))
        return Reply(Response(200, STREAM), stream=streams[-1])

    async def heard_live() -> list[bytes]:
        async with replay_harness(serve, "1") as harness:
            replayer = harness.replayer(LISTEN, live_rate=200.0, live_sessions=2)
            async with live_traffic(replayer, "rollout.1"):
                pass
            return [entry.response.body for entry in harness.operations if entry.response is not None]

    bodies = run_bounded(heard_live())
    assert len(bodies) >= 3
    assert set(bodies) == {ONE + TWO}
    assert {who for said in streams for who in said.left} == {"caller"}


def test_only_event_streams_are_listened_to() -> None:
    assert listen_limits(answer(200, {"id": 1}), needed=False) is None
    found = listen_limits(LISTEN[1], needed=False)
    assert found is not None
    assert found.events == 2
