"""Exchanges that nothing disturbs, one after the other and on into the next replay: each request leaves from within the
callback that brought the answer before it, and no task is woken in between.

Most exchanges are of this kind. What they have to go through is what `Stage.attempt` and the driver do for all others,
decided beforehand where it is the same in every replay (`Leg`). A stretch ends in front of an exchange that is not of
this kind, and behind an answer after which more has to be done than to go on.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import lru_cache

from verifier.gateway.rotation import Endpoint, InHand
from verifier.history.line import base64, encode, place, produced_text, text
from verifier.history.model import Operation
from verifier.history.store import LARGE, MOST
from verifier.http.client import Answer
from verifier.http.coding import plainly
from verifier.http.connection import Connection
from verifier.http.encode import encode_request
from verifier.http.message import Headers, Request, Response, header
from verifier.http.pool import Pool
from verifier.replay.context import Stage
from verifier.replay.cursor import Course
from verifier.replay.resources import Entry, Reader, Reading, resource


@lru_cache(maxsize=1024)
def told(headers: Headers) -> str:
    """The headers of an answer as the history keeps them; "" for those of a coded body, which it keeps otherwise."""
    return text(headers) if header(headers, "content-encoding") is None else ""


@dataclass(slots=True)
class Way:
    """A connection to one endpoint, which a stretch keeps until it ends. `in_hand`: of that endpoint."""

    endpoint: Endpoint
    in_hand: InHand
    pool: Pool
    conn: Connection
    authority: str
    only: object = None  # the rotation's, of when it was chosen as the only endpoint of its service and version


@dataclass(slots=True)
class Stretch:
    """Goes through the course it is given, and on to `following` ones, of which the one before has `ended`."""

    stage: Stage
    keep: Callable[[list[Entry]], object]  # takes what can be read back
    following: Callable[[], Course | None]
    ended: Callable[[Course], object]
    course: Course = field(init=False)
    _ways: dict[str, Way] = field(default_factory=dict)  # by replica
    _way: Way | None = None  # the one in use
    _taker: Callable[[object], object] = field(init=False)
    _readings: list[Entry] = field(default_factory=list)

    async def go(self) -> None:
        """Go on as far as it goes: to where the course it is at then needs more, or is over as the last one.

        Raises what writing or recording raises.
        """
        done = asyncio.get_running_loop().create_future()
        going = self._going(done)
        self._taker = going.send
        try:
            next(going)
            await done
        finally:
            going.close()
            if self._way is not None:
                self._way.in_hand.left()
                self._way = None
            for way in self._ways.values():
                self.stage.client.keep(way.pool, way.conn)
            self._ways.clear()
            self.keep(self._readings)
            self._readings.clear()

    def _going(self, done: asyncio.Future[None]) -> Generator[None, object, None]:
        """Runs in the callbacks that bring the answers, and tells `done` when it has come to an end.

        Long, for a call costs as much as what it would hold, and a name that is looked up as much as a step of it.
        """
        stage, rotation, within = self.stage, self.stage.rotation, self.stage.timeout
        lines, readings = stage.lines, self._readings
        way, service, version = None, "", ""
        now, headers, headers_told = stage.clock(), None, ""
        course: Course | None = self.course
        try:
            while course is not None:
                step, player, legs, order = course.step, course.player, course.legs, course.order
                values, trace, disturbed, route = player.values, course.trace, course.disturbed, course.planned.route
                reader = Reader(course.planned.id, course.planned.session)
                where, placed = place(step, reader.replay, reader.session)
                at, known = course.at, ""
                while at < len(order):
                    index = order[at]
                    leg = legs[index]
                    if not leg.plain or index in disturbed:
                        break
                    # A rotation has another `only` whenever it has changed.
                    if way is None or way.only is not rotation.only or not way.conn.usable:
                        service = ""
                    if version != route[index] or service != leg.service:
                        service, version = leg.service, route[index]
                        way = self._choose(service, version, now)
                        if way is None:
                            break
                        conn, endpoint, pool, authority = way.conn, way.endpoint, way.pool, way.authority
                    press = leg.press if not (player.reserved | player.troubled) & leg.uses else None
                    if press is not None:
                        conn.follow(press.text(values, trace, authority), within)
                    else:
                        request = player.request(index, (("traceparent", leg.begin + trace),))
                        conn.follow(encode_request(request, pool.authority, pool.blocks), within)
                    stage.sent += 1
                    yield
                    response, now = conn.response, conn.answered
                    if response is None or response.status != leg.status:
                        course.odd = self._odd(
                            conn, endpoint, leg.asked(values, trace) if press is not None else request
                        )
                        break
                    stage.answered += 1
                    if endpoint.version != known:
                        known = endpoint.version
                        course.saw(known)
                        seen = course.seen
                    if response.headers is not headers:
                        headers = response.headers
                        headers_told = told(headers)
                    if press is not None:
                        served = leg.serving.get(endpoint.replica) or leg.served_by(stage, endpoint)
                        if lines is None or not (served.text and headers_told):
                            press, request = None, leg.asked(values, trace)
                    if press is not None and lines is not None:
                        produced = leg.learn(player, response) if leg.learn is not None else ()
                        if produced and press.tells and not player.reserved & leg.fills:
                            learned = f'{press.tells}{produced[0][1]}"]]'
                        else:
                            learned = produced_text(produced)
                        lines.append(press.line(
                            values, trace, where, placed, served.text,
                            press.content if press.body is None else base64(press.body(values)), headers_told,
                            b2a_base64(response.body, newline=False).decode(), conn.stamp, encode(now).decode(),
                            learned,
                        ))  # fmt: skip
                        if len(lines) >= MOST or len(response.body) >= LARGE:
                            lines.relieve()
                        if leg.page is not None:
                            readings.append(Reading(step, served.name, seen, reader, leg.page, values))
                    else:
                        self._record(conn, response, request, endpoint)
                    at = course.at = at + 1
                course = self._next(course)
        except Exception as problem:
            if not done.done():
                done.set_exception(problem)
        else:
            if not done.done():  # it was cancelled, and its task has not run since
                done.set_result(None)
        yield

    def _next(self, course: Course) -> Course | None:
        """The course behind one that is over; None where none is, or where this one needs more."""
        following = self.following() if course.over else None
        if following is not None:
            self.ended(course)
            self.keep(self._readings)
            self._readings.clear()
            self.course = following
        return following

    def _choose(self, service: str, version: str, now: float) -> Way | None:
        """A connection to an endpoint of that version; None where there is none, or none that was used of late."""
        rotation, before = self.stage.rotation, self._way
        if before is not None:
            before.in_hand.left()
            before.conn.idle_since = now
        self._way = None
        endpoint = rotation.pick(service, version)
        if endpoint is None:
            return None
        way = self._connected(endpoint, now)
        if way is None:
            rotation.unpick(service, version)  # whoever sends now shall meet the one whose turn it is
            return None
        way.only = rotation.only if (service, version) in rotation.only else None
        way.in_hand.count += 1
        self._way = way
        return way

    def _connected(self, endpoint: Endpoint, now: float) -> Way | None:
        stage, way = self.stage, self._ways.pop(endpoint.replica, None)
        if way is not None and not (way.endpoint is endpoint and way.pool.kept and stage.client.fit(way.conn, now)):
            stage.client.keep(way.pool, way.conn)
            way = None
        if way is None:
            pool = stage.client.pool(endpoint.address.host, endpoint.address.port)
            conn = stage.client.lend(pool, now)
            if conn is None:
                return None
            conn.hand_to(self._taker)
            conn.expect(False, stage.timeout)
            way = Way(endpoint, stage.rotation.under_way(endpoint), pool, conn, pool.authority.decode())
        self._ways[endpoint.replica] = way
        return way

    def _odd(self, conn: Connection, endpoint: Endpoint, request: Request) -> Operation:
        """How an exchange ended after which a stretch cannot go on by itself."""
        course = self.course
        answer = Answer(conn.response, conn.how, True, conn.started, conn.answered, True)
        return self.stage.ended(course.attempt(course.order[course.at]), request, answer, endpoint)

    def _record(self, conn: Connection, response: Response, request: Request, endpoint: Endpoint) -> None:
        """Learn from an answer, and record its operation."""
        stage, course = self.stage, self.course
        leg = course.legs[course.order[course.at]]
        response = plainly(response)
        called = stage.promises.called(leg.service, endpoint.version, request)
        name = called.id if called is not None else leg.name
        # By position, in the order of the model: with names it takes three times as long.
        operation = Operation(
            f"{course.step}/{course.planned.id}/{leg.index + 1}.1", course.step, course.planned.id,
            course.planned.session, leg.index, 1, "replay", name, leg.service, endpoint.version, endpoint.replica,
            request, response, leg.outcome, conn.started, conn.answered, "", "", "", "", "", "",
            course.player.answer(leg.index, response),
        )  # fmt: skip
        stage.record(operation)
        if leg.page is not None:
            self._readings.append(resource(operation, course.seen, request))
