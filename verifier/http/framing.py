"""Where messages end (RFC 9112, section 6), and how large they may be: the rules for every reader and writer."""

from __future__ import annotations

from typing import Literal

from verifier.http.message import Headers

# How a body is delimited: not at all because there is none, by Content-Length, in chunks, or by the connection's end.
Framing = Literal["none", "length", "chunked", "close"]

MAX_REQUEST_HEAD = 64 << 10  # bytes of request line and headers that a server accepts
MAX_RESPONSE_HEAD = 256 << 10  # bytes of status line and headers that the client accepts, interim responses included
MAX_PROXIED_HEAD = 320 << 10  # bytes of either that the recording proxy and the gateway's own connections accept
MAX_HEADERS = 1000  # header lines of one message
MAX_BODY = 32 << 20  # bytes of a body that is read as a whole, coded and decoded, unless the caller says otherwise

HEAD_TOO_LARGE = "head-too-large"
BODY_TOO_LARGE = "body-too-large"
# The words for a message that was not read to its end because of what it is.
UNREADABLE = frozenset(("garbage", HEAD_TOO_LARGE, BODY_TOO_LARGE))

LAST_CHUNK = b"0\r\n\r\n"
_KEPT_FOR_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection"))


def request_framing(headers: Headers) -> tuple[Framing, int]:
    """How the body of a request is delimited, and its length in bytes where that is declared.

    The parser has already refused headers that contradict each other.
    """
    return _framing(headers, "none")


def response_framing(status: int, headers: Headers, bodiless: bool = False) -> tuple[Framing, int]:
    """As `request_framing`. `bodiless`: the response belongs to a HEAD request."""
    if bodiless or status in (101, 204, 304):
        return "none", 0
    return _framing(headers, "close")


def _framing(headers: Headers, default: Framing) -> tuple[Framing, int]:
    framing, length = default, 0
    for name, value in headers:
        size = len(name)
        if size == 17 and name.lower() == "transfer-encoding":
            return "chunked", 0
        if size == 14 and framing is default and name.lower() == "content-length":
            framing, length = "length", int(value)
    return framing, length


def framing_head(headers: list[tuple[bytes, bytes]]) -> bytes:
    """A request head with the framing of the given headers and nothing else.

    A parser that stopped at an offered upgrade cannot go on. A new one reads this head and then the body.
    """
    lines = [
        name + b": " + value
        for name, value in headers
        if name.lower() in _KEPT_FOR_FRAMING and b"upgrade" not in value.lower()
    ]
    return b"\r\n".join([b"POST / HTTP/1.1", *lines, b"", b""])


def chunk(piece: bytes) -> bytes:
    """A piece of a body in the chunked transfer coding. It must not be empty."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
