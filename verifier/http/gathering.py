"""An answer as it is gathered from what the parser tells of it.

For speed the parser is not asked for headers, which would be a call for each of them: it checks the head, and the
lines that it found good are split here, most of them known from earlier answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httptools

from verifier.http.awaited import Awaited
from verifier.http.framing import response_framing
from verifier.http.head_cache import remember_head, split_head
from verifier.http.message import Response, header
from verifier.http.transport import reset_on_close

_H = ord("H")


class Gathering(Awaited):
    """One answer after the other. `usable` says whether another request may follow on the connection."""

    __slots__ = (
        "_body",
        "_clock",
        "_cutting",
        "_head_end",
        "_head_only",
        "_head_start",
        "_limit",
        "_max_body",
        "_parser",
        "_rate",
        "_raw",
        "_size",
        "_special",
        "_status",
        "_transport",
        "answered",
        "response",
        "usable",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], max_body: int) -> None:
        super().__init__(loop)
        self._clock = clock
        self._max_body = self._limit = max_body
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._raw = b""  # everything from the answer's first byte on, until its head is whole
        self._head_start = self._head_end = 0
        self._body: bytes | bytearray = b""
        self._size = self._status = 0
        self._cutting = self._head_only = self._special = False
        self._rate = 0.0  # bytes per second at which answers are read; 0: as they come
        self.response: Response | None = None
        self.answered = 0.0
        self.usable = False

    def shut(self) -> None:
        """End the connection."""
        self.usable = False
        self._transport.abort()

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
                reset_on_close(self._transport)
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

    def _ends_with_connection(self) -> bool:
        """Whether the answer's body ends where the connection does (RFC 9112, section 6.3)."""
        headers = split_head(self._raw[self._head_start : self._head_end])
        return response_framing(self._status, headers)[0] == "close"
