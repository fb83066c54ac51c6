"""Reading requests: from the bytes of one accepted connection to whole requests, or to ones that go on arriving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import httptools

from verifier.http.heads import decoded
from verifier.http.message import Request
from verifier.http.pipe import Pipe
from verifier.http.upgrade import offers_websocket

PATIENCE = 0.25  # seconds that a body may take to arrive before it is handed on in pieces
LARGE = 1 << 20  # bytes beyond which a body is handed on in pieces at once


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes. With `streams`, long bodies and offered WebSockets are handed on instead of refused and ignored."""

    head: int
    body: int
    streams: bool


class Asked(NamedTuple):
    """A request as it was read. `pipe` brings the body of one that is still arriving.

    `rest` is None, or what came behind the offer of a WebSocket; then nothing more is read as HTTP.
    """

    request: Request
    keep_alive: bool
    chunks: bool  # whether the caller reads chunked answers: HTTP/1.1
    pipe: Pipe | None = None
    rest: bytes | None = None


class RequestReader:
    """Feed it bytes. `take` gets each request, and an int where the connection must end: the status that says why.

    After an int nothing more is read. `go_on` is called where a caller waits for leave to send its body.
    """

    def __init__(
        self,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[Asked | int], None],
        go_on: Callable[[], None],
        open_pipe: Callable[[], Pipe],
    ) -> None:
        self._limits = limits
        self._loop = loop
        self._take = take
        self._go_on = go_on
        self._open_pipe = open_pipe
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._method = ""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | bytearray = b""
        self._size = self._head_size = 0
        self._in_body = False
        self._rest_of_upgrade = False
        self._pipe: Pipe | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.over = False  # nothing more is read

    def feed(self, data: bytes) -> None:
        if self.over:
            return
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400)
        if not self._in_body:
            if self._head_size > self._limits.head:
                self._refuse(431)
        elif self._limits.streams and self._pipe is None and not self.over:
            self._arriving()

    def stop(self, how: str) -> None:
        """Read nothing more; a body that was still arriving has ended as `how`."""
        self.over = True
        self._stop_waiting()
        if self._pipe is not None:
            self._pipe.end(how)
            self._pipe = None

    # --- httptools ---

    def on_url(self, url: bytes) -> None:
        if not self._rest_of_upgrade:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._rest_of_upgrade:
            return
        self._method = self._parser.get_method().decode("latin-1")
        self._in_body = True
        for name, value in self._headers:
            if len(name) == 6 and name.lower() == b"expect" and value.lower() == b"100-continue":
                self._go_on()

    def on_body(self, data: bytes) -> None:
        if self._pipe is not None:
            self._pipe.feed(data)
            return
        if not self._size:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        self._size += len(data)
        if self._size > self._limits.body and not self._limits.streams:
            self._refuse(413)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # goes on in _upgrade
        if self.over:
            return
        self._stop_waiting()
        pipe = self._pipe
        asked = self._asked(bytes(self._body)) if pipe is None else None
        self._clear()
        if pipe is not None:
            pipe.end("")
        elif asked is not None:
            self._take(asked)

    # --- inside ---

    def _asked(self, body: bytes, pipe: Pipe | None = None, rest: bytes | None = None) -> Asked:
        request = Request(self._method, self._url.decode("latin-1"), decoded(self._headers), body)
        chunks = self._parser.get_http_version() != "1.0" if self._limits.streams else True
        return Asked(request, rest is None and self._parser.should_keep_alive(), chunks, pipe, rest)

    def _clear(self) -> None:
        self._url = b""
        self._headers = []
        self._body = b""
        self._size = self._head_size = 0
        self._in_body = self._rest_of_upgrade = False
        self._pipe = None

    def _refuse(self, status: int) -> None:
        if not self.over:
            self.stop("garbage")
            self._take(status)

    def _arriving(self) -> None:
        """A body that does not come at once is waited for a little, then handed on as it comes."""
        if self._size > LARGE:
            self._hand_on()
        elif self._timer is None:
            self._timer = self._loop.call_later(PATIENCE, self._hand_on)

    def _hand_on(self) -> None:
        self._stop_waiting()
        pipe = self._pipe = self._open_pipe()
        pipe.feed(bytes(self._body))
        self._body = b""
        self._take(self._asked(b"", pipe))

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _upgrade(self, rest: bytes) -> None:
        """The parser stops at an offered upgrade. A server may ignore it (RFC 9110, section 7.8)."""
        if self._method == "CONNECT":
            self._refuse(501)
        elif self._limits.streams and offers_websocket(self._method, decoded(self._headers)):
            asked = self._asked(b"", rest=rest)
            self.stop("")
            self._take(asked)
        else:
            self._go_on_without_upgrade(rest)

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """A new parser reads the body and what follows, behind a made-up head with the same framing."""
        framing = [
            name + b": " + value
            for name, value in self._headers
            if name.lower() in (b"content-length", b"transfer-encoding", b"connection")
            and b"upgrade" not in value.lower()
        ]
        self._rest_of_upgrade = True
        self._parser = httptools.HttpRequestParser(self)
        self.feed(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", rest]))
