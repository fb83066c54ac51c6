"""One client connection of the recording proxy: requests go to the service and responses come back, piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from msgspec import structs

from verifier.http.coding import limit_accept_encoding
from verifier.http.duplex import DuplexStream, relay_bytes
from verifier.http.eventstream import is_event_stream
from verifier.http.forwarding import origin_form, request_head, response_head
from verifier.http.framing import HEAD_TOO_LARGE, LAST_CHUNK, UNREADABLE, Framing, chunk
from verifier.http.h1 import BrokenMessage, MessageHead
from verifier.http.headers import end_to_end
from verifier.recording.proxy.capture import Capture

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"))  # RFC 9110, section 9.2.2


class ClientGone(Exception):
    """The client has closed its connection, which ends the exchange without an error."""


class Relay:
    """Serves one client connection. `open_service` connects to the service and raises OSError.

    `begin` makes the capture of a request; `keep` takes it when the exchange is over, with what cut it short.
    `idle` tells whether the connection is between exchanges or in one that has no natural end.
    """

    def __init__(
        self,
        client: DuplexStream,
        open_service: Callable[[], Awaitable[DuplexStream]],
        begin: Callable[[MessageHead], Capture],
        keep: Callable[[Capture, str], None],
        authority: str,
        rewrite_host: bool,
    ) -> None:
        self._client = client
        self._open_service = open_service
        self._begin = begin
        self._keep = keep
        self._authority = authority
        self._rewrite_host = rewrite_host
        self._service: DuplexStream | None = None
        self.idle = True

    async def run(self) -> None:
        try:
            while (head := await self._client.messages.head()) is not None:
                self.idle = False
                if not await self._exchange(head):
                    return
                self.idle = True
        except BrokenMessage as broken:
            if str(broken) in UNREADABLE:
                status = "431 Request Header Fields Too Large" if str(broken) == HEAD_TOO_LARGE else "400 Bad Request"
                with contextlib.suppress(BrokenMessage):
                    await self._client.send(
                        f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
                    )
        finally:
            if self._service is not None:
                self._service.close()
            self._client.close()

    async def _exchange(self, head: MessageHead) -> bool:
        """Returns whether the client's connection stays open."""
        switching = head.websocket
        if head.upgrade and not switching:
            if head.method == "CONNECT":
                await self._client.send(
                    b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return False
            self._client.messages.ignore_upgrade()
        headers = head.headers if switching else limit_accept_encoding(end_to_end(head.headers))
        if self._rewrite_host:
            headers = (("Host", self._authority), *(pair for pair in headers if pair[0].lower() != "host"))
        capture = self._begin(structs.replace(head, target=origin_form(head.target), headers=headers))
        why = "the recording was stopped before the exchange ended"
        try:
            if any(name.lower() == "expect" for name, _ in head.headers):
                await self._send_to_client(b"HTTP/1.1 100 Continue\r\n\r\n")
            keep_alive = await self._relay_exchange(capture)
            why = ""
            return keep_alive
        except ClientGone:
            why = "the client left before the exchange ended"
        except BrokenMessage as broken:
            why = f"the service did not answer in full ({broken})"
            await self._report_failure(capture)
        finally:
            self._keep(capture, why)
        return False

    async def _relay_exchange(self, capture: Capture) -> bool:
        head = capture.request
        service, response, sending = await self._await_response(capture)
        try:
            capture.response = response
            if response.status == 101 and head.websocket:
                capture.websocket = True
                self.idle = True
                await self._send_to_client(response_head(response, "none", True))
                await relay_bytes(self._client, service)
                return False
            if response.status == 101:
                raise BrokenMessage("garbage")
            if head.websocket:
                self._client.messages.ignore_upgrade()
                async for _ in self._client.messages.body():
                    pass
            return await self._relay_response(capture, service, response, sending)
        finally:
            sending.cancel()

    async def _await_response(self, capture: Capture) -> tuple[DuplexStream, MessageHead, asyncio.Task[None]]:
        """Send the request, the body in the background, and wait for the response's head.

        A service may close an idle connection at any moment: a request that may be repeated is, once.
        """
        head = capture.request
        fresh = self._service is None or self._service.closing
        if fresh:
            await self._connect()
        for last in (fresh, True):
            service = self._service
            assert service is not None
            sending = asyncio.ensure_future(self._send_request(capture, service))
            try:
                response = await service.messages.head(head.method == "HEAD")
                if response is None:
                    raise BrokenMessage("closed")
                return service, response, sending
            except BrokenMessage as broken:
                sending.cancel()
                if last or str(broken) in UNREADABLE or head.method not in _REPEATABLE or head.framing != "none":
                    raise
                await self._connect()
            except BaseException:
                sending.cancel()
                raise
        raise AssertionError("unreachable")

    async def _connect(self) -> None:
        if self._service is not None:
            self._service.close()
        try:
            self._service = await self._open_service()
        except OSError as error:
            raise BrokenMessage(f"refused: {error.strerror or error}") from None

    async def _send_request(self, capture: Capture, service: DuplexStream) -> None:
        """Send the request to the service. If that fails, the response says so, or there is none."""
        head = capture.request
        with contextlib.suppress(BrokenMessage):
            await service.send(request_head(head, self._authority))
        if head.websocket:
            return
        try:
            async for piece in self._client.messages.body():
                capture.sent.add(piece)
                with contextlib.suppress(BrokenMessage):
                    await service.send(chunk(piece) if head.framing == "chunked" else piece)
        except BrokenMessage:
            service.abort()  # half a request must not look like a whole one
            return
        if head.framing == "chunked":
            with contextlib.suppress(BrokenMessage):
                await service.send(LAST_CHUNK)

    async def _relay_response(
        self, capture: Capture, service: DuplexStream, response: MessageHead, sending: asyncio.Task[None]
    ) -> bool:
        framing: Framing = "chunked" if response.framing == "close" else response.framing
        keep_alive = capture.request.keep_alive and sending.done()
        await self._send_to_client(response_head(response, framing, keep_alive))
        watch: asyncio.Task[None] | None = None
        if is_event_stream(response.headers):
            self.idle = True  # it may never end, so closing the recorder does not wait for it
            watch = asyncio.ensure_future(self._abort_when_client_leaves(service, sending))
        try:
            async for piece in service.messages.body():
                capture.received.add(piece)
                await self._send_to_client(chunk(piece) if framing == "chunked" else piece)
        except BrokenMessage:
            if watch is None or not watch.done():
                raise
        finally:
            left = watch is not None and watch.done()
            if watch is not None:
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError, BrokenMessage):
                    await watch
            self.idle = False
        if left:
            raise ClientGone
        if framing == "chunked":
            await self._send_to_client(LAST_CHUNK)
        if not response.keep_alive or not sending.done():
            service.close()
            self._service = None
        return keep_alive

    async def _abort_when_client_leaves(self, service: DuplexStream, sending: asyncio.Task[None]) -> None:
        """End an event stream when its client leaves. A quiet stream writes nothing, so no write would fail."""
        await asyncio.wait((sending,))
        try:
            ended = await self._client.messages.watch()
        except BrokenMessage:
            ended = True
        if ended:
            service.abort()
        else:
            await asyncio.Event().wait()  # it sent the next request, so its end cannot be seen any more

    async def _send_to_client(self, data: bytes) -> None:
        try:
            await self._client.send(data)
        except BrokenMessage:
            raise ClientGone from None

    async def _report_failure(self, capture: Capture) -> None:
        """Tell the client: by a status if nothing was sent yet, else by cutting the connection."""
        if capture.response is None:
            with contextlib.suppress(BrokenMessage):
                await self._client.send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            self._client.abort()
