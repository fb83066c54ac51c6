"""Connections that change their protocol: which offers are accepted, and how a connection changes hands."""

from __future__ import annotations

import asyncio

from verifier.http.framing import request_framing
from verifier.http.headers import names_websocket
from verifier.http.message import Headers

_NO_BODY = (("none", 0), ("length", 0))


def offers_websocket(method: str, headers: Headers) -> bool:
    """Whether a request offers to continue as a WebSocket (RFC 6455, section 4.1): a GET without a body."""
    return method == "GET" and names_websocket(headers) and request_framing(headers) in _NO_BODY


def take_over(
    transport: asyncio.Transport, rest: bytes, loop: asyncio.AbstractEventLoop
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams on a connection whose reading has been paused. `rest` has been read from it already."""
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if rest:
        reader.feed_data(rest)
    transport.resume_reading()
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
