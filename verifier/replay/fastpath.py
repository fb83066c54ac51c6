"""Exchanges that nothing disturbs, one after the other and on into the next replay: each request leaves from within the
callback that brought the answer before it, and no task is woken in between.

Most exchanges are of this kind. What they have to go through is what `ReplayContext.attempt` and the driver do for all
others, decided beforehand where it is the same in every replay (`PreparedExchange`). A stretch ends in front of an
exchange that is not of this kind, and behind an answer after which more has to be done than to go on.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import lru_cache

from verifier.gateway.rotation import Endpoint, InFlight
from verifier.history.line import base64, encode, place, produced_text, text
from verifier.history.model import Operation
from verifier.history.store import LARGE, MOST
from verifier.http.client import SendResult
from verifier.http.connection import Connection
from verifier.http.encode import encode_request
from verifier.http.message import Headers, Request, header
from verifier.http.pool import Pool
from verifier.replay.context import ReplayContext
from verifier.replay.cursor import ReplayCursor
from verifier.replay.exchange import learned, remembered
from verifier.replay.resources import Entry, ReadBy, Reading


@lru_cache(maxsize=1024)
def told(headers: Headers) -> str:
    """The headers of an answer as the history keeps them; "" for those of a coded body, which it keeps otherwise."""
    return text(headers) if header(headers, "content-encoding") is None else ""


@dataclass(slots=True)
class ConnectionLease:
    """A connection to one endpoint, which a stretch keeps until it ends. `in_flight`: of that endpoint."""

    endpoint: Endpoint
    in_flight: InFlight
    pool: Pool
    conn: Connection
    authority: str
    only: object = None  # the rotation's, of when it was chosen as the only endpoint of its service and version


@dataclass(slots=True)
class FastPath:
    """Goes through the course it is given, and on to `following` ones, of which the one before has `ended`."""

    context: ReplayContext
    keep: Callable[[list[Entry]], object]  # takes what can be read back
    following: Callable[[], ReplayCursor | None]
    ended: Callable[[ReplayCursor], object]
    cursor: ReplayCursor = field(init=False)
    _leases: dict[str, ConnectionLease] = field(default_factory=dict)  # by replica
    _lease: ConnectionLease | None = None  # the one in use
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
            if self._lease is not None:
                self._lease.in_flight.left()
                self._lease = None
            for lease in self._leases.values():
                self.context.client.keep(lease.pool, lease.conn)
            self._leases.clear()
            self.keep(self._readings)
            self._readings.clear()

    def _going(self, done: asyncio.Future[None]) -> Generator[None, object, None]:
        """Runs in the callbacks that bring the answers, and tells `done` when it has come to an end.

        Long, for a call costs as much as what it would hold, and a name that is looked up as much as a step of it.
        """
        context, rotation, within = self.context, self.context.rotation, self.context.timeout
        lines, readings = context.lines, self._readings
        lease, service, version = None, "", ""
        now, headers, headers_told = context.clock(), None, ""
        cursor: ReplayCursor | None = self.cursor
        try:
            while cursor is not None:
                step, player, prepared_exchanges, order = (
                    cursor.step,
                    cursor.player,
                    cursor.prepared_exchanges,
                    cursor.order,
                )
                values, trace, disturbed, route = player.values, cursor.trace, cursor.disturbed, cursor.planned.route
                reader = ReadBy(cursor.planned.id, cursor.planned.session)
                where, placed = place(step, reader.replay, reader.session)
                at, known = cursor.at, ""
                while at < len(order):
                    index = order[at]
                    prepared = prepared_exchanges[index]
                    if not prepared.plain or index in disturbed:
                        break
                    # A rotation has another `only` whenever it has changed.
                    if lease is None or lease.only is not rotation.only or not lease.conn.usable:
                        service = ""
                    if version != route[index] or service != prepared.service:
                        service, version = prepared.service, route[index]
                        lease = self._choose(service, version, now)
                        if lease is None:
                            break
                        conn, endpoint, pool, authority = lease.conn, lease.endpoint, lease.pool, lease.authority
                    serializer = (
                        prepared.serializer if not (player.needs_encoding | player.unresolved) & prepared.uses else None
                    )
                    if serializer is not None:
                        conn.follow(serializer.text(values, trace, authority), within)
                    else:
                        request = player.request(index, (("traceparent", prepared.begin + trace),))
                        conn.follow(encode_request(request, pool.authority, pool.blocks), within)
                    context.sent += 1
                    yield
                    response, now = conn.response, conn.answered
                    if response is None or response.status != prepared.status:
                        cursor.first_attempt = self._operation(
                            conn, endpoint, prepared.asked(values, trace) if serializer is not None else request
                        )
                        break
                    if endpoint.version != known:
                        known = endpoint.version
                        cursor.add_version(known)
                        versions = cursor.versions
                    if response.headers is not headers:
                        headers = response.headers
                        headers_told = told(headers)
                    if serializer is not None:
                        served = prepared.serving.get(endpoint.replica) or prepared.served_by(context, endpoint)
                        if lines is None or not (served.text and headers_told):
                            serializer, request = None, prepared.asked(values, trace)
                    if serializer is not None and lines is not None:
                        produced = prepared.learn(player, response) if prepared.learn is not None else ()
                        if produced and serializer.tells and not player.needs_encoding & prepared.fills:
                            learned = f'{serializer.tells}{produced[0][1]}"]]'
                        else:
                            learned = produced_text(produced)
                        context.answered += 1
                        lines.append(serializer.line(
                            values, trace, where, placed, served.text,
                            serializer.content if serializer.body is None else base64(serializer.body(values)),
                            headers_told, b2a_base64(response.body, newline=False).decode(), conn.stamp,
                            encode(now).decode(), learned,
                        ))  # fmt: skip
                        if len(lines) >= MOST or len(response.body) >= LARGE:
                            lines.relieve()
                        if prepared.readable:
                            readings.append(Reading(step, served.name, versions, reader, prepared, values))
                    else:
                        self._record(conn, endpoint, request)
                    at = cursor.at = at + 1
                cursor = self._next(cursor)
        except Exception as problem:
            if not done.done():
                done.set_exception(problem)
        else:
            if not done.done():  # it was cancelled, and its task has not run since
                done.set_result(None)
        yield

    def _next(self, cursor: ReplayCursor) -> ReplayCursor | None:
        """The course behind one that is over; None where none is, or where this one needs more."""
        following = self.following() if cursor.over else None
        if following is not None:
            self.ended(cursor)
            self.keep(self._readings)
            self._readings.clear()
            self.cursor = following
        return following

    def _choose(self, service: str, version: str, now: float) -> ConnectionLease | None:
        """A connection to an endpoint of that version; None where there is none, or none that was used of late."""
        rotation, before = self.context.rotation, self._lease
        if before is not None:
            before.in_flight.left()
            before.conn.idle_since = now
        self._lease = None
        endpoint = rotation.pick(service, version)
        if endpoint is None:
            return None
        lease = self._connected(endpoint, now)
        if lease is None:
            rotation.unpick(service, version)  # whoever sends now shall meet the one whose turn it is
            return None
        lease.only = rotation.only if (service, version) in rotation.only else None
        lease.in_flight.count += 1
        self._lease = lease
        return lease

    def _connected(self, endpoint: Endpoint, now: float) -> ConnectionLease | None:
        context, lease = self.context, self._leases.pop(endpoint.replica, None)
        if lease is not None and not (
            lease.endpoint is endpoint and lease.pool.kept and context.client.fit(lease.conn, now)
        ):
            context.client.keep(lease.pool, lease.conn)
            lease = None
        if lease is None:
            pool = context.client.pool(endpoint.address.host, endpoint.address.port)
            conn = context.client.lend(pool, now)
            if conn is None:
                return None
            conn.set_callback(self._taker)
            conn.expect(False, context.timeout)
            lease = ConnectionLease(endpoint, context.rotation.under_way(endpoint), pool, conn, pool.authority.decode())
        self._leases[endpoint.replica] = lease
        return lease

    def _operation(self, conn: Connection, endpoint: Endpoint, request: Request) -> Operation:
        """How the exchange at hand ended, as `ReplayContext.attempt` would have it."""
        cursor = self.cursor
        result = SendResult(conn.response, conn.how, True, conn.started, conn.answered, True)
        return self.context.ended(cursor.attempt(cursor.order[cursor.at]), request, result, endpoint)

    def _record(self, conn: Connection, endpoint: Endpoint, request: Request) -> None:
        """Learn from a response, record its operation and remember what it read, by the rules of `Session`."""
        cursor = self.cursor
        prepared = cursor.prepared_exchanges[cursor.order[cursor.at]]
        operation = learned(cursor.player, prepared.index, self._operation(conn, endpoint, request))
        self.context.record(operation)
        if (read := remembered(prepared, operation, cursor.versions)) is not None:
            self._readings.append(read)
