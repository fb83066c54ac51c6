"""Responses that may never end: requested like any other, and handed over as soon as their end is not near.

The usual response takes the usual path of `WireClient.send`, in one callback. Only one that has begun and not ended is
looked at: an event stream is handed over at once, what is large or late a little later.
"""

from __future__ import annotations

import asyncio
from math import inf

from verifier.http.client import SendResult, WireClient, not_sent
from verifier.http.connect import CONNECT_ERRORS, connect
from verifier.http.connection import Connection
from verifier.http.encode import encode_request
from verifier.http.eventstream import is_event_stream
from verifier.http.message import Request, Response, header
from verifier.http.pipe import Pipe
from verifier.http.pool import Pool
from verifier.http.state import READING

PATIENCE = 0.05  # seconds after a response's first bytes in which its end is waited for
LARGE = 1 << 20  # bytes of a body beyond which its end is not waited for
_KEY = "streaming"  # of pools whose connections can hand responses over; those of other pools cannot


class OpenResponse:
    """A response that has begun and may go on for ever. Read `body`, then call `release` once.

    `response` has no body. `length` is the declared one in bytes, else None. `body.how` ends as a `SendResult.error`
    would: "" is whole.
    """

    def __init__(self, client: WireClient, pool: Pool, conn: StreamConnection, head: Response, body: Pipe) -> None:
        self.response = head
        self.length = _declared_length(head)
        self.body = body
        self._client = client
        self._pool = pool
        self._conn = conn

    def reset(self) -> None:
        """Break off by a TCP reset."""
        self._conn.reset()
        self.body.stop("reset")

    def release(self) -> None:
        """Keep the connection if the response ended on it, else hang up."""
        whole = self.body.how == ""
        self.body.stop("closed")
        self._conn.end_handover()
        if whole:
            self._client.pools.give_back(self._pool, self._conn)
        else:
            self._client.pools.drop(self._conn)


async def send_streaming(
    client: WireClient,
    host: str,
    port: int,
    request: Request,
    *,
    timeout: float,  # noqa: ASYNC109 - a time-out is a result here, not an exception
    patience: float = PATIENCE,
    large: int = LARGE,
) -> SendResult | OpenResponse:
    """As `client.send`, but a response whose end is not near is handed over.

    It is, once begun, if it is an event stream, if its end has not come within `patience` seconds, or if more than
    `large` bytes of it have. `timeout` bounds the time until then, and the silence in a response of declared length.
    Raises ValueError for a request that cannot be written as one HTTP message.
    """
    pools = client.pools
    pool = pools.get((host, port, _KEY, None))
    data = encode_request(request, pool.authority, pool.blocks)
    started = client.now()
    conn = pools.take(pool, started)
    if conn is None:
        try:
            conn = await _connect(client, pool, timeout)
        except CONNECT_ERRORS as problem:
            client.failed(problem)
            return not_sent(problem, started, client.now())
        timeout -= client.now() - started
        started = client.now()
    assert isinstance(conn, StreamConnection)
    reused, conn.used = conn.used, True
    try:
        conn.expect_streaming(request.method == "HEAD", timeout, patience, large)
        conn.write(data)
        error = await conn
    except BaseException:
        pools.drop(conn)
        raise
    if conn.pipe is not None and conn.handed_over is not None:
        return OpenResponse(client, pool, conn, conn.handed_over, conn.pipe)
    pools.give_back(pool, conn)
    return SendResult(conn.response, error, True, started, conn.answered, reused)


async def _connect(client: WireClient, pool: Pool, within: float) -> StreamConnection:
    """Raises one of CONNECT_ERRORS."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(within):
        conn = await connect(
            pool.host, pool.port, None, lambda _: StreamConnection(loop, client.now, client.max_body), False
        )
    client.pools.add(conn)
    return conn


class StreamConnection(Connection):
    """A connection that can hand a response over. The sender is then woken early, and `pipe` brings the body.

    `handed_over` is the head of such a response.
    """

    __slots__ = ("_large", "_look", "_patience", "_silence", "handed_over", "pipe")

    _patience: float
    _large: int
    _silence: float

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._look: asyncio.TimerHandle | None = None
        self.handed_over: Response | None = None
        self.pipe: Pipe | None = None

    def expect_streaming(self, head_only: bool, within: float, patience: float, large: int) -> None:
        """As `expect`; see `send_streaming` for when the response is handed over."""
        self._patience, self._large, self._silence = patience, large, within
        self.expect(head_only, within)

    def end_handover(self) -> None:
        """Nobody reads the response that was handed over any more."""
        self.pipe = self.handed_over = None

    def _on_partial_response(self) -> None:
        if self.pipe is not None:
            self.pipe.feed(self._reader.take_body())
            if self._deadline < inf:
                self._deadline = self._loop.time() + self._silence
        elif self._reader.has_head:
            self._consider_handover()

    def _consider_handover(self) -> None:
        if self._reader.size > self._large:
            self._hand_over()
        elif self._look is None:
            if is_event_stream(self._reader.head()[1]):
                self._hand_over()
            else:
                self._look = self._loop.call_later(self._patience, self._hand_over)

    def _hand_over(self) -> None:
        if self.state is not READING or self.pipe is not None:
            return
        self._stop_looking()
        head = self.handed_over = Response(*self._reader.head())
        self.pipe = Pipe(self._transport)
        self.pipe.feed(self._reader.take_body())
        self._deadline = self._loop.time() + self._silence if _declared_length(head) is not None else inf
        super()._wake()

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _wake(self) -> None:
        """The response has ended: the sender learns of it, or the reader of what was handed over."""
        self._stop_looking()
        pipe = self.pipe
        if pipe is None:
            super()._wake()
            return
        if not self.how and self.response is not None:
            pipe.feed(self.response.body)
        pipe.end(self.how)


def _declared_length(head: Response) -> int | None:
    length = header(head.headers, "content-length")
    return int(length) if length is not None else None
