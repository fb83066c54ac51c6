"""Header bytes as text, and what else both sides of the wire do to a connection."""

from __future__ import annotations

import asyncio
import socket
import struct

from msgspec import Struct

from verifier.http.message import Headers

_KEPT = 4096
_lines: dict[bytes, tuple[str, str]] = {}
_LONGEST_HEAD = 2048  # bytes
_HEADS_KEPT = 1024


class Head(Struct, frozen=True, gc=False):
    """A whole head, up to and with the empty line, of `end` bytes; with its body, the answer has `whole` bytes."""

    raw: bytes
    status: int
    headers: Headers
    end: int
    whole: int


NO_HEAD = Head(b"", 0, (), 0, -1)

# Heads of answers that the parser has found good and whose connection went on. Equal bytes at the start of an answer
# mean the same again.
known_heads: dict[bytes, Head] = {}


def remember_head(head: bytes, status: int, headers: Headers, length: int) -> None:
    """Services repeat their heads but for the date, so an answer need not be parsed when its head is known."""
    if len(head) <= _LONGEST_HEAD:
        if len(known_heads) >= _HEADS_KEPT:
            known_heads.clear()
        known_heads[head] = Head(head, status, headers, len(head), len(head) + length)


def split_head(raw: bytes) -> Headers:
    """The headers of a head that the parser has found good: first line first, no empty line at the end.

    Text is Latin-1, so that every byte survives.
    """
    lines = raw.split(b"\r\n")
    del lines[0]
    known = _lines.get
    return tuple([known(line) or _learn(line) for line in lines])


def _learn(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    pair = (name, value.strip(" \t"))
    if len(_lines) >= _KEPT:
        _lines.clear()
    _lines[line] = pair
    return pair


def decoded(headers: list[tuple[bytes, bytes]]) -> Headers:
    """Header bytes as text, as the server collects them."""
    return tuple([(name.decode("latin-1"), value.decode("latin-1").strip(" \t")) for name, value in headers])


def linger(transport: asyncio.BaseTransport) -> None:
    """Make the coming close a TCP reset."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
