"""The interface between the server and its handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from verifier.http.message import Request, Response
from verifier.http.pipe import Pipe


@dataclass(frozen=True, slots=True)
class Peer:
    """The sender of a request, and the listener that it used (`tag` as given to `serve`).

    `upload` brings the body of a request that is still arriving; its own body is then empty. A handler may reply to a
    request that `offers_websocket` with `Reply.switch`.
    """

    host: str
    port: int
    tag: Hashable
    upload: Pipe | None = None
    offers_websocket: bool = False


class ResponseStream(Protocol):
    """The body of a response that is forwarded while it arrives. `length` is in bytes, None if not declared."""

    length: int | None

    async def next(self) -> bytes:
        """The next piece, or b"" at the end. Does not raise."""

    def how(self) -> str:
        """After the end: "" when the body is whole, "reset" to reset the connection, else another word."""

    def stop(self, why: str) -> None:
        """End the stream early: the "caller" has left, or the "listener" is closing."""

    def finish(self) -> None:
        """Called once, after the last `next`."""


class ProtocolSwitch(Protocol):
    """Takes over a connection that changes its protocol."""

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to the offer and relay until either side ends. Not called when the caller has left already."""

    def finish(self) -> None:
        """Called once, when it is over."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do with a request. Without a response the connection is closed.

    `cut_after`: bytes of the response's body after which the connection ends. `reset`: it ends by a TCP reset.
    `stream` brings the body, in place of the response's own. `switch` takes over the connection and writes the
    response itself; it is allowed only after the offer of a WebSocket.
    """

    response: Response | None
    cut_after: int | None = None
    reset: bool = False
    stream: ResponseStream | None = None
    switch: ProtocolSwitch | None = None


Handler = Callable[[Request, Peer], Awaitable[Reply]]
