"""The wire client: pooled HTTP/1.1 connections and exact control over when bytes leave.

`send` never raises for trouble on the network: refused, late, cut or senseless answers are `SendResult` values.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from msgspec import Struct

from verifier.http.batching import WriteBatcher
from verifier.http.connect import CONNECT_ERRORS, connect
from verifier.http.connection import Connection
from verifier.http.encode import encode_request, http2_headers
from verifier.http.framing import MAX_BODY
from verifier.http.h2 import Http2Connection, exchange
from verifier.http.hold import Hold, ReleaseBarrier
from verifier.http.message import Request, Response
from verifier.http.pool import Pool
from verifier.http.wirefaults import NO_FAULTS, Faults, leave, write_disturbed

__all__ = ["Hold", "ReleaseBarrier", "SendResult", "WireClient"]

_BUSY = 500e-6  # seconds of idleness below which a connection is taken without asking the kernel about it


class SendResult(Struct, frozen=True, gc=False):
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


_SWEEP_AT = 256  # keys


class WireClient:
    """Sends requests over pooled connections; one pool per (host, port, `connection` key).

    `clock` gives the times in answers. Timeouts run on the event loop's own clock. A connection idle for longer
    than `idle_limit` seconds, or already closed by the service, is never reused, so that a service that closes
    idle connections is not blamed for it. `max_body` is in bytes; an answer beyond it is "garbage".
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, idle_limit: float = 1.0, max_body: int = MAX_BODY
    ) -> None:
        self._clock = clock
        self._idle_limit = idle_limit
        self._max_body = max_body
        self._pools: dict[tuple[str, int, Hashable, ssl.SSLContext | None], Pool] = {}
        self._open: set[Connection | Http2Connection] = set()
        self._sweep_at = _SWEEP_AT
        self._batcher = WriteBatcher(clock)

    def send(
        self,
        host: str,
        port: int,
        request: Request,
        *,
        timeout: float = 30.0,
        connection: Hashable | None = None,
        hold: Hold | None = None,
        cut_after: int | None = None,
        cut_answer_after: int | None = None,
        slow_read: float | None = None,
        tls: ssl.SSLContext | None = None,
        http2: bool = False,
    ) -> Coroutine[Any, Any, SendResult]:
        """Send one request and wait for its whole answer, at most `timeout` seconds in all, connecting included.

        `connection` pins: requests with equal keys share connections that no other key uses. `hold` keeps back the
        last byte until its `wait()` returns. `cut_after` resets the connection after that many bytes of the
        request's body have left; `cut_answer_after` does so after that many bytes of the answer's body.
        `slow_read` reads at most that many bytes per second, on a connection of its own with small buffers.
        HTTP/2 is spoken with `http2` (prior knowledge) and where TLS negotiates it: `tls` says by its ALPN protocols
        what is offered. Then holding, cutting and time-outs work on the request's stream.
        Raises ValueError, before anything is sent, for a request that cannot be written as one HTTP message.
        """
        pool = self._pools.get((host, port, connection, tls))
        if pool is None:
            pool = self._new_pool((host, port, connection, tls))
        data = encode_request(request, pool.authority, pool.blocks)
        if hold is None and cut_after is None and cut_answer_after is None and slow_read is None:
            if pool.idle and not http2 and pool.http2 is None:
                return self._send_reusing(pool, request, data, timeout)
            return self._send_any(pool, request, data, timeout, NO_FAULTS, http2)
        faults = Faults(hold, cut_after, cut_answer_after, slow_read)
        return self._send_any(pool, request, data, timeout, faults, http2)

    def now(self) -> float:
        """The clock of its answers, in seconds."""
        return self._clock()

    async def _send_reusing(self, pool: Pool, request: Request, data: bytes, within: float) -> SendResult:
        """The usual case, and the fast one: no fault, and a connection that was used a moment ago."""
        started = self._clock()
        conn = self._take(pool, started)
        if conn is None:
            return await self._send_any(pool, request, data, within, NO_FAULTS, False)
        conn.expect(request.method == "HEAD", within)
        try:
            conn.post(data)
            error = await conn
        except BaseException:
            self._drop(conn)
            raise
        if not pool.takes_back(conn):
            self._drop(conn)
        return SendResult(conn.response, error, True, conn.started, conn.answered, True)

    def pool(self, host: str, port: int) -> Pool:
        """The connections to an address that any request may take."""
        key = (host, port, None, None)
        return self._pools.get(key) or self._new_pool(key)

    def lend(self, pool: Pool, now: float) -> Connection | None:
        """A connection of HTTP/1.1 that was used a moment ago, for requests that its borrower sends; None without one.

        It is to be given back to `keep`. `now`: by the clock, as of late.
        """
        return self._take(pool, now) if pool.http2 is None else None

    def fit(self, conn: Connection, now: float) -> bool:
        """Whether a connection that was lent may carry another request."""
        age = now - conn.idle_since
        return conn.usable and (age < _BUSY or (age <= self._idle_limit and not conn.stale()))

    def keep(self, pool: Pool, conn: Connection) -> None:
        """Have a connection carry other requests if it can; one whose request has not ended is closed."""
        conn.set_callback(None)
        if not conn.over() or not pool.takes_back(conn):
            self._drop(conn)

    async def _send_any(
        self, pool: Pool, request: Request, data: bytes, within: float, faults: Faults, http2: bool
    ) -> SendResult:
        deadline = asyncio.get_running_loop().time() + within
        if http2 or pool.http2 is not None:
            return await self._send_http2(pool, request, deadline, faults)
        started = self._clock()
        conn = self._take(pool, started) if faults.slow_read is None else None
        if conn is None:
            try:
                fresh = await self._connect(pool, deadline, slow=faults.slow_read is not None)
            except CONNECT_ERRORS as problem:
                return self._unsent(problem, faults.hold, started)
            if isinstance(fresh, Http2Connection):
                if faults.slow_read is None:
                    pool.http2 = fresh
                return await self._send_http2(pool, request, deadline, faults, fresh)
            conn = fresh
            started = self._clock()
        reused, conn.used = conn.used, True
        conn.expect(request.method == "HEAD", deadline - asyncio.get_running_loop().time())
        try:
            if faults is NO_FAULTS:
                conn.write(data)
            else:
                conn.disturb(faults.cut_answer_after, faults.slow_read)
                await write_disturbed(conn, data, len(request.body), faults)
            error = await conn
        except BaseException:
            self._drop(conn)
            raise
        if not pool.takes_back(conn):
            self._drop(conn)
        return SendResult(conn.response, error, True, started, conn.answered, reused)

    def forget(self, host: str, port: int) -> None:
        """Close the idle connections to an address: its replica is going away."""
        for key in [key for key in self._pools if key[0] == host and key[1] == port]:
            self._close_pool(self._pools.pop(key))

    async def close(self) -> None:
        """Close every connection; requests under way end as "closed"."""
        self._pools.clear()
        for conn in tuple(self._open):
            self._drop(conn)
        await asyncio.sleep(0)

    def _new_pool(self, key: tuple[str, int, Hashable, ssl.SSLContext | None]) -> Pool:
        """Keys may be many, one for each session: those whose connections are all too old go, now and then."""
        if len(self._pools) >= self._sweep_at:
            oldest = self._clock() - self._idle_limit
            for old in [old for old, pool in self._pools.items() if pool.left(oldest)]:
                self._close_pool(self._pools.pop(old))
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._pools))
        pool = self._pools[key] = Pool(key[0], key[1], key[3])
        return pool

    def _close_pool(self, pool: Pool) -> None:
        pool.kept = False
        for conn in pool.idle:
            self._drop(conn)
        if pool.http2 is not None and not pool.http2.busy():
            self._drop(pool.http2)

    def _take(self, pool: Pool, now: float) -> Connection | None:
        idle = pool.idle
        while idle:
            conn = idle.pop()
            if self.fit(conn, now):
                return conn
            self._drop(conn)
        return None

    async def _connect(
        self, pool: Pool, deadline: float, *, slow: bool = False, http2: bool = False
    ) -> Connection | Http2Connection:
        """A new connection of the protocol that was agreed on. Raises one of CONNECT_ERRORS."""
        loop = asyncio.get_running_loop()

        def choose(negotiated: str | None) -> Connection | Http2Connection:
            if http2 or negotiated == "h2":
                return Http2Connection(loop, self._clock, self._max_body)
            return Connection(loop, self._clock, self._max_body, self._batcher)

        async with asyncio.timeout_at(deadline):
            conn = await connect(pool.host, pool.port, pool.tls, choose, slow)
        self._open.add(conn)
        return conn

    def _unsent(self, problem: Exception, hold: Hold | None, started: float) -> SendResult:
        leave(hold)
        how = "timeout" if isinstance(problem, TimeoutError) else "refused"
        return SendResult(None, how, False, started, self._clock())

    async def _send_http2(
        self, pool: Pool, request: Request, deadline: float, faults: Faults, fresh: Http2Connection | None = None
    ) -> SendResult:
        started = self._clock()
        headers = http2_headers(request, "https" if pool.tls else "http", pool.authority)
        try:
            if faults.slow_read is None:
                conn = await self._shared_http2(pool, deadline)
            else:
                conn = await self._slow_http2(pool, deadline, faults.slow_read, fresh)
        except CONNECT_ERRORS as problem:
            return self._unsent(problem, faults.hold, started)
        reused, started = conn.used, self._clock()
        try:
            how, stream = await exchange(
                conn, headers, request.body, deadline, faults.hold, faults.cut_after, faults.cut_answer_after
            )
        finally:
            if faults.slow_read is not None:
                self._drop(conn)
        if stream is None:
            leave(faults.hold)
            return SendResult(None, how, False, started, self._clock(), reused)
        conn.idle_since = stream.answered
        response = stream.response if not how else None
        return SendResult(response, how, how != "refused", started, stream.answered, reused)

    async def _shared_http2(self, pool: Pool, deadline: float) -> Http2Connection:
        async with pool.connecting:
            conn = pool.http2
            if conn is None or not conn.free(self._clock() - self._idle_limit):
                fresh = await self._connect(pool, deadline, http2=True)
                assert isinstance(fresh, Http2Connection)
                if conn is not None and not conn.busy():
                    self._drop(conn)
                conn = pool.http2 = fresh
        return conn

    async def _slow_http2(
        self, pool: Pool, deadline: float, rate: float, fresh: Http2Connection | None
    ) -> Http2Connection:
        """A connection of its own, as its window is small."""
        conn = fresh or await self._connect(pool, deadline, slow=True, http2=True)
        assert isinstance(conn, Http2Connection)
        conn.read_slowly(rate)
        return conn

    def _drop(self, conn: Connection | Http2Connection) -> None:
        self._open.discard(conn)
        conn.shut()
