"""An HTTP/1.1 server: the foundation of the gateway and of partners.

`request_reader` reads the requests and `response_writer` writes the responses. Here they meet, in order.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import replace
from enum import Enum
from typing import cast

from verifier.http.framing import MAX_BODY, MAX_REQUEST_HEAD
from verifier.http.handler import Handler, Peer, ProtocolSwitch, Reply, ResponseStream
from verifier.http.message import Response
from verifier.http.pipe import Pipe
from verifier.http.request_reader import Limits, ReceivedRequest, RequestReader
from verifier.http.response_writer import ResponseWriter
from verifier.http.upgrade import take_over

__all__ = ["Handler", "Listener", "Peer", "Reply", "ServerConnection", "serve"]

_PIPELINED = 16  # requests read ahead on one connection


class Listener:
    """A listening address. `failures` counts handlers that raised; their callers saw a closed connection."""

    def __init__(
        self, handler: Handler, tag: Hashable, max_head: int, max_body: int, *, streams: bool = False,
        admits: Callable[[str], bool] | None = None,
    ) -> None:  # fmt: skip
        self.handler = handler
        self.tag = tag
        self.admits = admits
        self.limits = Limits(max_head, max_body, streams)
        self.port = 0
        self.failures = 0
        self.connections: set[ServerConnection] = set()
        self._server: asyncio.Server

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._server = await loop.create_server(
                lambda: ServerConnection(self, loop), host, port, family=family, backlog=1024
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE and not port:  # of all ports, which is what it means
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)) from error
            raise
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self, grace: float = 5.0) -> None:
        """Stop listening, wait up to `grace` seconds for requests under way, then close what is left.

        Streamed responses and WebSockets may never end, so they are ended at once.
        """
        self._server.close()
        tasks = []
        for conn in tuple(self.connections):
            task = conn.finish()
            if task is not None:
                tasks.append(task)
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=grace)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished)
        for conn in tuple(self.connections):
            conn.abort()
        await self._server.wait_closed()


async def serve(
    handler: Handler,
    host: str,
    port: int = 0,
    tag: Hashable = None,
    *,
    max_head: int = MAX_REQUEST_HEAD,
    max_body: int = MAX_BODY,
    streams: bool = False,
    admits: Callable[[str], bool] | None = None,
) -> Listener:
    """Listen on host and port (0: any free one, see `Listener.port`). Raises OSError if it is taken.

    Requests of one connection are handled in order, one after the other. A head over `max_head` bytes is answered
    431, a body over `max_body` bytes 413, what is not HTTP 400; each ends the connection. With `streams` the handler
    also gets requests whose bodies are still arriving (`Peer.upload`; they have no limit), and may reply to
    the offer of a WebSocket with `Reply.switch`. `admits` says for the address of a caller whether it may connect; a
    connection of another one is reset before anything is read.
    """
    listener = Listener(handler, tag, max_head, max_body, streams=streams, admits=admits)
    await listener.start(host, port)
    return listener


class ServerState(Enum):
    """What an accepted connection is doing."""

    OPEN = "open"  # requests are read, and their responses written
    STREAMING = "streaming"  # a response is being forwarded while it arrives
    SWITCHED = "switched"  # another protocol has taken the connection over
    LOST = "lost"  # the transport has reported that it is gone


class ServerConnection(asyncio.Protocol):
    """One accepted connection: its requests are handled one after the other, in order."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        self._listener = listener
        self._loop = loop
        self._transport: asyncio.Transport
        self._writer: ResponseWriter
        self._peer: Peer
        self._reader = RequestReader(listener.limits, loop, self._enqueue, self._send_continue, self._open_pipe)
        self.data_received = self._reader.feed  # type: ignore[method-assign]
        self._queue: deque[ReceivedRequest | int] = deque()
        self._task: asyncio.Task[None] | None = None
        self._stream: ResponseStream | None = None  # while STREAMING
        self._state = ServerState.OPEN

    # --- used by the listener ---

    def finish(self) -> asyncio.Task[None] | None:
        """Read nothing more. Returns the task that is still responding, if any."""
        self._reader.stop("closed")
        if self._task is None:
            self._transport.close()
        elif self._state is ServerState.SWITCHED:
            self._task.cancel()
        elif self._stream is not None:
            self._stream.stop("listener")
        return self._task

    def abort(self) -> None:
        self._transport.abort()

    @property
    def _lost(self) -> bool:
        return self._state is ServerState.LOST

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writer = ResponseWriter(self._transport, self._loop)
        name = transport.get_extra_info("peername") or ("", 0)
        self._peer = Peer(name[0], name[1], self._listener.tag)
        if self._listener.admits is not None and not self._listener.admits(name[0]):
            self._transport.abort()
            return
        self._listener.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = ServerState.LOST
        self._reader.stop("closed")
        self._listener.connections.discard(self)
        self._writer.resume()
        if self._stream is not None:
            self._stream.stop("caller")

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        self._writer.resume()

    # --- used by the reader ---

    def _enqueue(self, item: ReceivedRequest | int) -> None:
        self._queue.append(item)
        if type(item) is ReceivedRequest and item.after_upgrade is not None:
            self._transport.pause_reading()  # what follows belongs to whatever takes the connection over
        if self._task is None:
            self._task = self._loop.create_task(self._respond_to_all())
        elif len(self._queue) >= _PIPELINED:
            self._transport.pause_reading()

    def _send_continue(self) -> None:
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _open_pipe(self) -> Pipe:
        return Pipe(self._transport)

    # --- responding ---

    async def _respond_to_all(self) -> None:
        try:
            while self._queue and not self._lost:
                item = self._queue.popleft()
                if len(self._queue) == _PIPELINED // 2 and not self._reader.stopped:
                    self._transport.resume_reading()
                if isinstance(item, int):
                    self._writer.write(Response(item), "GET", False)
                    return
                if not await self._respond(item):
                    return
                if self._writer.full:
                    await self._writer.flushed()
            if self._reader.stopped and not self._lost:
                self._transport.close()
        finally:
            self._task = None

    async def _respond(self, received: ReceivedRequest) -> bool:
        """Returns whether the connection stays open."""
        request, peer = received.request, self._peer
        try:
            if received.pipe is not None or received.after_upgrade is not None:
                peer = replace(peer, upload=received.pipe, offers_websocket=received.after_upgrade is not None)
            reply = await self._listener.handler(request, peer)
            if reply.stream is not None:
                return await self._forward_stream(reply.response, reply.stream, received)
            if reply.switch is not None:
                await self._switch_protocol(reply.switch, received)
                return False
            if self._lost:
                return False
            if reply.response is not None and reply.cut_after is None and not reply.reset:
                keep_alive = self._stays_open(received)
                self._writer.write(reply.response, request.method, keep_alive)
                return keep_alive
            self._reader.stop("closed")
            await self._writer.write_broken(reply, request.method)
        except Exception as error:
            self._listener.failures += 1
            self._loop.call_exception_handler({"message": "a request handler failed", "exception": error})
            self._transport.abort()
        return False

    def _stays_open(self, received: ReceivedRequest) -> bool:
        """Whether another request may follow. It may not behind a body that was not read to its end."""
        whole = received.pipe is None or received.pipe.how == ""
        return received.keep_alive and whole and not self._reader.stopped

    async def _forward_stream(
        self, response: Response | None, stream: ResponseStream, received: ReceivedRequest
    ) -> bool:
        if response is None:
            raise ValueError("a stream needs a response that begins it")
        keep_alive = self._stays_open(received) and (received.accepts_chunks or stream.length is not None)
        try:
            if self._lost:
                stream.stop("caller")
                return False
            self._state, self._stream = ServerState.STREAMING, stream
            if not await self._writer.write_stream(response, stream, received.accepts_chunks, keep_alive):
                self._reader.stop("closed")
                return False
            if not keep_alive:
                self._transport.close()
            return keep_alive
        finally:
            self._stream = None
            if not self._lost:
                self._state = ServerState.OPEN
            stream.finish()

    async def _switch_protocol(self, switch: ProtocolSwitch, received: ReceivedRequest) -> None:
        try:
            if received.after_upgrade is None:
                raise ValueError("a connection is handed over only after the offer of a WebSocket")
            if self._lost:
                return
            self._state = ServerState.SWITCHED
            reader, writer = take_over(self._transport, received.after_upgrade, self._loop)
            await switch.run(reader, writer)
            writer.close()
        except BaseException:
            self._transport.abort()
            raise
        finally:
            self._listener.connections.discard(self)
            switch.finish()
