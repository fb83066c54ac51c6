"""One client connection: a protocol that sends one request at a time and reads its response.

How a request ended is a word: "" (there is a response), or an `error` of `SendResult`.

For speed a response whose head is known from an earlier one is not parsed. `ResponseReader` reads all others.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from math import inf
from typing import cast

from verifier.http.batching import WriteBatcher
from verifier.http.direct_waiter import DirectWaiter
from verifier.http.head_cache import NO_HEAD, known_heads
from verifier.http.message import Response
from verifier.http.response_reader import BODILESS, PLAIN, Expected, ResponseReader
from verifier.http.state import CLOSED, CLOSING, IDLE, READING, WAITING, ConnectionState
from verifier.http.transport import reset_on_close


class Connection(DirectWaiter, asyncio.Protocol):
    """One keep-alive connection. Another request may follow while `state` is IDLE.

    After `expect` and `write`, awaiting the connection gives the word for how the request ended.
    """

    __slots__ = (
        "_batcher",
        "_clock",
        "_deadline",
        "_drained",
        "_head",
        "_max_body",
        "_poll",
        "_reader",
        "_timer",
        "_timer_at",
        "_transport",
        "answered",
        "idle_since",
        "response",
        "stamp",
        "started",
        "state",
        "used",
        "write",
    )

    write: Callable[[bytes], None]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        max_body: int,
        batcher: WriteBatcher | None = None,
    ) -> None:
        super().__init__(loop)
        self._clock = clock
        self._max_body = max_body
        self._batcher = batcher if batcher is not None else WriteBatcher(clock)
        self._transport: asyncio.Transport
        self._reader = ResponseReader(max_body)
        self._head = NO_HEAD  # the last one that was known
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._timer_at = inf  # when the timer looks at the deadline
        self._poll = select.poll()
        self._drained: asyncio.Future[None] | None = None
        self.state: ConnectionState = CLOSED
        self.response: Response | None = None
        self.answered = self.idle_since = self.started = 0.0
        self.used = False  # whether it has carried a request
        self.stamp = "0.0"

    # --- used by the client ---

    def expect(self, head_only: bool, within: float) -> None:
        """Begin to wait for a response, for at most `within` seconds."""
        self.response = None
        if self.state is not IDLE:
            self.answered = self._clock()
            self.how = "closed"
            return
        self.state = READING if head_only else WAITING
        self._reader.expected = BODILESS if head_only else PLAIN
        deadline = self._deadline = self._loop.time() + within
        # One timer serves many requests: it is moved only when it would be late, and looks again when it is early.
        if deadline < self._timer_at:
            self._watch(deadline)

    def post(self, data: bytes) -> None:
        """Write a request whose response is expected, in one batch with others that are posted meanwhile."""
        batcher = self._batcher
        if not batcher:
            self._loop.call_soon(batcher.flush)
        batcher.append((self, data))

    def follow(self, data: bytes, within: float) -> None:
        """`expect` and `post` in one, for another request of the same kind and callback on an idle connection."""
        deadline = self._deadline = self._loop.time() + within
        if deadline < self._timer_at:
            self._watch(deadline)
        self.state = WAITING
        self.response = None
        batcher = self._batcher
        if not batcher:
            self._loop.call_soon(batcher.flush)
        batcher.append((self, data))

    def over(self) -> bool:
        """Whether no request is under way."""
        return self.state is IDLE or self.state is CLOSED

    def expect_faults(self, cut_after: int | None, slow_read: float | None) -> None:
        """Read the expected response with a fault.

        Reset the connection once `cut_after` bytes of the body have arrived. Read at most `slow_read` bytes per second,
        leave the rest in the kernel's buffers, and do not use the connection again.
        """
        if self.state is WAITING:
            self.state = READING
        self._reader.expected = Expected(self._reader.expected.bodiless, cut_after, slow_read)

    def stale(self) -> bool:
        """Whether the other side has closed the idle connection, or sent something unasked."""
        return self.state is not IDLE or bool(self._poll.poll(0))

    def shut(self) -> None:
        """End the connection. A request that is under way ends once the transport has reported the loss."""
        self.state = CLOSED if self.over() else CLOSING
        self._cancel_timer()
        self._transport.abort()

    def reset(self) -> None:
        """Cut the request: a TCP reset instead of an orderly end, once what was written has been drained."""
        reset_on_close(self._transport)
        if not self.over():
            self._finish("reset", False)
        self.shut()

    async def drained(self) -> None:
        """Wait until every written byte is with the kernel, or the connection is gone."""
        self._transport.set_write_buffer_limits(0)
        if self._transport.get_write_buffer_size() and self.state is not CLOSED and self.state is not CLOSING:
            self._drained = self._loop.create_future()
            await self._drained

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self.state = IDLE
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP)

    def data_received(self, data: bytes) -> None:
        if self.state is WAITING:
            head = self._head  # most likely the last one again
            if not (len(data) == head.whole and data.startswith(head.raw)):
                head = self._head = known_heads.get(data[: data.find(b"\r\n\r\n") + 4], NO_HEAD)
            if len(data) == head.whole and len(data) - head.end <= self._max_body:
                self.response = Response(head.status, head.headers, data[head.end :])
                self.state = IDLE
                self.how = ""
                self.answered = self._clock()
                if self._callback is not None:
                    self._callback(self)
                else:
                    self._wake()
                return
        self._read(data)

    def eof_received(self) -> None:
        if not self.over() and self._reader.end_of_stream():
            self._finish("", False)
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self.resume_writing()
        if self.over():
            self.state = CLOSED
        else:
            self._finish("closed" if exc is None else "reset", False)
            self._wake()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # --- inside ---

    def _read(self, data: bytes) -> None:
        """Read a piece of a response whose head is not known or that did not come whole."""
        if self.over():
            self.shut()  # nothing was asked
            return
        slow_read = self._reader.expected.slow_read
        how = self._reader.feed(data)
        if how is not None:
            if how == "reset":
                reset_on_close(self._transport)
            self._finish(how, self._reader.keep_alive)
            if self.state is CLOSED:
                self.shut()
            self._wake()
            return
        if self.state is WAITING:
            self.state = READING
        if slow_read is not None:
            self._transport.pause_reading()
            self._loop.call_later(len(data) / slow_read, self._resume_reading)
        self._on_partial_response()

    def _on_partial_response(self) -> None:
        """Called after each piece that does not end the response."""

    def _finish(self, how: str, keep_alive: bool) -> None:
        """The request under way has ended. Its sender is not woken yet."""
        self.answered = self._clock()
        self.how = how
        if how:
            self._reader.discard()
        else:
            self.response = self._reader.response
        self.state = IDLE if keep_alive and self.state is not CLOSING else CLOSED

    def _watch(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._check_deadline)
        self._timer_at = at

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_deadline(self) -> None:
        self._timer = None
        self._timer_at = inf
        if self.over():
            return
        if self._loop.time() >= self._deadline:
            self._finish("timeout", False)
            self.shut()
            self._wake()
        elif self._deadline < inf:
            self._watch(self._deadline)

    def _resume_reading(self) -> None:
        if self.state is not CLOSED and not self._transport.is_closing():
            self._transport.resume_reading()
