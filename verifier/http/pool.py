"""The connections to one address that are kept for the next request."""

from __future__ import annotations

import asyncio
import ssl

from verifier.http.connection import Connection
from verifier.http.encode import Blocks
from verifier.http.h2 import Http2Connection


class Pool:
    """Idle connections to one address under one key, the last used at the end; with HTTP/2, the one in use."""

    __slots__ = ("authority", "blocks", "connecting", "host", "http2", "idle", "kept", "port", "tls")

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.authority = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()
        self.blocks: Blocks = {}
        self.idle: list[Connection] = []
        self.http2: Http2Connection | None = None
        self.connecting = asyncio.Lock()
        self.kept = True  # false once the address is forgotten: what still comes back is closed

    def takes_back(self, conn: Connection) -> bool:
        """Whether the connection may carry another request, as it now can."""
        if not (conn.usable and self.kept):
            return False
        conn.idle_since = conn.answered
        self.idle.append(conn)
        return True

    def left(self, oldest: float) -> bool:
        """Whether nothing here was used since that time."""
        if self.http2 is not None and (self.http2.busy() or self.http2.idle_since >= oldest):
            return False
        return all(conn.idle_since < oldest for conn in self.idle)
