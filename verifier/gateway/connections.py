"""Calls on connections of their own: requests whose bodies are still arriving, and WebSockets.

They are rare and need no speed, so they use the same streams as the recording proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from verifier.gateway.rotation import Endpoint
from verifier.gateway.streaming import KEPT, BodyCapture, Call, OnEnd, with_body
from verifier.http.duplex import DuplexStream, relay_bytes
from verifier.http.forwarding import request_head, response_head
from verifier.http.framing import LAST_CHUNK, Framing, chunk
from verifier.http.h1 import BrokenMessage, MessageHead
from verifier.http.headers import end_to_end
from verifier.http.message import Response, header, with_header
from verifier.http.pipe import Pipe


class Failed(NamedTuple):
    """Why there is no response (as `SendResult.error`), and whether any byte of the request may have left."""

    error: str
    sent: bool


@dataclass(slots=True)
class UpstreamCall:
    """A call on a connection of its own, with the head of the response to it."""

    side: DuplexStream
    head: MessageHead
    release: Callable[[], None]  # closes what belongs to it

    @property
    def response(self) -> Response:
        return Response(self.head.status, self.head.headers)

    @property
    def body(self) -> SideBody:
        return SideBody(self.side)

    @property
    def length(self) -> int | None:
        """Length of the response's body in bytes; None if it is not declared."""
        return {"length": self.head.length, "none": 0}.get(self.head.framing)

    @property
    def switched(self) -> bool:
        return self.head.status == 101


class SideBody:
    """The body of a response (see `BodyStream`)."""

    def __init__(self, side: DuplexStream) -> None:
        self.how: str | None = None
        self._side = side
        self._pieces: AsyncIterator[bytes] = side.messages.body()

    async def read(self) -> bytes:
        if self.how is None:
            try:
                return await anext(self._pieces)
            except StopAsyncIteration:
                self.how = self.how or ""
            except BrokenMessage as broken:
                self.how = self.how or str(broken)
        return b""

    def stop(self, how: str) -> None:
        if self.how is None:
            self.how = how
            self._side.abort()


class Tunnel:
    """A WebSocket whose bytes are relayed (see `ProtocolSwitch`)."""

    def __init__(
        self,
        call: Call,
        upstream: UpstreamCall,
        clock: Callable[[], float],
        on_end: OnEnd,
    ) -> None:
        self._call = call
        self._upstream = upstream
        self._clock = clock
        self._on_end = on_end
        self._client: DuplexStream | None = None

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = self._client = DuplexStream(reader, writer, "request")
        with contextlib.suppress(BrokenMessage):
            await client.send(response_head(self._upstream.head, "none", True))
            client.sent = self._upstream.side.sent = 0
            await relay_bytes(client, self._upstream.side)

    def finish(self) -> None:
        self._upstream.release()
        operation = self._call.operation(self._upstream.response, "", True, self._clock(), lost=False)
        there = self._upstream.side.sent if self._client else 0
        back = self._client.sent if self._client else 0
        message = f"a WebSocket was passed through, {there} bytes to the service and {back} back; they were not kept"
        self._on_end(self._call, operation, self._call.note(operation, message))


async def upload(call: Call, endpoint: Endpoint, pipe: Pipe, within: float) -> UpstreamCall | Failed:
    """Forward a request while its body arrives. `within` limits connecting, and the wait once the body has ended.

    When the call ends, its request holds what was captured of the body.
    """
    request = call.request
    length = header(request.headers, "content-length")
    framing: Framing = "length" if length is not None else "chunked"
    headers = with_header(end_to_end(request.headers), "Host", call.host)
    head = MessageHead(request.method, request.target, 0, headers, framing, int(length or 0), True, False)
    side = await _connect(endpoint, within)
    if isinstance(side, Failed):
        return side
    kept = BodyCapture(KEPT)
    sending = asyncio.ensure_future(_send_upload(pipe, side, head, call.host, kept))

    async def receive_head() -> MessageHead | None:
        receiving = asyncio.ensure_future(side.messages.head(head.method == "HEAD"))
        try:
            await asyncio.wait((receiving, sending), return_when=asyncio.FIRST_COMPLETED)
            return await asyncio.wait_for(receiving, within)
        finally:
            receiving.cancel()

    def seen() -> None:
        sending.cancel()
        call.request = with_body(request, kept, pipe.how == "")

    stack = contextlib.ExitStack()
    stack.callback(seen)
    return await _await_head(side, stack, receive_head(), False)


async def offer_websocket(call: Call, endpoint: Endpoint, within: float) -> UpstreamCall | Failed:
    """Forward the offer of a WebSocket, and wait for the head of the response."""
    request = call.request
    headers = with_header(request.headers, "Host", call.host)
    side = await _connect(endpoint, within)
    if isinstance(side, Failed):
        return side

    async def receive_head() -> MessageHead | None:
        async with asyncio.timeout(within):
            await side.send(
                request_head(MessageHead("GET", request.target, 0, headers, "none", 0, True, True), call.host)
            )
            return await side.messages.head()

    return await _await_head(side, contextlib.ExitStack(), receive_head(), True)


async def _connect(endpoint: Endpoint, within: float) -> DuplexStream | Failed:
    address = endpoint.address
    try:
        async with asyncio.timeout(within):
            return DuplexStream(*await asyncio.open_connection(address.host, address.port), "response")
    except OSError as problem:
        return Failed("timeout" if isinstance(problem, TimeoutError) else "refused", False)


async def _await_head(
    side: DuplexStream, stack: contextlib.ExitStack, receive_head: Awaitable[MessageHead | None], may_switch: bool
) -> UpstreamCall | Failed:
    try:
        head = await receive_head
        if head is None:
            raise BrokenMessage("closed")
        if head.status == 101 and not (may_switch and head.websocket):
            raise BrokenMessage("garbage")
    except BaseException as problem:
        side.abort()
        stack.close()
        if isinstance(problem, BrokenMessage | TimeoutError):
            return Failed(str(problem) or "timeout", True)
        raise
    stack.callback(side.close)
    return UpstreamCall(side, head, stack.close)


async def _send_upload(pipe: Pipe, side: DuplexStream, head: MessageHead, host: str, kept: BodyCapture) -> None:
    """Send the request to the service. If that fails, its response says so, or there is none."""
    chunked = head.framing == "chunked"
    with contextlib.suppress(BrokenMessage):
        await side.send(request_head(head, host))
        while piece := await pipe.read():
            kept.add(piece)
            await side.send(chunk(piece) if chunked else piece)
        if pipe.how:
            side.abort()  # half a request must not look like a whole one
        elif chunked:
            await side.send(LAST_CHUNK)


async def read_whole_body(pipe: Pipe, most: int, within: float) -> bytes | None:
    """The whole of a body that is still arriving. None if it breaks off, is too large or does not end in time."""
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            while piece := await pipe.read():
                body += piece
                if len(body) > most:
                    return None
    except TimeoutError:
        return None
    return None if pipe.how else bytes(body)
