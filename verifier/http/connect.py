"""Opening connections: plain or TLS, with the protocol that TLS negotiates, with ordinary or small buffers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

P = TypeVar("P", bound=asyncio.Protocol)

# Names that cannot be looked up, ports that do not exist, certificates that do not fit, and time-outs (an OSError).
CONNECT_ERRORS = (OSError, UnicodeError, OverflowError)
_SMALL = 4096  # bytes of a slow reader's receive buffer, the least that kernels give


class _Chooser(asyncio.Protocol):
    """The protocol until the handshake is over, when the transport reports its connection."""

    def __init__(self, choose: Callable[[str | None], asyncio.Protocol]) -> None:
        self._choose = choose
        self.chosen: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        handshake = transport.get_extra_info("ssl_object")
        self.chosen = self._choose(handshake.selected_alpn_protocol() if handshake is not None else None)
        transport.set_protocol(self.chosen)
        self.chosen.connection_made(transport)


async def connect(host: str, port: int, tls: ssl.SSLContext | None, choose: Callable[[str | None], P], slow: bool) -> P:
    """Connect and make the protocol by what TLS negotiated (None without TLS). Raises one of CONNECT_ERRORS."""
    loop = asyncio.get_running_loop()
    name = host if tls is not None else None
    if not slow and tls is None:
        _, conn = await loop.create_connection(lambda: choose(None), host, port)
        return conn
    chooser = _Chooser(choose)
    if slow:
        sock = await _small_socket(loop, host, port)
        await loop.create_connection(lambda: chooser, sock=sock, ssl=tls, server_hostname=name)
    else:
        await loop.create_connection(lambda: chooser, host, port, ssl=tls, server_hostname=name)
    assert chooser.chosen is not None
    return chooser.chosen  # type: ignore[return-value]


async def _small_socket(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """The buffer must be small before connecting, because the offered window depends on it."""
    family, kind, protocol, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
