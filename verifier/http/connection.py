"""One client connection: a protocol that sends one request at a time and gathers its answer.

How a request ended is a word: "" (answered), "timeout", "reset", "closed" or "garbage".

For speed a head that is known from an earlier answer is not parsed: `gathering.py` takes what is left.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from math import inf
from typing import cast

import httptools

from verifier.http.batching import WriteBatcher
from verifier.http.framing import MAX_RESPONSE_HEAD
from verifier.http.gathering import Gathering
from verifier.http.head_cache import NO_HEAD, known_heads
from verifier.http.message import Response
from verifier.http.transport import reset_on_close


class Connection(Gathering, asyncio.Protocol):
    """State of one keep-alive connection. `usable` says whether another request may follow.

    After `expect` and `write`, awaiting the connection gives the word for how the request ended.
    """

    __slots__ = (
        "_batcher",
        "_deadline",
        "_drained",
        "_head",
        "_looks_at",
        "_poll",
        "_timer",
        "idle_since",
        "stamp",
        "started",
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
        super().__init__(loop, clock, max_body)
        self._batcher = batcher if batcher is not None else WriteBatcher(clock)
        self._head = NO_HEAD
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._looks_at = inf  # when the timer looks at the deadline
        self._poll = select.poll()
        self._drained: asyncio.Future[None] | None = None
        self.idle_since = self.started = 0.0
        self.used = False
        self.stamp = "0.0"

    # --- used by the client ---

    def expect(self, head_only: bool, within: float) -> None:
        """Begin to wait for an answer, for at most `within` seconds."""
        self._waiting = True
        self._head_only = self._special = head_only
        deadline = self._deadline = self._loop.time() + within
        self.response = None
        # One timer serves many requests: it is moved only when it would be late, and looks again when it is early.
        if deadline < self._looks_at:
            self._watch(deadline)
        if not self.usable:
            self._finish("closed")

    def _watch(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._expire)
        self._looks_at = at

    def post(self, data: bytes) -> None:
        """Write a request whose answer is expected, together with what else is posted meanwhile."""
        batcher = self._batcher
        if not batcher:
            self._loop.call_soon(batcher.flush)
        batcher.append((self, data))

    def follow(self, data: bytes, within: float) -> None:
        """Post another request, of the same kind and for the same taker, on a connection that is usable."""
        deadline = self._deadline = self._loop.time() + within
        if deadline < self._looks_at:
            self._watch(deadline)
        self._waiting = True
        self.response = None
        batcher = self._batcher
        if not batcher:
            self._loop.call_soon(batcher.flush)
        batcher.append((self, data))

    def over(self) -> bool:
        """Whether the request has ended."""
        return not self._waiting

    def disturb(self, cut_answer_after: int | None, slow_read: float | None) -> None:
        """Reset the connection once that many bytes of the expected answer's body have arrived; read at most
        `slow_read` bytes per second, leave the rest to fill the kernel's buffers, and do not use it again.
        """
        self._special = True
        if cut_answer_after is not None:
            self._limit, self._cutting = max(0, cut_answer_after - 1), True
        if slow_read is not None:
            self._rate = slow_read

    def stale(self) -> bool:
        """Whether the other side has closed, or said something unasked, while the connection was idle."""
        return not self.usable or bool(self._poll.poll(0))

    def shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().shut()

    def reset(self) -> None:
        """Cut the request: a TCP reset instead of an orderly end, once what was written has been drained."""
        reset_on_close(self._transport)
        if self._waiting:
            self._finish("reset")
        self.shut()

    async def drained(self) -> None:
        """Wait until every written byte is with the kernel, or the connection is gone."""
        self._transport.set_write_buffer_limits(0)
        if self._transport.get_write_buffer_size() and self.usable:
            self._drained = self._loop.create_future()
            await self._drained

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self.usable = True
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP)

    def data_received(self, data: bytes) -> None:
        if self._waiting and not self._raw and not self._special:
            head = self._head  # most likely the last one again
            if not (len(data) == head.whole and data.startswith(head.raw)):
                head = self._head = known_heads.get(data[: data.find(b"\r\n\r\n") + 4], NO_HEAD)
            if len(data) == head.whole and len(data) - head.end <= self._max_body:
                self.response = Response(head.status, head.headers, data[head.end :])
                self._waiting = False
                self._how = ""
                self.answered = self._clock()
                if self._taker is not None:
                    self._taker(self)
                else:
                    self._wake()
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        if not self._waiting:
            self.shut()
            return
        if not self._head_end:
            self._raw = self._raw + data if self._raw else data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.usable = False
        except httptools.HttpParserError:
            self._spoil("garbage")
        if not self._waiting:
            if not self.usable:
                self.shut()
            self._wake()
        elif not self._head_end and len(self._raw) > MAX_RESPONSE_HEAD:
            self._spoil("garbage")
            self._wake()
        elif self._rate:
            self._transport.pause_reading()
            self._loop.call_later(len(data) / self._rate, self._read_on)

    def eof_received(self) -> None:
        if self._waiting and self._head_end and self._ends_with_connection():
            self.usable = False
            self._complete()
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        if self._waiting:
            self._finish("closed" if exc is None else "reset")
            self._wake()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # --- inside ---

    def _expire(self) -> None:
        self._timer = None
        self._looks_at = inf
        if not self._waiting:
            return
        if self._loop.time() >= self._deadline:
            self._spoil("timeout")
            self._wake()
        else:
            self._watch(self._deadline)

    def _read_on(self) -> None:
        if self.usable and not self._transport.is_closing():
            self._transport.resume_reading()
