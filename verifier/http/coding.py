"""Undoes HTTP content codings (RFC 9110, section 8.4.1), within a bound on the size of the result."""

from __future__ import annotations

import zlib
from functools import lru_cache

from verifier.http.message import Headers, Response, header, with_header

LARGEST = 256 * 1024 * 1024  # bytes; beyond it a body is taken for a decompression bomb
READABLE = frozenset(("gzip", "x-gzip", "deflate", "identity"))
_GZIP = zlib.MAX_WBITS | 16
_MESSAGE = frozenset(("content-encoding", "content-length"))  # what no longer describes a body without its codings


def readable(headers: Headers) -> Headers:
    """The same headers of a request, accepting only content codings that can be undone here."""
    accepted = header(headers, "accept-encoding")
    if accepted is None:
        return headers
    parts = [part.strip() for part in accepted.split(",")]
    kept = [part for part in parts if part.partition(";")[0].strip().lower() in READABLE]
    return headers if kept == parts else with_header(headers, "Accept-Encoding", ", ".join(kept) or "identity")


def uncoded(headers: Headers) -> Headers:
    """The same headers for a body whose codings were undone."""
    return tuple((name, value) for name, value in headers if name.lower() != "content-encoding")


def decoded(response: Response) -> Response:
    """An answer without its content codings; as it is where it has none, or is not what they say."""
    # How the body begins tells nothing: bare deflate data may begin like JSON.
    codings = _codings(response.headers)
    plain = decode(response.body, codings) if codings and response.body else None
    if plain is None:
        return response
    headers = tuple(pair for pair in response.headers if pair[0].lower() not in _MESSAGE)
    return Response(response.status, headers, plain)


@lru_cache(maxsize=1024)
def _codings(headers: Headers) -> str | None:
    """Asked for every answer, and answers often have the same headers."""
    return header(headers, "content-encoding")


def decode(body: bytes, codings: str, largest: int = LARGEST) -> bytes | None:
    """The body without its codings (`gzip`, `deflate`, `identity`, comma separated); None where that fails."""
    for coding in reversed([part.strip().lower() for part in codings.split(",")]):
        if coding in ("", "identity"):
            continue
        if coding in ("gzip", "x-gzip"):
            undone = _inflate(body, _GZIP, largest)
        elif coding == "deflate":
            # Meant to be a zlib stream; some servers send the bare deflate data.
            undone = _inflate(body, zlib.MAX_WBITS, largest)
            undone = _inflate(body, -zlib.MAX_WBITS, largest) if undone is None else undone
        else:
            return None
        if undone is None:
            return None
        body = undone
    return body


def _inflate(body: bytes, window: int, largest: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while body:
        machine = zlib.decompressobj(window)
        try:
            part = machine.decompress(body, largest - size + 1)
        except zlib.error:
            return None
        size += len(part)
        if size > largest or not machine.eof:
            return None
        parts.append(part)
        body = machine.unused_data if window == _GZIP else b""
    return b"".join(parts)
