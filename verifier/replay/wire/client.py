"""The wire client: pooled HTTP/1.1 connections and exact control over when bytes leave.

`send` never raises for trouble on the network: refused, late, cut or senseless answers are `Answer` values.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from verifier.history.message import Request, Response
from verifier.replay.wire.connection import Connection
from verifier.replay.wire.encode import encode_request
from verifier.replay.wire.quick import quick

_BUSY = 0.001  # seconds of idleness below which a connection is taken without asking the kernel about it


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request ended. `error` is "" exactly when there is a response.

    refused: no connection, so no byte left. timeout: nothing whole in time. reset: the connection broke or was
    cut. closed: it ended in order, before the answer was whole. garbage: not HTTP, or beyond the limits.
    """

    response: Response | None
    error: str  # "" | "refused" | "timeout" | "reset" | "closed" | "garbage"
    sent: bool  # whether any byte of the request may have left
    started: float  # clock, seconds: before the first byte left
    answered: float  # clock, seconds: after the last byte of the answer, or when the error was known
    reused: bool = False  # whether the connection had carried an earlier request


_answer = quick(Answer)


class Hold(Protocol):
    """What `send` waits for before the last byte of a request leaves: an asyncio.Event, or a `Together`."""

    async def wait(self) -> object: ...


class Together:
    """Lets a number of requests go at the same instant: each is written but for its last byte, then all end.

    A request that cannot come (refused, timed out) is counted as gone, so that the others do not wait for it.
    """

    __slots__ = ("_ready", "_waited")

    def __init__(self, parties: int) -> None:
        self._waited = parties
        self._ready = asyncio.Event()

    async def wait(self) -> None:
        self.leave()
        await self._ready.wait()

    def leave(self) -> None:
        self._waited -= 1
        if self._waited <= 0:
            self._ready.set()


class _Pool:
    """Idle connections to one address under one key, the last used at the end."""

    __slots__ = ("authority", "idle", "kept")

    def __init__(self, host: str, port: int) -> None:
        self.authority = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()
        self.idle: list[Connection] = []
        self.kept = True  # false once the address is forgotten: what still comes back is closed


class WireClient:
    """Sends requests over pooled connections; one pool per (host, port, `connection` key).

    `clock` gives the times in answers. Timeouts run on the event loop's own clock. A connection idle for longer
    than `idle_limit` seconds, or already closed by the service, is never reused, so that a service that closes
    idle connections is not blamed for it. `max_body` is in bytes; an answer beyond it is "garbage".
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, idle_limit: float = 1.0, max_body: int = 64 << 20
    ) -> None:
        self._clock = clock
        self._idle_limit = idle_limit
        self._max_body = max_body
        self._pools: dict[tuple[str, int, Hashable], _Pool] = {}
        self._open: set[Connection] = set()

    async def send(
        self,
        host: str,
        port: int,
        request: Request,
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - a time-out is an answer here, not an exception
        connection: Hashable | None = None,
        hold: Hold | None = None,
        cut_after: int | None = None,
        cut_answer_after: int | None = None,
    ) -> Answer:
        """Send one request and wait for its whole answer, at most `timeout` seconds in all, connecting included.

        `connection` pins: requests with equal keys share connections that no other key uses. `hold` keeps back the
        last byte until its `wait()` returns. `cut_after` resets the connection after that many bytes of the
        request's body have left; `cut_answer_after` does so after that many bytes of the answer's body.
        Raises ValueError, before anything is sent, for a request that cannot be written as one HTTP message.
        """
        pool = self._pools.get((host, port, connection))
        if pool is None:
            pool = self._pools[host, port, connection] = _Pool(host, port)
        data = encode_request(request, pool.authority)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        started = self._clock()
        conn = self._take(pool, started) if pool.idle else None
        if conn is None:
            try:
                conn = await self._connect(loop, host, port, deadline)
            except (OSError, UnicodeError, OverflowError) as problem:
                _leave(hold)
                how = "timeout" if isinstance(problem, TimeoutError) else "refused"
                return Answer(None, how, False, started, self._clock())
            started = self._clock()
        reused = conn.used
        conn.expect(request.method == "HEAD", deadline)
        if cut_answer_after is not None:
            conn.cut_answer(cut_answer_after)
        conn.used = True
        try:
            if cut_after is not None:
                await self._cut(conn, data, len(data) - len(request.body) + min(cut_after, len(request.body)))
                how = "timeout" if loop.time() >= deadline else "reset"
                return Answer(None, how, True, started, self._clock(), reused)
            if hold is None:
                conn.write(data)
            else:
                await self._held(conn, data, hold)
            error = await conn
        except BaseException:
            self._drop(conn)
            raise
        answered = conn.answered
        if conn.usable and pool.kept:
            conn.idle_since = answered
            pool.idle.append(conn)
        else:
            self._drop(conn)
        return _answer(conn.response, error, True, started, answered, reused)

    def forget(self, host: str, port: int) -> None:
        """Close the idle connections to an address: its replica is going away."""
        for key in [key for key in self._pools if key[0] == host and key[1] == port]:
            pool = self._pools.pop(key)
            pool.kept = False
            for conn in pool.idle:
                self._drop(conn)

    async def close(self) -> None:
        """Close every connection; requests under way end as "closed"."""
        self._pools.clear()
        for conn in tuple(self._open):
            self._drop(conn)
        await asyncio.sleep(0)

    def _take(self, pool: _Pool, now: float) -> Connection | None:
        idle = pool.idle
        while idle:
            conn = idle.pop()
            age = now - conn.idle_since
            if conn.usable and (age < _BUSY or (age <= self._idle_limit and not conn.stale())):
                return conn
            self._drop(conn)
        return None

    async def _connect(self, loop: asyncio.AbstractEventLoop, host: str, port: int, deadline: float) -> Connection:
        async with asyncio.timeout_at(deadline):
            _, conn = await loop.create_connection(lambda: Connection(loop, self._clock, self._max_body), host, port)
        self._open.add(conn)
        return conn

    async def _held(self, conn: Connection, data: bytes, hold: Hold) -> None:
        conn.write(data[:-1])
        holding = asyncio.ensure_future(_waiting(conn, hold))
        ending = asyncio.ensure_future(_ended(conn))  # by itself: an early answer, a close, the time-out
        try:
            await asyncio.wait((holding, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            holding.cancel()
            ending.cancel()
            await asyncio.wait((holding, ending))
        if not conn.over():
            holding.result()
            conn.write(data[-1:])

    async def _cut(self, conn: Connection, data: bytes, length: int) -> None:
        conn.write(data[:length])
        await conn.drained()
        conn.reset()
        self._open.discard(conn)

    def _drop(self, conn: Connection) -> None:
        self._open.discard(conn)
        conn.shut()


async def _ended(conn: Connection) -> None:
    await conn


async def _waiting(conn: Connection, hold: Hold) -> None:
    try:
        await conn.drained()
    except asyncio.CancelledError:
        _leave(hold)
        raise
    await hold.wait()


def _leave(hold: Hold | None) -> None:
    if isinstance(hold, Together):
        hold.leave()
