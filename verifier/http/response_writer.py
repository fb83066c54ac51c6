"""Writing responses: whole, cut in the middle, or piece by piece as they arrive."""

from __future__ import annotations

import asyncio

from verifier.http.encode import encode_response
from verifier.http.framing import LAST_CHUNK, chunk
from verifier.http.handler import Reply, ResponseStream
from verifier.http.message import Response
from verifier.http.transport import reset_on_close


class ResponseWriter:
    """The writing half of one accepted connection."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._writable: asyncio.Future[None] | None = None
        self.full = False  # too much has been written that has not left yet

    def pause(self) -> None:
        self.full = True
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume(self) -> None:
        self.full = False
        waiter, self._writable = self._writable, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def flushed(self) -> None:
        """Wait until enough of what was written has left, or the connection is lost."""
        if self._writable is not None:
            await self._writable

    def write(self, response: Response, method: str, keep_alive: bool) -> None:
        """Write a whole response, then close unless `keep_alive`. Raises ValueError as `encode_response` does."""
        head, body = encode_response(response, method, keep_alive)
        if len(body) < 65536:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        if not keep_alive:
            self._transport.close()

    async def write_broken(self, reply: Reply, method: str) -> None:
        """End the connection in the middle of the response, or without one."""
        if reply.response is not None:
            head, body = encode_response(reply.response, method, True)
            self._transport.set_write_buffer_limits(0)
            self._transport.write(head + body[: reply.cut_after])
            if self._transport.get_write_buffer_size():
                self.pause()
            await self.flushed()
        self._end(reply.reset)

    async def write_stream(self, response: Response, stream: ResponseStream, chunks: bool, keep_alive: bool) -> bool:
        """Write a head and the pieces of a body as they arrive.

        Returns whether the response ended as its framing says; if not, the connection is ended. Without a declared
        length the body is chunked, or it ends with the connection if the client cannot read chunks.
        """
        chunked = chunks and stream.length is None
        # To a HEAD request the same head is written, with the length that is described: what is written here.
        head, _ = encode_response(Response(response.status, response.headers), "HEAD", keep_alive)
        if chunked:
            head = head[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
        transport = self._transport
        transport.write(head)
        while piece := await stream.next():
            if not transport.is_closing():  # the caller may have gone meanwhile; the stream is told so
                transport.write(chunk(piece) if chunked else piece)
            await self.flushed()
        how = stream.how()
        if how:
            self._end(how == "reset")
        elif chunked and not transport.is_closing():
            transport.write(LAST_CHUNK)
        return not how

    def _end(self, reset: bool) -> None:
        if reset:
            reset_on_close(self._transport)
            self._transport.abort()
        else:
            self._transport.close()
