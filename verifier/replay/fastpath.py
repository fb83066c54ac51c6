"""Sends exchanges that nothing disturbs one after the other, and on into the next replay, without waking a task.

Most exchanges are of this kind. The callback that brings a response sends the next request. The rules are those of
`Session` and `ReplayContext.send`; what is the same in every replay is decided beforehand (`PreparedExchange`). The
fast path stops before an exchange of another kind, and after a response that asks for more than the next request.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache

from verifier.gateway.rotation import Endpoint, InFlight
from verifier.history.bodies import LONG
from verifier.history.line import encode, place, produced_text, text
from verifier.history.model import Operation
from verifier.history.store import LARGE, MOST
from verifier.http.client import SendResult
from verifier.http.connection import Connection
from verifier.http.encode import encode_request
from verifier.http.message import Headers, Request, header
from verifier.http.pool import Pool
from verifier.http.state import IDLE
from verifier.replay.context import ReplayContext
from verifier.replay.cursor import ReplayCursor
from verifier.replay.exchange import learned, remembered
from verifier.replay.resources import Entry, LazyResource, Reader


@lru_cache(maxsize=1024)
def headers_text(headers: Headers) -> str | None:
    """The headers of a response as the history keeps them; None where the body is coded, for it is kept decoded."""
    return text(headers) if header(headers, "content-encoding") is None else None


class Stop(Enum):
    """Why the fast path has stopped."""

    OVER = auto()  # the last replay has ended
    ANOTHER_KIND = auto()  # the next exchange has a fault or needs more than one request and its response
    NO_CONNECTION = auto()  # no endpoint, or no connection to it that was used a moment ago
    UNEXPECTED = auto()  # another status than the recorded one, or no response: `first_attempt` of the cursor


@dataclass(slots=True)
class ConnectionLease:
    """A connection to one endpoint, which the fast path keeps until it stops. `in_flight`: of that endpoint."""

    endpoint: Endpoint
    in_flight: InFlight
    pool: Pool
    conn: Connection
    authority: str
    only: object = None  # the rotation's, of when it was chosen as the only endpoint of its service and version


@dataclass(slots=True)
class FastPath:
    """Goes on from `cursor`, and with the `following` ones, each of which is reported as `ended` but for the last."""

    context: ReplayContext
    remember: Callable[[list[Entry]], object]  # takes what can be read back
    following: Callable[[], ReplayCursor | None]
    ended: Callable[[ReplayCursor], object]
    cursor: ReplayCursor = field(init=False)
    _leases: dict[str, ConnectionLease] = field(default_factory=dict)  # by replica
    _lease: ConnectionLease | None = None  # the one in use
    _callback: Callable[[object], object] = field(init=False)
    _read: list[Entry] = field(default_factory=list)

    async def run(self) -> Stop:
        """Go on as far as possible; afterwards `cursor` says where. Raises what writing or recording raises."""
        done: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        steps = self._steps(done)
        self._callback = steps.send
        try:
            next(steps)
            return await done
        finally:
            steps.close()
            if self._lease is not None:
                self._lease.in_flight.leave()
                self._lease = None
            for lease in self._leases.values():
                self.context.client.give_back(lease.pool, lease.conn)
            self._leases.clear()
            self._hand_over()

    def _steps(self, done: asyncio.Future[Stop]) -> Generator[None, object, None]:
        """Runs in the callbacks that bring the responses, and says through `done` why it has stopped.

            replay --> exchange --> lease --> send --> (yield) --> response --> line ----+
               ^       ^     |        |                               |    |             |
               |       |     |        +--> Stop.NO_CONNECTION         |    +--> record --+
               |       |     +--> Stop.ANOTHER_KIND                   |                  |
               |       |                       Stop.UNEXPECTED <------+                  |
               |       +-----------------------------------------------------------------+
               +---------- the next replay, else Stop.OVER <-- after the last exchange --+

        line: the operation is put together as text, by the serializer that is specialised for its exchange.
        record: the operation is made and recorded by the general rules, where one of its values needs encoding, its
        name depends on a value, its body is coded, or the history takes no lines.

        This is one long function, for a call would cost as much as the work in it.
        """
        context, rotation, within = self.context, self.context.rotation, self.context.timeout
        lines, read = context.lines, self._read
        lease: ConnectionLease | None = None
        service, version = "", ""  # of the lease
        now, headers, headers_json = context.clock(), None, None
        cursor = self.cursor
        try:
            while True:
                step, player, exchanges, order = cursor.step, cursor.player, cursor.prepared_exchanges, cursor.order
                values, trace, fault_targets, route = (
                    player.values,
                    cursor.trace,
                    cursor.fault_targets,
                    cursor.planned.route,
                )
                reader = Reader(cursor.planned.id, cursor.planned.session)
                id_prefix, replay_fields = place(step, reader.replay, reader.session)
                at, noted_version, stop = cursor.at, None, Stop.OVER
                while at < len(order):
                    index = order[at]
                    prepared = exchanges[index]
                    if not prepared.simple or index in fault_targets:
                        stop = Stop.ANOTHER_KIND
                        break
                    # A rotation has another `only` whenever it has changed.
                    if (
                        lease is None
                        or lease.only is not rotation.only
                        or version != route[index]
                        or service != prepared.service
                        or lease.conn.state is not IDLE
                    ):
                        service, version = prepared.service, route[index]
                        lease = self._choose(service, version, now)
                        if lease is None:
                            stop = Stop.NO_CONNECTION
                            break
                        conn, endpoint, pool, authority = lease.conn, lease.endpoint, lease.pool, lease.authority
                    serializer, request = prepared.serializer, None
                    if serializer is not None and not (player.needs_encoding | player.unresolved) & prepared.uses:
                        conn.follow(serializer.text(values, trace, authority), within)
                    else:
                        request = player.request(index, (("traceparent", prepared.trace_start + trace),))
                        conn.follow(encode_request(request, pool.authority, pool.blocks), within)
                    context.sent += 1
                    yield
                    response, now = conn.response, conn.answered
                    if response is None or response.status != prepared.status:
                        cursor.first_attempt = self._operation(
                            conn, endpoint, request or prepared.request(values, trace)
                        )
                        stop = Stop.UNEXPECTED
                        break
                    if endpoint.version != noted_version:
                        noted_version = endpoint.version
                        cursor.add_version(noted_version)
                        versions = cursor.versions
                    if response.headers is not headers:
                        headers = response.headers
                        headers_json = headers_text(headers)
                    if (
                        serializer is None
                        or request is not None
                        or lines is None
                        or headers_json is None
                        or (
                            served := prepared.served_as.get(endpoint.replica) or prepared.served_by(context, endpoint)
                        ).text
                        is None
                    ):
                        self._record(conn, endpoint, request or prepared.request(values, trace))
                    else:
                        produced = prepared.learn(player, response) if prepared.learn is not None else ()
                        if produced and serializer.produced and not player.needs_encoding & prepared.fills:
                            produced_json = f'{serializer.produced}{produced[0][1]}"]]'
                        else:
                            produced_json = produced_text(produced)
                        context.answered += 1
                        data = response.body
                        lines.append(
                            serializer.line(
                                values,
                                trace=trace,
                                where=id_prefix,
                                place=replay_fields,
                                served=served.text,
                                content=(
                                    serializer.content
                                    if serializer.body is None
                                    else lines.body(serializer.body(values))
                                ),
                                headers=headers_json,
                                body=(
                                    b2a_base64(data, newline=False).decode()
                                    if len(data) <= LONG and data[:1] != b"\0"  # not `kept_apart`
                                    else lines.body(data)
                                ),
                                started=conn.stamp,
                                ended=encode(now).decode(),
                                produced=produced_json,
                            )
                        )
                        if len(lines) >= MOST or len(response.body) >= LARGE:
                            lines.relieve()
                        if prepared.readable:
                            read.append(LazyResource(step, served.name, versions, reader, prepared, values))
                    at = cursor.at = at + 1
                following = self.following() if stop is Stop.OVER else None
                if following is None:
                    break
                self.ended(cursor)
                self._hand_over()
                cursor = self.cursor = following
        except Exception as problem:
            if not done.done():
                done.set_exception(problem)
        else:
            if not done.done():  # it was cancelled, and its task has not run since
                done.set_result(stop)
        yield

    def _hand_over(self) -> None:
        self.remember(self._read)
        self._read.clear()

    def _choose(self, service: str, version: str, now: float) -> ConnectionLease | None:
        """A connection to an endpoint of that version; None where there is none, or none that was used of late."""
        rotation, before = self.context.rotation, self._lease
        if before is not None:
            before.in_flight.leave()
            before.conn.idle_since = now
        self._lease = None
        endpoint = rotation.pick(service, version)
        if endpoint is None:
            return None
        lease = self._connected(endpoint, now)
        if lease is None:
            rotation.undo_pick(service, version)  # whoever sends now shall meet the one whose turn it is
            return None
        lease.only = rotation.only if (service, version) in rotation.only else None
        lease.in_flight.count += 1
        self._lease = lease
        return lease

    def _connected(self, endpoint: Endpoint, now: float) -> ConnectionLease | None:
        context, lease = self.context, self._leases.pop(endpoint.replica, None)
        if lease is not None and not (
            lease.endpoint is endpoint and lease.pool.kept and context.client.reusable(lease.conn, now)
        ):
            context.client.give_back(lease.pool, lease.conn)
            lease = None
        if lease is None:
            pool = context.client.pool(endpoint.address.host, endpoint.address.port)
            conn = context.client.take_idle(pool, now)
            if conn is None:
                return None
            conn.set_callback(self._callback)
            conn.expect(False, context.timeout)
            lease = ConnectionLease(endpoint, context.rotation.in_flight(endpoint), pool, conn, pool.authority.decode())
        self._leases[endpoint.replica] = lease
        return lease

    def _operation(self, conn: Connection, endpoint: Endpoint, request: Request) -> Operation:
        """How the exchange at hand ended, as `ReplayContext.send` would have it."""
        cursor = self.cursor
        result = SendResult(conn.response, conn.how, True, conn.started, conn.answered, True)
        return self.context.finish(cursor.attempt(cursor.order[cursor.at]), request, result, endpoint)

    def _record(self, conn: Connection, endpoint: Endpoint, request: Request) -> None:
        """Learn from a response, record its operation and remember what it read, by the rules of `Session`."""
        cursor = self.cursor
        prepared = cursor.prepared_exchanges[cursor.order[cursor.at]]
        operation = learned(cursor.player, prepared.index, self._operation(conn, endpoint, request))
        self.context.record(operation)
        if (read := remembered(prepared, operation, cursor.versions)) is not None:
            self._read.append(read)
