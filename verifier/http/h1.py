"""The HTTP/1.1 parser for requests and responses: bytes in, heads and pieces of bodies out. It does no I/O.

The client's `ResponseReader` alone does without it: it must not pay for a call for each header.
"""

from __future__ import annotations

from typing import Literal, Protocol

import httptools
from msgspec import Struct

from verifier.http.framing import (
    HEAD_TOO_LARGE,
    MAX_HEADERS,
    Framing,
    framing_head,
    request_framing,
    response_framing,
)
from verifier.http.headers import decode_headers, names_websocket
from verifier.http.message import Headers


class BrokenMessage(Exception):
    """A message that does not end as it should: "closed", "reset", "garbage" or "head-too-large"."""


class HeadTooLarge(BrokenMessage):
    """A head beyond the limits, or what belongs to no body behind it."""

    def __init__(self) -> None:
        super().__init__(HEAD_TOO_LARGE)


class MessageHead(Struct, frozen=True, gc=False):
    """What comes before a body. In a response `method` and `target` are "", in a request `status` is 0."""

    method: str
    target: str
    status: int
    headers: Headers
    framing: Framing
    length: int  # bytes of the body where framing is "length"
    keep_alive: bool
    upgrade: bool  # the connection changes its protocol after this head if the other side agrees
    version: str = "1.1"

    @property
    def websocket(self) -> bool:
        """Whether the protocol that the connection changes to is WebSocket."""
        return self.upgrade and names_websocket(self.headers)


class MessageEvents(Protocol):
    """What a parser reports, in this order for each message."""

    def on_head(self, head: MessageHead) -> None: ...
    def on_piece(self, data: bytes) -> None: ...
    def on_end(self) -> None: ...


class MessageParser:
    """Parses the messages of one direction of one connection. Interim responses (1xx but 101) are left out.

    After a head with `upgrade` parsing stops, and `after_upgrade` holds the bytes that follow. Then either call
    `ignore_upgrade`, or treat them as the other protocol. Set `bodiless` while the next response belongs to a HEAD
    request. Memory is bounded by `max_head` bytes, MAX_HEADERS headers and one piece of a body.
    """

    def __init__(self, kind: Literal["request", "response"], events: MessageEvents, max_head: int) -> None:
        self._kind = kind
        self._events = events
        self._max_head = max_head
        self._parser = self._new_parser()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0  # bytes of the head; behind it, bytes of chunk sizes and trailers since the last piece
        self._too_large = False
        self.head: MessageHead | None = None  # of the message whose body is being parsed
        self.bodiless = False
        self.after_upgrade: bytes | None = None

    @property
    def within_head(self) -> bool:
        """Whether a head has begun and not ended."""
        return self.head is None and self._head_size > 0

    def feed(self, data: bytes) -> None:
        """Parse more bytes. Raises BrokenMessage; what came before the fault has been reported."""
        self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.after_upgrade = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            raise BrokenMessage("garbage") from None
        if self._too_large or self._head_size > self._max_head:
            raise HeadTooLarge

    def end_of_stream(self) -> bool:
        """The connection has ended. Whether that was the end of the message."""
        if self.head is None or self.head.framing != "close":
            return False
        self._end()
        return True

    def ignore_upgrade(self) -> None:
        """Parse on as if no upgrade had been offered (RFC 9110, section 7.8). Raises BrokenMessage."""
        rest, self.after_upgrade = self.after_upgrade or b"", None
        self._parser = self._new_parser()
        self.feed(framing_head(self._headers) + rest)

    # --- httptools ---

    def on_url(self, url: bytes) -> None:
        if self.head is None:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is None:  # else it is a trailer
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.head is not None:
            return  # the head that `ignore_upgrade` made up
        if len(self._headers) > MAX_HEADERS:
            self._too_large = True
            return
        parser = self._parser
        if isinstance(parser, httptools.HttpResponseParser):
            head = self._response_head(parser)
        else:
            head = self._request_head(parser)
        if head is None:
            return
        self.head = head
        self._head_size = 0
        self._events.on_head(head)
        if self.bodiless:
            self._end()

    def on_body(self, data: bytes) -> None:
        if self.head is not None:
            self._head_size = 0
            self._events.on_piece(data)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        if self.head is not None:
            self._end()
        else:
            self._headers = []  # an interim response

    # --- inside ---

    def _new_parser(self) -> httptools.HttpRequestParser | httptools.HttpResponseParser:
        kind = httptools.HttpRequestParser if self._kind == "request" else httptools.HttpResponseParser
        return kind(self)

    def _request_head(self, parser: httptools.HttpRequestParser) -> MessageHead:
        headers = decode_headers(self._headers)
        framing, length = request_framing(headers)
        method, target = parser.get_method().decode("latin-1"), self._url.decode("latin-1")
        keep_alive, upgrade = parser.should_keep_alive(), parser.should_upgrade()
        return MessageHead(method, target, 0, headers, framing, length, keep_alive, upgrade, parser.get_http_version())

    def _response_head(self, parser: httptools.HttpResponseParser) -> MessageHead | None:
        status = parser.get_status_code()
        if status < 200 and status != 101:
            return None
        headers = decode_headers(self._headers)
        framing, length = response_framing(status, headers, self.bodiless)
        # The parser does not know that the response to a HEAD request has no body, so it may wait for its end.
        keep_alive = parser.should_keep_alive() or self.bodiless
        return MessageHead("", "", status, headers, framing, length, keep_alive, parser.should_upgrade())

    def _end(self) -> None:
        self._url, self._headers, self._head_size, self.head = b"", [], 0, None
        if self.bodiless:
            self._parser = self._new_parser()  # the old one waits for a body that never comes
        self._events.on_end()
