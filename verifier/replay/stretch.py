"""The exchanges of a replay that nothing disturbs, one after the other: each request leaves from within the callback
that brought the answer before it, and no task is woken in between.

Most exchanges are of this kind. What they have to go through is what `Stage.attempt` and the driver do for all others,
decided beforehand where it is the same in every replay (`Leg`). A stretch ends in front of an exchange that is not of
this kind, and behind an answer after which more has to be done than to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from msgspec import Struct

from verifier.contracts.lookup import Finder
from verifier.history.message import Headers, Request, header
from verifier.history.model import Operation, Outcome
from verifier.history.outcome import outcome_of
from verifier.plan.model import Replay
from verifier.replay.correlate import Player
from verifier.replay.recording.coding import plainly
from verifier.replay.rotation import Endpoint, InHand
from verifier.replay.stage import LATER, Attempt, Stage
from verifier.replay.track import Stop, Track
from verifier.replay.wire.client import Answer
from verifier.replay.wire.connection import Connection
from verifier.replay.wire.pool import Pool

Read = Callable[[Operation, tuple[str, ...], Request], None]


class Leg(Struct, frozen=True, gc=False):
    """What a stretch must know of one exchange.

    `status` is the recorded one if nothing can follow such an answer: nearly all are such; else -1. `plain`: whether
    the exchange can be part of a stretch.
    """

    stop: Stop
    service: str
    name: str
    begin: str  # of the trace of its first attempt
    status: int
    outcome: Outcome  # of an answer with that status
    plain: bool
    reads: bool  # whether what such an answer holds can be read back
    finders: dict[str, Finder]  # by version


def legs(stage: Stage, track: Track) -> tuple[Leg, ...]:
    following = stage.promises.accepting.union(LATER, stage.retry.statuses)
    methods = [step.exchange.request.method for step in track.script.steps]
    return tuple(
        _leg(stop, method, following, stage.promises.finders(stop.service, method))
        for stop, method in zip(track.stops, methods, strict=True)
    )


def _leg(stop: Stop, method: str, following: frozenset[int], finders: dict[str, Finder]) -> Leg:
    status = stop.recorded.status if stop.poll is None and stop.recorded.status not in following else -1
    outcome = outcome_of(method, stop.recorded, "", sent=True)
    plain = not stop.traced and stop.listen is None
    reads = method == "GET" and status < 300
    return Leg(stop, stop.service, stop.name, stop.begin, status, outcome, plain, reads, finders)


@lru_cache(maxsize=4096)
def touched(versions: tuple[str, ...]) -> tuple[str, ...]:
    """Each of them once, in order: one value for all resources that the same versions touched."""
    return tuple(sorted(set(versions)))


@dataclass(slots=True)
class Stretch:
    """The undisturbed part of one replay, as far as it has come: `at` is a position in `order`.

    `seen`: the versions that have answered, each once, sorted. `odd`: how the exchange at `at` ended, if more has to be
    done for it.
    """

    stage: Stage
    step: str
    planned: Replay
    order: Sequence[int]
    legs: tuple[Leg, ...]
    disturbed: Sequence[int]  # the exchanges that a fault is meant for
    player: Player
    trace: str  # how the traces of this replay end
    read: Read  # told of what can be read back
    at: int = 0
    seen: tuple[str, ...] = ()
    odd: Operation | None = None
    _uncoded: Headers | None = None  # the last headers that name no content coding
    _endpoint: Endpoint | None = None
    _in_hand: InHand = field(init=False)  # of that endpoint
    _pool: Pool = field(init=False)  # to that endpoint
    _conn: Connection = field(init=False)
    _done: asyncio.Future[None] = field(init=False)
    _request: Request = field(init=False)

    async def go(self) -> None:
        """Go on as far as it goes."""
        self.odd = None
        if not self._post(self.stage.clock()):
            return
        self._done = asyncio.get_running_loop().create_future()
        try:
            await self._done
        except asyncio.CancelledError:
            self._in_hand.left()
            self.stage.client.keep(self._pool, self._conn)
            raise

    def _post(self, now: float) -> bool:
        """Send the next request. False: the stretch ends before it."""
        index = self.order[self.at]
        leg, stage = self.legs[index], self.stage
        endpoint = stage.rotation.pick(leg.service, self.planned.route[index])
        if endpoint is None or not leg.plain or index in self.disturbed:
            return False
        if endpoint is not self._endpoint or not self._pool.kept:
            self._endpoint = endpoint
            self._in_hand = stage.rotation.under_way(endpoint)
            self._pool = stage.client.pool(endpoint.address.host, endpoint.address.port)
        self._request = request = self.player.request(index, (("traceparent", leg.begin + self.trace),))
        conn = stage.client.post(self._pool, request, stage.timeout, now, self._answered)
        if conn is None:
            return False
        self._conn = conn
        self._in_hand.count += 1
        stage.sent += 1
        return True

    def saw(self, version: str) -> None:
        """A version has answered."""
        if version not in self.seen:
            self.seen = touched((*self.seen, version))

    def _answered(self, conn: Connection) -> None:
        """Called by the connection; what goes wrong here is told to the replay's task."""
        if self._done.done():  # it was cancelled, and has not run since
            return
        try:
            if self._ended(conn) and self._post(conn.answered):
                return
        except Exception as problem:
            self._done.set_exception(problem)
        else:
            self._done.set_result(None)

    def _ended(self, conn: Connection) -> bool:
        """Record how the exchange ended. Whether another one may follow at once."""
        stage, index, endpoint, request = self.stage, self.order[self.at], self._endpoint, self._request
        assert endpoint is not None
        leg, response, version = self.legs[index], conn.response, endpoint.version
        self._in_hand.left()
        stage.client.keep(self._pool, conn)
        if response is None or response.status != leg.status:
            answer = Answer(response, conn.how, True, conn.started, conn.answered, True)
            self.odd = stage.ended(self.attempt(index), request, answer, endpoint)
            return False
        if response.headers is not self._uncoded:
            if header(response.headers, "content-encoding") is None:
                self._uncoded = response.headers
            else:
                response = plainly(response)
        stage.answered += 1
        finder = leg.finders.get(version)
        called = finder.find(request.target) if finder is not None else None
        if called is None:
            called = stage.promises.called(leg.service, version, request)
        # By position, in the order of the model: with names it takes three times as long.
        operation = Operation(
            f"{self.step}/{self.planned.id}/{index + 1}.1",
            self.step,
            self.planned.id,
            self.planned.session,
            index,
            1,
            "replay",
            called.id if called is not None else leg.name,
            leg.service,
            version,
            endpoint.replica,
            request,
            response,
            leg.outcome,
            conn.started,
            conn.answered,
            "",
            "",
            "",
            "",
            "",
            "",
            self.player.answer(index, response),
        )
        stage.record(operation)
        if version not in self.seen:
            self.saw(version)
        if leg.reads:
            self.read(operation, self.seen, request)
        self.at += 1
        return self.at < len(self.order)

    def attempt(self, index: int) -> Attempt:
        """The first attempt of an exchange, with what this exchange has of the fault."""
        leg, fault = self.legs[index], self.planned.fault
        concerned = fault if fault is not None and index in self.disturbed else None
        return Attempt(
            self.step,
            self.planned.id,
            self.planned.session,
            index,
            1,
            "replay",
            leg.service,
            self.planned.route[index],
            leg.name,
            fault=concerned.kind if concerned is not None and (concerned.callee or concerned.kind == "reorder") else "",
            inner=concerned if concerned is not None and concerned.callee else None,
            trace="" if leg.stop.traced else leg.begin + self.trace,
            listen=leg.stop.listen,
        )
