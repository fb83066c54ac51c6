"""The wire client: pooled HTTP/1.1 connections and exact control over when bytes leave.

`send` never raises for trouble on the network: refused, late, cut or senseless responses are `SendResult` values.
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
from verifier.http.pool import ConnectionPools, Pool
from verifier.http.wirefaults import NO_FAULTS, Faults, leave, write_with_faults

__all__ = ["Hold", "ReleaseBarrier", "SendResult", "WireClient"]


class SendResult(Struct, frozen=True, gc=False):
    """How one request ended. `error` is "" exactly when there is a response.

    refused: no connection, so no byte left. timeout: nothing whole in time. reset: the connection broke or was
    cut. closed: it ended in order, before the response was whole. garbage: not HTTP. head-too-large, body-too-large:
    beyond the limits, so nothing of it is kept.
    """

    response: Response | None
    error: str  # "" | "refused" | "timeout" | "reset" | "closed" | "garbage" | "head-too-large" | "body-too-large"
    sent: bool  # whether any byte of the request may have left
    started: float  # clock, seconds: before the first byte left
    answered: float  # clock, seconds: after the last byte of the response, or when the error was known
    reused: bool = False  # whether the connection had carried an earlier request


def not_sent(problem: Exception, started: float, now: float) -> SendResult:
    """The result of a request for which there was no connection; `problem` is one of CONNECT_ERRORS."""
    return SendResult(None, "timeout" if isinstance(problem, TimeoutError) else "refused", False, started, now)


class WireClient:
    """Sends requests over pooled connections; one pool per (host, port, `connection` key).

    `clock` gives the times in results. Timeouts run on the event loop's own clock. A connection idle for longer
    than `idle_limit` seconds, or already closed by the service, is never reused, so that a service that closes
    idle connections is not blamed for it. `max_body` is in bytes; a response beyond it is "body-too-large".

    Whatever a service sends, a request ends within its `timeout`: one deadline, set before connecting, covers all of
    it, and no byte that arrives moves it. So an operation takes at most its time-out times its tries. Memory is bounded
    by the limits in `framing`: a head with its interim responses, and a body, are cut as soon as they exceed them.

    `failed` is told why there was no connection: one of CONNECT_ERRORS. It must not raise.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, idle_limit: float = 1.0, max_body: int = MAX_BODY
    ) -> None:
        self._clock = clock
        self.max_body = max_body
        self.failed: Callable[[Exception], None] = lambda problem: None
        self.pools = ConnectionPools(clock, idle_limit)
        self.batcher = WriteBatcher(clock)

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
        cut_response_after: int | None = None,
        slow_read: float | None = None,
        tls: ssl.SSLContext | None = None,
        http2: bool = False,
    ) -> Coroutine[Any, Any, SendResult]:
        """Send one request and wait for its whole response, at most `timeout` seconds in all, connecting included.

        `connection` pins: requests with equal keys share connections that no other key uses. `hold` keeps back the
        last byte until its `wait()` returns. `cut_after` resets the connection after that many bytes of the
        request's body have left; `cut_response_after` does so after that many bytes of the response's body.
        `slow_read` reads at most that many bytes per second, on a connection of its own with small buffers.
        HTTP/2 is spoken with `http2` (prior knowledge) and where TLS negotiates it: `tls` says by its ALPN protocols
        what is offered. Then holding, cutting and time-outs work on the request's stream.
        Raises ValueError, before anything is sent, for a request that cannot be written as one HTTP message.
        """
        pool = self.pools.get((host, port, connection, tls))
        data = encode_request(request, pool.authority, pool.blocks)
        if hold is None and cut_after is None and cut_response_after is None and slow_read is None:
            if pool.idle and not http2 and pool.http2 is None:
                return self._send_reusing(pool, request, data, timeout)
            return self._send_any(pool, request, data, timeout, NO_FAULTS, http2)
        faults = Faults(hold, cut_after, cut_response_after, slow_read)
        return self._send_any(pool, request, data, timeout, faults, http2)

    def now(self) -> float:
        """The client's clock, in seconds."""
        return self._clock()

    async def _send_reusing(self, pool: Pool, request: Request, data: bytes, within: float) -> SendResult:
        """The usual and fast case: no fault, and a connection that was used a moment ago."""
        started = self._clock()
        conn = self.pools.take(pool, started)
        if conn is None:
            return await self._send_any(pool, request, data, within, NO_FAULTS, False)
        conn.expect(request.method == "HEAD", within)
        try:
            conn.post(data)
            error = await conn
        except BaseException:
            self.pools.drop(conn)
            raise
        self.pools.give_back(pool, conn)
        return SendResult(conn.response, error, True, conn.started, conn.answered, True)

    def pool(self, host: str, port: int) -> Pool:
        """The connections to an address that are not pinned to a key."""
        return self.pools.get((host, port, None, None))

    def take_idle(self, pool: Pool, now: float) -> Connection | None:
        """An idle HTTP/1.1 connection, on which the caller sends requests itself. None if there is none.

        Give it back with `give_back`. `now` is a recent value of the clock.
        """
        return self.pools.take(pool, now) if pool.http2 is None else None

    def reusable(self, conn: Connection, now: float) -> bool:
        """Whether a connection that was taken may carry another request."""
        return self.pools.reusable(conn, now)

    def give_back(self, pool: Pool, conn: Connection) -> None:
        """Return a connection that was taken. It is closed if its request has not ended."""
        conn.set_callback(None)
        if not conn.over() or not pool.takes_back(conn):
            self.pools.drop(conn)

    async def _send_any(
        self, pool: Pool, request: Request, data: bytes, within: float, faults: Faults, http2: bool
    ) -> SendResult:
        deadline = asyncio.get_running_loop().time() + within
        if http2 or pool.http2 is not None:
            return await self._send_http2(pool, request, deadline, faults)
        started = self._clock()
        conn = self.pools.take(pool, started) if faults.slow_read is None else None
        if conn is None:
            try:
                fresh = await self._connect(pool, deadline, slow=faults.slow_read is not None)
            except CONNECT_ERRORS as problem:
                return self._unsent(problem, faults, started)
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
                conn.expect_faults(faults.cut_response_after, faults.slow_read)
                await write_with_faults(conn, data, len(request.body), faults)
            error = await conn
        except BaseException:
            self.pools.drop(conn)
            raise
        self.pools.give_back(pool, conn)
        return SendResult(conn.response, error, True, started, conn.answered, reused)

    def forget(self, host: str, port: int) -> None:
        """Close the idle connections to an address: its replica is going away."""
        self.pools.forget(host, port)

    async def close(self) -> None:
        """Close every connection. Requests under way end as "closed"."""
        await self.pools.close()

    async def _connect(
        self, pool: Pool, deadline: float, *, slow: bool = False, http2: bool = False
    ) -> Connection | Http2Connection:
        """A new connection of the protocol that was agreed on. Raises one of CONNECT_ERRORS."""
        loop = asyncio.get_running_loop()

        def choose(negotiated: str | None) -> Connection | Http2Connection:
            if http2 or negotiated == "h2":
                return Http2Connection(loop, self._clock, self.max_body)
            return Connection(loop, self._clock, self.max_body, self.batcher)

        async with asyncio.timeout_at(deadline):
            conn = await connect(pool.host, pool.port, pool.tls, choose, slow)
        self.pools.add(conn)
        return conn

    def _unsent(self, problem: Exception, faults: Faults, started: float) -> SendResult:
        leave(faults.hold)
        self.failed(problem)
        return not_sent(problem, started, self._clock())

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
            return self._unsent(problem, faults, started)
        reused, started = conn.used, self._clock()
        try:
            how, stream = await exchange(
                conn, headers, request.body, deadline, faults.hold, faults.cut_after, faults.cut_response_after
            )
        finally:
            if faults.slow_read is not None:
                self.pools.drop(conn)
        if stream is None:
            leave(faults.hold)
            return SendResult(None, how, False, started, self._clock(), reused)
        conn.idle_since = stream.answered
        response = stream.response if not how else None
        return SendResult(response, how, how != "refused", started, stream.answered, reused)

    async def _shared_http2(self, pool: Pool, deadline: float) -> Http2Connection:
        async with pool.connecting:
            conn = pool.http2
            if conn is None or not conn.can_open(self.pools.oldest_trusted()):
                fresh = await self._connect(pool, deadline, http2=True)
                assert isinstance(fresh, Http2Connection)
                if conn is not None and not conn.busy():
                    self.pools.drop(conn)
                conn = pool.http2 = fresh
        return conn

    async def _slow_http2(
        self, pool: Pool, deadline: float, rate: float, fresh: Http2Connection | None
    ) -> Http2Connection:
        """A connection for this request alone, because its window is small."""
        conn = fresh or await self._connect(pool, deadline, slow=True, http2=True)
        assert isinstance(conn, Http2Connection)
        conn.read_slowly(rate)
        return conn
