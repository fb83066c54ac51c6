"""Answers that may never end: sent like any other request, handed over as soon as their end is not near.

The usual answer takes the usual path of `WireClient.send`, in one callback. Only one that has begun and not ended is
looked at: an event stream is handed over at once, what is large or late a little later.
"""

from __future__ import annotations

import asyncio
from math import inf

from verifier.http.client import SendResult, WireClient
from verifier.http.connect import CONNECT_ERRORS, connect
from verifier.http.connection import Connection
from verifier.http.encode import encode_request
from verifier.http.eventstream import is_event_stream
from verifier.http.head_cache import split_head
from verifier.http.message import Headers, Request, Response, header
from verifier.http.pipe import Pipe
from verifier.http.pool import Pool
from verifier.http.transport import reset_on_close

PATIENCE = 0.05  # seconds after an answer's first bytes in which its end is waited for
LARGE = 1 << 20  # bytes of a body beyond which its end is not waited for
_KEY = "streaming"  # its connections can hand answers over, those of other keys cannot
_GONE_ON = b"-"  # stands where a connection keeps a head; no head is that short


class OpenResponse:
    """An answer that has begun and may go on for ever: read `body`, then call `release`, once.

    `response` has no body. `length` is the declared one in bytes, else None. `body.how` ends as an `SendResult.error`
    would: "" is whole.
    """

    def __init__(self, client: WireClient, pool: Pool, conn: StreamConnection) -> None:
        assert conn.pipe is not None
        self.response = Response(conn.status, conn.headers)
        self.length = conn.length
        self.body = conn.pipe
        self._client = client
        self._pool = pool
        self._conn = conn

    def reset(self) -> None:
        """Break off by a TCP reset."""
        reset_on_close(self._conn._transport)
        self.body.stop("reset")

    def release(self) -> None:
        """Keep the connection if the answer ended on it, else hang up."""
        conn = self._conn
        over = self.body.how == ""
        self.body.stop("closed")
        conn.pipe = None
        if not over or not self._pool.takes_back(conn):
            self._client._drop(conn)


async def begin(
    client: WireClient,
    host: str,
    port: int,
    request: Request,
    *,
    timeout: float,  # noqa: ASYNC109 - a time-out is an answer here, not an exception
    patience: float = PATIENCE,
    large: int = LARGE,
) -> SendResult | OpenResponse:
    """As `client.send`, but an answer whose end is not near is handed over.

    It is, once begun, if it is an event stream, if its end has not come within `patience` seconds, or if more than
    `large` bytes of it have. `timeout` bounds the time until then, and the silence in an answer of declared length.
    """
    key = (host, port, _KEY, None)
    pool = client._pools.get(key) or client._new_pool(key)
    data = encode_request(request, pool.authority, pool.blocks)
    started = client._clock()
    conn = client._take(pool, started)
    if conn is None:
        try:
            conn = await _connect(client, pool, timeout)
        except CONNECT_ERRORS as problem:
            return client._unsent(problem, None, started)
        timeout -= client._clock() - started
        started = client._clock()
    assert isinstance(conn, StreamConnection)
    reused, conn.used = conn.used, True
    try:
        error = await conn.begin(data, request.method == "HEAD", timeout, patience, large)
    except BaseException:
        client._drop(conn)
        raise
    if conn.pipe is not None:
        return OpenResponse(client, pool, conn)
    if not pool.takes_back(conn):
        client._drop(conn)
    return SendResult(conn.response, error, True, started, conn.answered, reused)


async def _connect(client: WireClient, pool: Pool, within: float) -> StreamConnection:
    """Raises one of CONNECT_ERRORS."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(within):
        conn = await connect(
            pool.host, pool.port, None, lambda _: StreamConnection(loop, client._clock, client._max_body), False
        )
    client._open.add(conn)
    return conn


class StreamConnection(Connection):
    """A connection whose answers can be handed over: then the sender is woken early, and `pipe` brings the body."""

    __slots__ = ("_until_close", "headers", "large", "length", "look", "patience", "pipe", "silence", "status")

    patience: float
    large: int
    silence: float

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.look: asyncio.TimerHandle | None = None
        self.pipe: Pipe | None = None
        self.status = 0
        self.headers: Headers = ()
        self.length: int | None = None
        self._until_close = False

    async def begin(self, data: bytes, head_only: bool, within: float, patience: float, large: int) -> str:
        """Send a request, and wait until its answer has ended (the word for how) or is handed over by `pipe`."""
        self.patience, self.large, self.silence = patience, large, within
        self.expect(head_only, within)
        self.write(data)
        how = await self
        if self.look is not None:
            self.look.cancel()
            self.look = None
        return how

    def _parse(self, data: bytes) -> None:
        if self.pipe is not None:
            self._more(self.pipe, data)
            return
        super()._parse(data)
        # The sender may have run meanwhile, and wait for another answer: then no head is there yet.
        if self._head_end and self._waiting:
            self._consider()

    def _consider(self) -> None:
        """The answer has begun and not ended."""
        if self._size > self.large:
            self._hand_over()
        elif self.look is None:
            if is_event_stream(split_head(self._raw[self._head_start : self._head_end])):
                self._hand_over()
            else:
                self.look = self._loop.call_later(self.patience, self._look)

    def _look(self) -> None:
        if self._head_end and self._waiting and self.pipe is None:
            self._hand_over()

    def _hand_over(self) -> None:
        self.status = self._status
        self.headers = split_head(self._raw[self._head_start : self._head_end])
        self._until_close = self._ends_with_connection()
        length = header(self.headers, "content-length")
        self.length = int(length) if length is not None else None
        self.pipe = Pipe(self._transport)
        self.pipe.feed(bytes(self._body))
        # From here on a piece is no body to be measured, and the head no pattern to be remembered.
        self._raw, self._head_start, self._head_end = _GONE_ON, 0, len(_GONE_ON)
        self._body, self._size = b"", 0
        self._deadline = self._loop.time() + self.silence if self.length is not None else inf
        self._wake()

    def _more(self, pipe: Pipe, data: bytes) -> None:
        super()._parse(data)
        if self._waiting:
            pipe.feed(bytes(self._body))
            self._body, self._size = b"", 0
            if self.length is not None:
                self._deadline = self._loop.time() + self.silence
        else:
            self._settle(pipe)

    def _settle(self, pipe: Pipe) -> None:
        if self._how == "" and self.response is not None:
            pipe.feed(self.response.body)
        pipe.end(self._how)

    def eof_received(self) -> None:
        if self.pipe is None:
            super().eof_received()
        elif self._waiting and self._until_close:
            self.usable = False
            self._complete()
            self._settle(self.pipe)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.pipe is not None:
            self._settle(self.pipe)

    def _expire(self) -> None:
        if self.pipe is not None and self._deadline == inf:
            self._timer = None
            self._looks_at = inf
        else:
            super()._expire()
