"""Connections that stop speaking HTTP: which offers are passed on, and how a connection changes hands."""

from __future__ import annotations

import asyncio

from verifier.http.message import Headers, header


def offers_websocket(method: str, headers: Headers) -> bool:
    """Whether a request offers to go on as a WebSocket (RFC 6455, section 4.1): a GET without a body."""
    return (
        method == "GET"
        and (header(headers, "upgrade") or "").strip().lower() == "websocket"
        and header(headers, "transfer-encoding") is None
        and header(headers, "content-length") in (None, "0")
    )


def take_over(
    transport: asyncio.Transport, rest: bytes, loop: asyncio.AbstractEventLoop
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams on a connection whose reading has been paused, `rest` being what was read of it already."""
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if rest:
        reader.feed_data(rest)
    transport.resume_reading()
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
