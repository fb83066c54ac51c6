"""An HTTP/1.1 server for whole messages: the foundation of the gateway and of partners."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import cast

import httptools

from verifier.history.message import Request, Response
from verifier.replay.wire.encode import encode_response
from verifier.replay.wire.heads import decoded, linger

_PIPELINED = 16  # requests read ahead on one connection


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a request, and through which listener (`tag` as given to `serve`)."""

    host: str
    port: int
    tag: Hashable


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do with a request. Without a response the connection closes unanswered.

    `cut_after`: bytes of the response's body after which the connection ends. `reset`: it ends by a TCP reset.
    """

    response: Response | None
    cut_after: int | None = None
    reset: bool = False


Handler = Callable[[Request, Peer], Awaitable[Reply]]


class Listener:
    """A listening address. `failures` counts handlers that raised; their callers saw a closed connection."""

    def __init__(self, handler: Handler, tag: Hashable, max_head: int, max_body: int) -> None:
        self.handler = handler
        self.tag = tag
        self.max_head = max_head
        self.max_body = max_body
        self.port = 0
        self.failures = 0
        self.connections: set[ServerConnection] = set()
        self._server: asyncio.Server

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = await loop.create_server(
            lambda: ServerConnection(self, loop), host, port, family=family, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self, grace: float = 5.0) -> None:
        """Stop listening, let requests under way end for up to `grace` seconds, then close what is left."""
        self._server.close()
        tasks = []
        for conn in tuple(self.connections):
            task = conn.finish()
            if task is not None:
                tasks.append(task)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for conn in tuple(self.connections):
            conn.abort()
        await self._server.wait_closed()


async def serve(
    handler: Handler,
    host: str,
    port: int = 0,
    tag: Hashable = None,
    *,
    max_head: int = 64 << 10,
    max_body: int = 64 << 20,
) -> Listener:
    """Listen on host and port (0: any free one, see `Listener.port`). Raises OSError if it is taken.

    Requests of one connection are handled in order, one after the other. A head over `max_head` bytes is answered
    431, a body over `max_body` bytes 413, what is not HTTP 400; each ends the connection.
    """
    listener = Listener(handler, tag, max_head, max_body)
    await listener.start(host, port)
    return listener


class ServerConnection(asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        self._listener = listener
        self._loop = loop
        self._transport: asyncio.Transport
        self._peer: Peer
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._method = ""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | bytearray = b""
        self._size = self._head_size = 0
        self._in_body = False
        self._rest_of_upgrade = False
        # A request with whether the connection may go on after it, or an int: the status that ends the connection.
        self._queue: deque[tuple[Request, bool] | int] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._closing = False  # no further request is read
        self._lost = False

    # --- used by the listener ---

    def finish(self) -> asyncio.Task[None] | None:
        """Read nothing more; returns the task that still answers, if any."""
        self._closing = True
        if self._task is None:
            self._transport.close()
        return self._task

    def abort(self) -> None:
        self._transport.abort()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername") or ("", 0)
        self._peer = Peer(name[0], name[1], self._listener.tag)
        self._listener.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self._closing = True
        self._listener.connections.discard(self)
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        waiter, self._writable = self._writable, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400)
        if not self._in_body and self._head_size > self._listener.max_head:
            self._refuse(431)

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
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        if not self._size:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        self._size += len(data)
        if self._size > self._listener.max_body:
            self._refuse(413)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # goes on in _go_on_without_upgrade
        keep_alive = self._parser.should_keep_alive()
        if self._closing:
            return
        request = Request(self._method, self._url.decode("latin-1"), decoded(self._headers), bytes(self._body))
        self._clear()
        self._put((request, keep_alive))

    # --- inside ---

    def _clear(self) -> None:
        self._url = b""
        self._headers = []
        self._body = b""
        self._size = self._head_size = 0
        self._in_body = self._rest_of_upgrade = False

    def _put(self, item: tuple[Request, bool] | int) -> None:
        self._queue.append(item)
        if self._task is None:
            self._task = self._loop.create_task(self._answer_all())
        elif len(self._queue) >= _PIPELINED:
            self._transport.pause_reading()

    def _refuse(self, status: int) -> None:
        if not self._closing:
            self._closing = True
            self._put(status)

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """A server may ignore an offered upgrade (RFC 9110, section 7.8), but the parser stops at it.

        A new parser reads the body and what follows, behind a made-up head with the same framing.
        """
        if self._method == "CONNECT":
            self._refuse(501)
            return
        framing = [
            name + b": " + value
            for name, value in self._headers
            if name.lower() in (b"content-length", b"transfer-encoding", b"connection")
            and b"upgrade" not in value.lower()
        ]
        self._rest_of_upgrade = True
        self._parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", rest]))

    async def _answer_all(self) -> None:
        try:
            while self._queue and not self._lost:
                item = self._queue.popleft()
                if len(self._queue) == _PIPELINED // 2 and not self._closing:
                    self._transport.resume_reading()
                if isinstance(item, int):
                    self._write(Response(item), "GET", False)
                    self._transport.close()
                    return
                request, keep_alive = item
                if not await self._answer(request, keep_alive):
                    return
                if self._writable is not None:
                    await self._writable
            if self._closing and not self._lost:
                self._transport.close()
        finally:
            self._task = None

    async def _answer(self, request: Request, keep_alive: bool) -> bool:
        """Whether the connection goes on."""
        try:
            reply = await self._listener.handler(request, self._peer)
            if self._lost:
                return False
            if reply.response is not None and reply.cut_after is None and not reply.reset:
                keep_alive = keep_alive and not self._closing
                self._write(reply.response, request.method, keep_alive)
                if not keep_alive:
                    self._transport.close()
                return keep_alive
            await self._break(reply, request.method)
        except Exception as error:
            self._listener.failures += 1
            self._loop.call_exception_handler({"message": "a request handler failed", "exception": error})
            self._transport.abort()
        return False

    def _write(self, response: Response, method: str, keep_alive: bool) -> None:
        head, body = encode_response(response, method, keep_alive)
        if len(body) < 65536:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def _break(self, reply: Reply, method: str) -> None:
        """End the connection in the middle of the answer, or without one."""
        self._closing = True
        if reply.response is not None:
            head, body = encode_response(reply.response, method, True)
            self._transport.set_write_buffer_limits(0)
            self._transport.write(head + body[: reply.cut_after])
            if self._transport.get_write_buffer_size() and self._writable is None:
                self.pause_writing()
            if self._writable is not None:
                await self._writable
        if reply.reset:
            linger(self._transport)
            self._transport.abort()
        else:
            self._transport.close()
