"""One client connection: a protocol that sends one request at a time and gathers its answer.

How a request ended is a word: "" (answered), "timeout", "reset", "closed" or "garbage".

For speed the parser is not asked for headers, which would be a call for each of them: it checks the head, and the
lines that it found good are split here, most of them known from earlier answers. A known head is not parsed at all.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from math import inf
from typing import cast

import httptools

from verifier.history.message import Response, header
from verifier.replay.wire.awaited import Awaited
from verifier.replay.wire.heads import known_heads, linger, remember_head, split_head

MAX_HEAD = 1 << 20  # bytes of status line and headers in one answer
_H = ord("H")


class Connection(Awaited, asyncio.Protocol):
    """State of one keep-alive connection. `usable` says whether another request may follow.

    After `expect` and `write`, awaiting the connection gives the word for how the request ended.
    """

    __slots__ = (
        "_body",
        "_clock",
        "_cutting",
        "_deadline",
        "_drained",
        "_head_end",
        "_head_only",
        "_head_start",
        "_limit",
        "_looks_at",
        "_max_body",
        "_parser",
        "_poll",
        "_rate",
        "_raw",
        "_size",
        "_special",
        "_status",
        "_timer",
        "_transport",
        "answered",
        "idle_since",
        "response",
        "started",
        "usable",
        "used",
        "write",
    )

    write: Callable[[bytes], None]

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], max_body: int) -> None:
        super().__init__(loop)
        self._clock = clock
        self._max_body = self._limit = max_body
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._looks_at = inf  # when the timer looks at the deadline
        self._raw = b""  # everything from the answer's first byte on, until its head is whole
        self._head_start = self._head_end = 0
        self._body: bytes | bytearray = b""
        self._size = self._status = 0
        self._cutting = self._head_only = self._special = False
        self._poll = select.poll()
        self._rate = 0.0  # bytes per second at which answers are read; 0: as they come
        self._drained: asyncio.Future[None] | None = None
        self.response: Response | None = None
        self.answered = self.idle_since = self.started = 0.0
        self.usable = self.used = False

    # --- used by the client ---

    def expect(self, head_only: bool, within: float) -> None:
        """Begin to wait for an answer, for at most `within` seconds."""
        self._waiting = True
        self._head_only = self._special = head_only
        deadline = self._deadline = self._loop.time() + within
        self.response = None
        # One timer serves many requests: it is moved only when it would be late, and looks again when it is early.
        if deadline < self._looks_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._expire)
            self._looks_at = deadline
        if not self.usable:
            self._finish("closed")

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
        self.usable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()

    def reset(self) -> None:
        """Cut the request: a TCP reset instead of an orderly end, once what was written has been drained."""
        linger(self._transport)
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
            end = data.find(b"\r\n\r\n") + 4
            known = known_heads.get(data[:end])
            if known is not None and len(data) - end == known[2] <= self._max_body:
                self.response = Response(known[0], known[1], data[end:])
                self._waiting = False
                self._how = ""
                self.answered = self._clock()
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
        elif not self._head_end and len(self._raw) > MAX_HEAD:
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

    # --- httptools ---

    def on_headers_complete(self) -> None:
        if not self._waiting:
            self.usable = False  # a second answer to one request
            return
        raw = self._raw
        if raw[self._head_start] != _H:
            # The parser passes over line breaks in front of a message, so they are no part of its head.
            self._head_start += len(raw[self._head_start :]) - len(raw[self._head_start :].lstrip(b"\r\n"))
        end = raw.index(b"\r\n\r\n", self._head_start)
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            self._head_start = end + 4
            return
        self._head_end = end
        self._status = status
        if self._head_only:
            # The parser cannot be told that no body follows, so it is not used again.
            self.usable = self._parser.should_keep_alive()
            self._complete()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        if not self._waiting:
            self.usable = False
            return
        if not self._size:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        self._size += len(data)
        if self._size > self._limit:
            if self._cutting:
                linger(self._transport)
            self._spoil("reset" if self._cutting else "garbage")

    def on_message_complete(self) -> None:
        if self._head_end:  # else the message was an interim answer
            if not self._parser.should_keep_alive():
                self.usable = False
            self._complete()

    # --- inside ---

    def _complete(self) -> None:
        body = self._body
        raw, end = self._raw, self._head_end
        headers = split_head(raw[self._head_start : end])
        self.response = Response(self._status, headers, body if type(body) is bytes else bytes(body))
        # Whole in one piece and framed by its length alone; what is chunked may be as long as its first piece was.
        whole = self.usable and not self._head_only and not self._head_start and len(raw) - end - 4 == len(body)
        if whole and (self._status in (204, 304) or header(headers, "content-length") is not None):
            remember_head(raw[: end + 4], self._status, headers, len(body))
        self._finish("")

    def _finish(self, how: str) -> None:
        self.answered = self._clock()
        self._how = how
        self._waiting = False
        self._raw = self._body = b""
        self._size = self._head_start = self._head_end = 0
        if self._special:
            self._limit, self._cutting, self._special = self._max_body, False, False
            if self._rate:
                self.usable = False

    def _spoil(self, how: str) -> None:
        self.usable = False
        if self._waiting:
            self._finish(how)
        self.shut()

    def _expire(self) -> None:
        self._timer = None
        self._looks_at = inf
        if not self._waiting:
            return
        if self._loop.time() >= self._deadline:
            self._spoil("timeout")
            self._wake()
        else:
            self._timer = self._loop.call_at(self._deadline, self._expire)
            self._looks_at = self._deadline

    def _read_on(self) -> None:
        if self.usable and not self._transport.is_closing():
            self._transport.resume_reading()

    def _ends_with_connection(self) -> bool:
        """Whether the answer's body ends where the connection does (RFC 9112, section 6.3)."""
        if self._status in (204, 304):
            return False
        names = {name.lower() for name, _ in split_head(self._raw[self._head_start : self._head_end])}
        return "content-length" not in names and "transfer-encoding" not in names
