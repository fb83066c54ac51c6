"""What both client and server do to a transport."""

from __future__ import annotations

import asyncio
import socket
import struct


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Make the coming close a TCP reset."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
