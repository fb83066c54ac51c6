"""Reading requests: from the bytes of one accepted connection to whole requests, or to ones that are still arriving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from verifier.http.h1 import BrokenMessage, HeadTooLarge, MessageHead, MessageParser
from verifier.http.message import Request
from verifier.http.pipe import Pipe
from verifier.http.upgrade import offers_websocket

PATIENCE = 0.25  # seconds that a body may take to arrive before it is handed over in pieces
LARGE = 1 << 20  # bytes beyond which a body is handed over in pieces at once


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes. With `streams`, long bodies and offered WebSockets are handed over. Without, the first are
    refused and the second ignored.
    """

    head: int
    body: int
    streams: bool


class ReceivedRequest(NamedTuple):
    """A request as it was read. `pipe` brings the body of one that is still arriving.

    `after_upgrade` is None, or the bytes behind the offer of a WebSocket; then nothing more is read as HTTP.
    """

    request: Request
    keep_alive: bool
    accepts_chunks: bool  # whether the client can read a chunked response: HTTP/1.1
    pipe: Pipe | None = None
    after_upgrade: bytes | None = None


class RequestReader:
    """Feed it bytes. `on_request` gets each request, or, where the connection must end, the status that says why.

    Nothing more is read after a status. `on_expect` is called when a client waits for permission to send its body.
    """

    def __init__(
        self,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        on_request: Callable[[ReceivedRequest | int], None],
        on_expect: Callable[[], None],
        open_pipe: Callable[[], Pipe],
    ) -> None:
        self._limits = limits
        self._loop = loop
        self._on_request = on_request
        self._on_expect = on_expect
        self._open_pipe = open_pipe
        self._parser = MessageParser("request", self, limits.head)
        self._head: MessageHead
        self._body: bytes | bytearray = b""
        self._size = 0
        self._pipe: Pipe | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.stopped = False  # nothing more is read

    def feed(self, data: bytes) -> None:
        if self.stopped:
            return
        parser = self._parser
        try:
            parser.feed(data)
            while parser.after_upgrade is not None and not self.stopped:
                self._upgrade(parser.after_upgrade)
        except HeadTooLarge:
            self._refuse(431)
        except BrokenMessage:
            self._refuse(400)
        if self._limits.streams and parser.head is not None and self._pipe is None and not self.stopped:
            self._body_is_arriving()

    def stop(self, how: str) -> None:
        """Read nothing more. A body that was still arriving has ended as `how`."""
        self.stopped = True
        self._cancel_timer()
        if self._pipe is not None:
            self._pipe.end(how)
            self._pipe = None

    # --- used by the parser ---

    def on_head(self, head: MessageHead) -> None:
        self._head = head
        for name, value in head.headers:
            if len(name) == 6 and name.lower() == "expect" and value.lower() == "100-continue":
                self._on_expect()

    def on_piece(self, data: bytes) -> None:
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

    def on_end(self) -> None:
        if self.stopped:
            return
        self._cancel_timer()
        pipe, body = self._pipe, self._body
        self._pipe, self._body, self._size = None, b"", 0
        if pipe is not None:
            pipe.end("")
        else:
            self._on_request(self._received(bytes(body)))

    # --- inside ---

    def _received(self, body: bytes, pipe: Pipe | None = None, after_upgrade: bytes | None = None) -> ReceivedRequest:
        head = self._head
        request = Request(head.method, head.target, head.headers, body)
        chunks = head.version != "1.0" if self._limits.streams else True
        return ReceivedRequest(request, after_upgrade is None and head.keep_alive, chunks, pipe, after_upgrade)

    def _refuse(self, status: int) -> None:
        if not self.stopped:
            self.stop("garbage")
            self._on_request(status)

    def _body_is_arriving(self) -> None:
        """A body that does not come at once is waited for a little, then handed over as it comes."""
        if self._size > LARGE:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(PATIENCE, self._hand_over)

    def _hand_over(self) -> None:
        self._cancel_timer()
        pipe = self._pipe = self._open_pipe()
        pipe.feed(bytes(self._body))
        self._body, self._size = b"", 0
        self._on_request(self._received(b"", pipe))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _upgrade(self, rest: bytes) -> None:
        """The parser stopped at an offered upgrade, which a server may ignore. Raises BrokenMessage."""
        head = self._head
        if head.method == "CONNECT":
            self._refuse(501)
        elif self._limits.streams and offers_websocket(head.method, head.headers):
            received = self._received(b"", after_upgrade=rest)
            self.stop("")
            self._on_request(received)
        else:
            self._parser.ignore_upgrade()
