"""Undoes HTTP content codings (RFC 9110, section 8.4.1), within a bound on the size of the result."""

from __future__ import annotations

import zlib

LARGEST = 256 * 1024 * 1024  # bytes; beyond it a body is taken for a decompression bomb
_GZIP = zlib.MAX_WBITS | 16


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
