"""Rules for header fields that client, server, gateway and recorder share."""

from __future__ import annotations

import re

from verifier.http.message import Headers, header

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2: methods and header names

# RFC 9110, section 7.6.1. They describe one connection, so a proxy does not forward them.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"proxy-connection", "proxy-authenticate", "proxy-authorization"}
)
# They describe how a body is delimited. Whoever sends a message writes its own.
FRAMING = frozenset({"content-length", "transfer-encoding"})
# Everything that is valid for one connection only. `Expect` belongs here because bodies are sent without waiting.
PER_CONNECTION = HOP_BY_HOP | FRAMING | {"expect", "http2-settings"}

_NOT_NOMINATED = PER_CONNECTION | {"close", "", "host"}


def nominated(connection: str) -> frozenset[str]:
    """The other headers that the value of a Connection header declares to be hop-by-hop, in lower case.

    Host is never among them: no HTTP/1.1 request is valid without it.
    """
    return frozenset(part.strip().lower() for part in connection.split(",")) - _NOT_NOMINATED


def end_to_end(headers: Headers) -> Headers:
    """The headers that a proxy forwards."""
    named: frozenset[str] = frozenset()
    for name, value in headers:
        if name.lower() == "connection":
            named |= nominated(value)
    dropped = PER_CONNECTION | named if named else PER_CONNECTION
    return tuple([pair for pair in headers if pair[0].lower() not in dropped])


def decode_headers(headers: list[tuple[bytes, bytes]]) -> Headers:
    """Headers as text. It is Latin-1, so that every byte survives."""
    return tuple([(name.decode("latin-1"), value.decode("latin-1").strip(" \t")) for name, value in headers])


def names_websocket(headers: Headers) -> bool:
    """Whether the Upgrade header names the WebSocket protocol."""
    return (header(headers, "upgrade") or "").strip().lower() == "websocket"
