"""One client connection: a protocol that sends one request at a time and gathers its answer.

How a request ended is a word: "" (answered), "timeout", "reset", "closed" or "garbage".
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from typing import cast

import httptools

from verifier.history.message import Response

MAX_HEAD = 1 << 20  # bytes of status line and headers in one answer
_NAMES_KEPT = 4096
_names: dict[bytes, str] = {}


class Connection(asyncio.Protocol):
    """State of one keep-alive connection. `usable` says whether another request may follow."""

    __slots__ = (
        "_body",
        "_clock",
        "_cutting",
        "_deadline",
        "_drained",
        "_head_only",
        "_head_size",
        "_headers",
        "_in_body",
        "_interim",
        "_limit",
        "_loop",
        "_max_body",
        "_parser",
        "_poll",
        "_size",
        "_status",
        "_timer",
        "_transport",
        "_waiter",
        "answered",
        "idle_since",
        "response",
        "usable",
        "used",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], max_body: int) -> None:
        self._loop = loop
        self._clock = clock
        self._max_body = max_body
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | bytearray = b""
        self._size = self._head_size = 0
        self._status = 0
        self._in_body = self._interim = self._head_only = False
        self._poll = select.poll()
        self._drained: asyncio.Future[None] | None = None
        self._limit = max_body
        self._cutting = False
        self.response: Response | None = None
        self.answered = 0.0
        self.idle_since = 0.0
        self.usable = False
        self.used = False

    # --- used by the client ---

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def expect(self, head_only: bool, deadline: float) -> asyncio.Future[str]:
        """Begin to wait for an answer, until the loop's time `deadline`. The future's result says how it ended."""
        waiter = self._waiter = self._loop.create_future()
        self.response = None
        self._head_only = head_only
        self._status = self._size = self._head_size = 0
        self._in_body = False
        self._limit, self._cutting = self._max_body, False
        self._deadline = deadline
        # One timer serves many requests: it is moved only when it would be late, and looks again when it is early.
        timer = self._timer
        if timer is None or timer.when() > deadline:
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(deadline, self._expire)
        if not self.usable:
            self._finish("closed")
        return waiter

    def cut_answer(self, after: int) -> None:
        """Reset the connection once that many bytes of the expected answer's body have arrived."""
        self._limit, self._cutting = max(0, after - 1), True

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
        """Close with a TCP reset instead of an orderly end; what was written before must have been drained."""
        linger(self._transport)
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
        self.usable = True
        sock = transport.get_extra_info("socket")
        self._poll.register(sock.fileno(), select.POLLIN | select.POLLRDHUP)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.shut()
            return
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.usable = False
        except httptools.HttpParserError:
            self._spoil("garbage")
        if not self._in_body and self._head_size > MAX_HEAD:
            self._spoil("garbage")
        if not self.usable and self._waiter is None:
            self.shut()

    def eof_received(self) -> None:
        if self._waiter is not None and self._in_body and self._ends_with_connection():
            self.usable = False
            self._complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._waiter is not None:
            self._finish("closed" if exc is None else "reset")

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # --- httptools ---

    def on_message_begin(self) -> None:
        if self._waiter is None:
            self.usable = False  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # else it is a trailer, which no caller of ours can see
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._waiter is None:
            return
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            self._interim = True
            self._headers.clear()
            return
        self._status = status
        self._in_body = True
        if self._head_only:
            # The parser cannot be told that no body follows, so it is not used again.
            self.usable = self._parser.should_keep_alive()
            self._complete()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        if self._waiter is None:
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
        if self._interim:
            self._interim = False
        elif self._waiter is not None:
            if not self._parser.should_keep_alive():
                self.usable = False
            self._complete()

    # --- inside ---

    def _complete(self) -> None:
        self.response = Response(self._status, decoded(self._headers), bytes(self._body))
        self._finish("")

    def _finish(self, how: str) -> None:
        self.answered = self._clock()
        waiter, self._waiter = self._waiter, None
        self._headers = []
        self._body = b""
        if waiter is not None and not waiter.done():
            waiter.set_result(how)

    def _spoil(self, how: str) -> None:
        self.usable = False
        if self._waiter is not None:
            self._finish(how)
        self.shut()

    def _expire(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._spoil("timeout")
        else:
            self._timer = self._loop.call_at(self._deadline, self._expire)

    def _ends_with_connection(self) -> bool:
        """Whether the answer's body ends where the connection does (RFC 9112, section 6.3)."""
        if self._status in (204, 304):
            return False
        names = {name.lower() for name, _ in self._headers}
        return b"content-length" not in names and b"transfer-encoding" not in names


def decoded(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Header bytes as text (Latin-1, so that every byte survives); names are shared between messages."""
    found = []
    for raw, value in headers:
        name = _names.get(raw)
        if name is None:
            if len(_names) >= _NAMES_KEPT:
                _names.clear()
            name = _names[raw] = raw.decode("latin-1")
        found.append((name, value.decode("latin-1").strip(" \t")))
    return tuple(found)


def linger(transport: asyncio.BaseTransport) -> None:
    """Make the coming close a TCP reset."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
