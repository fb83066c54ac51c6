"""Reading responses on the client's connections.

For speed the parser is not asked for headers, which would be a call for each of them. It checks the head, and the lines
that it accepted are split here, most of them known from earlier responses.
"""

from __future__ import annotations

from typing import NamedTuple

import httptools

from verifier.http.framing import BODY_TOO_LARGE, HEAD_TOO_LARGE, MAX_HEADERS, MAX_RESPONSE_HEAD, response_framing
from verifier.http.head_cache import remember_head, split_head
from verifier.http.message import Headers, Response, header

_H = ord("H")
_SMALL_HEAD = 4 * MAX_HEADERS  # bytes; a smaller one cannot have too many headers


class Expected(NamedTuple):
    """How the next response is to be read."""

    bodiless: bool = False  # it belongs to a HEAD request
    cut_after: int | None = None  # bytes of its body after which the connection is to be reset
    slow_read: float | None = None  # bytes per second to be read at most


PLAIN = Expected()
BODILESS = Expected(bodiless=True)


class ResponseReader:
    """Reads one response after another. `expected` says how the next one is to be read.

    `keep_alive` turns false once another request must not follow on the connection, and stays so.
    """

    __slots__ = (
        "_body",
        "_head_end",
        "_head_start",
        "_how",
        "_max_body",
        "_parser",
        "_raw",
        "_status",
        "_unbodied",
        "expected",
        "keep_alive",
        "response",
        "size",
    )

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._parser = httptools.HttpResponseParser(self)
        self._raw = b""  # everything from the response's first byte until its head is whole
        self._head_start = self._head_end = 0
        self._status = 0
        self._body: bytes | bytearray = b""
        self._how: str | None = None
        self._unbodied = 0  # bytes of chunk sizes and trailers since the last piece of the body
        self.size = 0  # bytes of the body so far
        self.expected = PLAIN
        self.keep_alive = True
        self.response: Response | None = None  # the last one that ended

    def feed(self, data: bytes) -> str | None:
        """Read more bytes. None while the response has not ended; "" when it is `response`.

        Else "garbage", "head-too-large" or "body-too-large", or "reset" when it is to be cut here.
        """
        size = self.size
        if not self._head_end:
            self._raw = self._raw + data if self._raw else data
            size = -1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.keep_alive = False
        except httptools.HttpParserError:
            self._fail("garbage")
        if self._how is None:
            self._unbodied = self._unbodied + len(data) if self.size == size else 0
            if self._unbodied > MAX_RESPONSE_HEAD or (not self._head_end and len(self._raw) > MAX_RESPONSE_HEAD):
                self._fail(HEAD_TOO_LARGE)
        return self._take_how()

    def end_of_stream(self) -> bool:
        """The connection has ended. Whether that was the end of the response (RFC 9112, section 6.3)."""
        if not self._head_end or response_framing(*self.head())[0] != "close":
            return False
        self.keep_alive = False
        self._complete()
        self._take_how()
        return True

    def discard(self) -> None:
        """Forget what has been read of a response that will not end."""
        self._how = ""
        self._take_how()

    @property
    def has_head(self) -> bool:
        """Whether a final head has been read of a response that has not ended."""
        return self._head_end > 0

    def head(self) -> tuple[int, Headers]:
        """Status and headers, once there is a head."""
        return self._status, split_head(self._raw[self._head_start : self._head_end])

    def take_body(self) -> bytes:
        """The part of the body that has been read. From here on, only what follows counts as body and for the limit."""
        body = bytes(self._body)
        self._body, self.size = b"", 0
        self._raw = self._raw[: self._head_end]  # so the head is not remembered with the length of what is left
        return body

    # --- httptools ---

    def on_headers_complete(self) -> None:
        if self._how is not None:
            self.keep_alive = False  # a second response to one request
            return
        raw = self._raw
        if raw[self._head_start] != _H:
            # The parser skips line breaks in front of a message, so they are no part of its head.
            self._head_start += len(raw[self._head_start :]) - len(raw[self._head_start :].lstrip(b"\r\n"))
        end = raw.index(b"\r\n\r\n", self._head_start)
        if end > _SMALL_HEAD and (end > MAX_RESPONSE_HEAD or raw.count(b"\n", self._head_start, end) > MAX_HEADERS):
            self._fail(HEAD_TOO_LARGE)
            return
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            self._head_start = end + 4  # an interim response
            return
        self._head_end = end
        self._status = status
        if self.expected.bodiless:
            # The parser cannot be told that no body follows, so it is not used again.
            if not self._parser.should_keep_alive():
                self.keep_alive = False
            self._complete()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        if self._how is not None:
            self.keep_alive = False
            return
        if not self.size:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        self.size += len(data)
        cut_after = self.expected.cut_after
        if cut_after is not None and self.size >= max(1, cut_after):
            self._fail("reset")
        elif self.size > self._max_body and cut_after is None:
            self._fail(BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        if self._head_end and self._how is None:  # else the message was an interim response
            if not self._parser.should_keep_alive():
                self.keep_alive = False
            self._complete()

    # --- inside ---

    def _complete(self) -> None:
        body = self._body if type(self._body) is bytes else bytes(self._body)
        raw, end = self._raw, self._head_end
        status, headers = self.head()
        self.response = Response(status, headers, body)
        # Whole in one piece and framed by its length alone. What is chunked may be as long as its first piece was.
        whole = not self._head_start and len(raw) - end - 4 == len(body)
        declared = status in (204, 304) or header(headers, "content-length") is not None
        if whole and declared and self.keep_alive and not self.expected.bodiless:
            remember_head(raw[: end + 4], status, headers, len(body))
        self._how = ""

    def _fail(self, how: str) -> None:
        self.keep_alive = False
        if self._how is None:
            self._how = how

    def _take_how(self) -> str | None:
        how = self._how
        if how is not None:
            if self.expected.slow_read is not None:
                self.keep_alive = False
            self._how = None
            self._raw = self._body = b""
            self.size = self._head_start = self._head_end = self._unbodied = 0
            self.expected = PLAIN
        return how
