"""Reading HTTP/1.1 messages piece by piece, so that a body can be passed on while it is still arriving."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import httptools

from verifier.http.heads import decoded
from verifier.http.message import Headers, header

Framing = Literal["none", "length", "chunked", "close"]
MAX_HEAD = 256 << 10  # bytes
_PIECE = 64 << 10  # bytes read at once
_END = object()


class Broken(Exception):
    """A message that does not end as it should: "closed", "reset" or "garbage"."""


@dataclass(frozen=True, slots=True)
class MessageHead:
    """What stands before a body. `method` and `target` are "" in an answer, `status` is 0 in a request."""

    method: str
    target: str
    status: int
    headers: Headers
    framing: Framing
    length: int  # bytes of the body where framing is "length"
    keep_alive: bool
    upgrade: bool  # the connection changes its protocol after this head, if the other side agrees


class MessageReader:
    """Reads the messages of one direction of one connection, in order.

    For each message call `head`, then exhaust `body`; after a head with `upgrade`, call either `ignore_upgrade` or
    `raw`. Memory is bounded by the head limit and one piece. All raise Broken.
    """

    def __init__(self, stream: asyncio.StreamReader, kind: Literal["request", "response"]) -> None:
        self._stream = stream
        self._kind = kind
        self._parser = self._new_parser()
        self._queue: deque[MessageHead | bytes | object] = deque()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._head_done = False
        self._bodiless = False
        self._after_upgrade = b""
        self._upgrading = False
        self._in_message = False
        self._error = ""

    async def head(self, bodiless: bool = False) -> MessageHead | None:
        """The next head, or None when the connection ended in order before one began.

        `bodiless`: the answer belongs to a HEAD request. Interim answers (1xx but 101) are left out.
        """
        self._bodiless = bodiless
        while not self._queue:
            if not await self._fill():
                if self._head_size:
                    raise Broken("closed")
                return None
        item = self._queue.popleft()
        assert isinstance(item, MessageHead)
        self._in_message = True
        return item

    async def body(self) -> AsyncIterator[bytes]:
        """The pieces of the body of the head just read, as they arrive; nothing if it was read before."""
        while self._in_message:
            while self._queue:
                item = self._queue.popleft()
                if item is _END:
                    self._in_message = False
                    return
                assert isinstance(item, bytes)
                yield item
            if not await self._fill():
                raise Broken("closed")

    async def watch(self) -> bool:
        """Wait until the other side says something more, which is kept, or ends: then True."""
        return not self._queue and not await self._fill()

    def ignore_upgrade(self) -> None:
        """Read on as if no upgrade had been offered: a made-up head carries the framing to a new parser."""
        rest, self._after_upgrade = self._after_upgrade, b""
        self._parser = self._new_parser()
        self._feed(b"POST / HTTP/1.1\r\n" + self._framing_lines() + b"\r\n" + rest)

    async def raw(self) -> AsyncIterator[bytes]:
        """Whatever follows the upgrade, as it arrives."""
        rest, self._after_upgrade = self._after_upgrade, b""
        if rest:
            yield rest
        while data := await self._read():
            yield data

    # --- httptools ---

    def on_url(self, url: bytes) -> None:
        if not self._upgrading:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._upgrading:
            return
        parser = self._parser
        status = parser.get_status_code() if isinstance(parser, httptools.HttpResponseParser) else 0
        if 0 < status < 200 and status != 101:
            return
        method = parser.get_method().decode("latin-1") if isinstance(parser, httptools.HttpRequestParser) else ""
        headers = decoded(self._headers)
        framing, length = self._framing(headers, status)
        upgrade = parser.should_upgrade()
        target = self._url.decode("latin-1")
        keep_alive = parser.should_keep_alive() or (self._bodiless and framing == "none")
        self._queue.append(MessageHead(method, target, status, headers, framing, length, keep_alive, upgrade))
        self._head_done = True
        if self._bodiless:
            self._finish()

    def on_body(self, data: bytes) -> None:
        if self._head_done:
            self._queue.append(data)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade() and not self._upgrading:
            return
        if self._head_done:
            self._finish()
        else:
            self._headers = []  # an interim answer

    # --- inside ---

    def _new_parser(self) -> httptools.HttpRequestParser | httptools.HttpResponseParser:
        kind = httptools.HttpRequestParser if self._kind == "request" else httptools.HttpResponseParser
        return kind(self)

    def _finish(self) -> None:
        self._queue.append(_END)
        self._url, self._headers, self._head_size = b"", [], 0
        self._head_done = self._upgrading = False
        if self._bodiless:
            self._parser = self._new_parser()  # the old one waits for a body that never comes

    def _framing(self, headers: Headers, status: int) -> tuple[Framing, int]:
        """RFC 9112, section 6.3; the parser has already refused what contradicts itself."""
        if self._bodiless or status in (101, 204, 304):
            return "none", 0
        if header(headers, "transfer-encoding") is not None:
            return "chunked", 0
        length = header(headers, "content-length")
        if length is not None:
            return "length", int(length)
        return ("close" if self._kind == "response" else "none"), 0

    def _framing_lines(self) -> bytes:
        wanted = (b"content-length", b"transfer-encoding")
        return b"".join(name + b": " + value + b"\r\n" for name, value in self._headers if name.lower() in wanted)

    async def _read(self) -> bytes:
        try:
            return await self._stream.read(_PIECE)
        except OSError:
            raise Broken("reset") from None

    async def _fill(self) -> bool:
        """Read one piece and parse it. False at the end of the connection."""
        if self._error:
            raise Broken(self._error)
        data = await self._read()
        if data:
            self._feed(data)
            return True
        if self._head_done and self._kind == "response" and self._until_end():
            self._finish()
            return True
        return False

    def _until_end(self) -> bool:
        names = {name.lower() for name, _ in self._headers}
        return b"content-length" not in names and b"transfer-encoding" not in names

    def _feed(self, data: bytes) -> None:
        if not self._head_done:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrading = True
            self._after_upgrade = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._error = "garbage"  # raised once what came before it has been read
        if not self._head_done and self._head_size > MAX_HEAD + _PIECE:
            self._error = "garbage"
        if self._error and not self._queue:
            raise Broken(self._error)
