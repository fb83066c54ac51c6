"""What a handler is told of a request, and what it says is to be done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from verifier.http.message import Request, Response
from verifier.http.pipe import Pipe


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a request, and through which listener (`tag` as given to `serve`).

    `upload` brings the body of a request that is still arriving; the request's own is empty then. To one that
    `offers_websocket`, `Reply.switch` is an answer.
    """

    host: str
    port: int
    tag: Hashable
    upload: Pipe | None = None
    offers_websocket: bool = False


class ResponseStream(Protocol):
    """The body of an answer that is passed on while it arrives. `length` is in bytes, None if nobody knows it."""

    length: int | None

    async def next(self) -> bytes:
        """The next piece, b"" at the end; does not raise."""

    def how(self) -> str:
        """After the end: "" when the body is whole, "reset" when the connection shall be reset, else another word."""

    def stop(self, why: str) -> None:
        """No more is wanted: the "caller" has left, or the "listener" is closing."""

    def finish(self) -> None:
        """Called once, when nothing more will be asked for."""


class ProtocolSwitch(Protocol):
    """What goes on over a connection that stops speaking HTTP."""

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the offer and go on until either side ends. Not called when the caller has left already."""

    def finish(self) -> None:
        """Called once, when it is over."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do with a request. Without a response the connection closes unanswered.

    `cut_after`: bytes of the response's body after which the connection ends. `reset`: it ends by a TCP reset.
    `stream` brings the body, instead of the response's own. `switch` is given the connection, after the offer of a
    WebSocket alone, and writes the answer itself.
    """

    response: Response | None
    cut_after: int | None = None
    reset: bool = False
    stream: ResponseStream | None = None
    switch: ProtocolSwitch | None = None


Handler = Callable[[Request, Peer], Awaitable[Reply]]
