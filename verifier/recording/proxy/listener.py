"""The recording proxy: listeners in front of the services that are recorded together."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from verifier.http.duplex import DuplexStream
from verifier.http.h1 import MessageHead
from verifier.recording.proxy.capture import Capture, CapturedBody
from verifier.recording.proxy.entries import ObservedExchange
from verifier.recording.proxy.relay import Relay

BODY_LIMIT = 16 << 20  # bytes of one body kept in the recording


@dataclass(frozen=True, slots=True)
class Upstream:
    """The service that is recorded. `tls` is a context for https, else None.

    `name` is the authority that recorded addresses carry, such as `orders`; "" for the one that it is reached by.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    name: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    async def connect(self) -> DuplexStream:
        """A new connection to the service. Raises OSError."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        return DuplexStream(reader, writer, "response")


class Recorder:
    """Forwards HTTP/1.1 traffic to services and calls `keep` with every exchange. Connections are counted across all.

    Bodies are streamed; those of at most `body_limit` bytes are recorded. Times come from `clock` (seconds),
    counted from the recorder's making. The Host header is the client's, or the service's with `rewrite_host`.
    `failed` is set when `keep` raised, for instance because the disk is full: nothing more can be recorded.
    A head beyond the limits breaks the exchange off. Nothing else is limited: an exchange lasts as long as its client
    and its service want, with one piece of each body in memory besides what is recorded, and `close` ends it.
    `lost` counts connections on which the recorder itself failed, so that what they carried is missing.
    """

    def __init__(
        self,
        keep: Callable[[ObservedExchange], None],
        *,
        rewrite_host: bool = False,
        body_limit: int = BODY_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep = keep
        self._rewrite_host = rewrite_host
        self._body_limit = body_limit
        self._clock = clock
        self._began = clock()
        self._servers: list[asyncio.Server] = []
        self._relays: dict[asyncio.Task[None], Relay] = {}
        self._connections = 0
        self.failed = asyncio.Event()
        self.error: Exception | None = None
        self.lost = 0

    async def start(self, host: str, port: int, upstream: Upstream) -> int:
        """Listen in front of a service; returns the port. Raises OSError when the address cannot be had."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._accept(upstream, reader, writer)

        self._servers.append(await asyncio.start_server(accept, host, port, backlog=256))
        return int(self._servers[-1].sockets[0].getsockname()[1])

    async def close(self, grace: float = 5.0) -> None:
        """Stop listening and let exchanges under way end for up to `grace` seconds.

        Event streams and WebSockets are ended at once; what they brought is recorded.
        """
        for server in self._servers:
            server.close()
        for task, relay in self._relays.items():
            if relay.idle:
                task.cancel()
        pending = set(self._relays)
        if pending:
            _, late = await asyncio.wait(pending, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _accept(self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = str(self._connections)
        peer = writer.get_extra_info("peername") or ("",)
        relay = Relay(
            DuplexStream(reader, writer, "request"),
            upstream.connect,
            lambda head: self._begin(upstream, head, peer[0], number),
            self._keep_one,
            upstream.authority,
            self._rewrite_host,
        )
        task = asyncio.ensure_future(relay.run())
        self._relays[task] = relay
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._relays[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self.lost += 1
            task.get_loop().call_exception_handler({"message": "a recorded connection failed", "exception": error})

    def _begin(self, upstream: Upstream, head: MessageHead, client: str, connection: str) -> Capture:
        at = self._clock() - self._began
        limit = self._body_limit
        return Capture(
            upstream.name or upstream.authority,
            client,
            connection,
            at,
            head,
            CapturedBody(limit),
            CapturedBody(limit),
        )

    def _keep_one(self, capture: Capture, broken: str) -> None:
        if self.error is not None:
            return
        try:
            self._keep(capture.observed(self._clock() - self._began, broken))
        except Exception as error:
            self.error = error
            self.failed.set()
