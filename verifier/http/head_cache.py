"""Response heads and header lines that have been parsed before. Services repeat them, so they are not parsed again."""

from __future__ import annotations

from msgspec import Struct

from verifier.http.message import Headers

_LINES_KEPT = 4096
_HEADS_KEPT = 1024
_LONGEST_HEAD = 2048  # bytes

_lines: dict[bytes, tuple[str, str]] = {}


class KnownHead(Struct, frozen=True, gc=False):
    """A whole head up to and including the empty line, `end` bytes long. With its body the response has `whole`."""

    raw: bytes
    status: int
    headers: Headers
    end: int
    whole: int


NO_HEAD = KnownHead(b"", 0, (), 0, -1)

# Heads of responses that the parser accepted and that left their connection usable. Equal bytes at the start of a
# response mean the same again.
known_heads: dict[bytes, KnownHead] = {}


def remember_head(head: bytes, status: int, headers: Headers, length: int) -> None:
    """Add a head. `length` is that of the body in bytes, and must follow from the head alone."""
    if len(head) <= _LONGEST_HEAD:
        if len(known_heads) >= _HEADS_KEPT:
            known_heads.clear()
        known_heads[head] = KnownHead(head, status, headers, len(head), len(head) + length)


def split_head(raw: bytes) -> Headers:
    """The headers of a head that the parser accepted. `raw` begins with the status line and has no empty line.

    Text is Latin-1, so that every byte survives.
    """
    lines = raw.split(b"\r\n")
    del lines[0]
    known = _lines.get
    return tuple([known(line) or _split_line(line) for line in lines])


def _split_line(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    pair = (name, value.strip(" \t"))
    if len(_lines) >= _LINES_KEPT:
        _lines.clear()
    _lines[line] = pair
    return pair
