"""Content codings (RFC 9110, section 8.4.1): decoding bodies within a size limit, and asking only for what decodes."""

from __future__ import annotations

import zlib
from functools import lru_cache

from verifier.http.framing import MAX_BODY
from verifier.http.message import Headers, Response, header, with_header

MAX_CODINGS = 5  # of one body
MAX_MEMBERS = 10_000  # of one gzip body
SUPPORTED = frozenset(("gzip", "x-gzip", "deflate", "identity"))
_GZIP = zlib.MAX_WBITS | 16
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_PIECE = 64 << 10  # bytes
_DESCRIBES_CODED_BODY = frozenset(("content-encoding", "content-length"))


class CodingError(ValueError):
    """The body is not what its content codings say, or it decodes to more than the limit."""


class UnknownCoding(CodingError):
    """A content coding that is not supported here."""


class TooLarge(CodingError):
    """The body decodes to more than the limit, or in more steps than any honest one."""


def decode(body: bytes, codings: str, max_size: int = MAX_BODY) -> bytes:
    """The body without its codings, given as in Content-Encoding: comma separated, in the order they were applied.

    `max_size` limits the result, and every step towards it, in bytes. Raises CodingError.
    """
    parts = codings.split(",")
    if len(parts) > MAX_CODINGS:
        raise TooLarge(f"more than {MAX_CODINGS} content codings")
    for coding in reversed([part.strip().lower() for part in parts]):
        if coding in ("", "identity"):
            continue
        if coding in ("gzip", "x-gzip"):
            body = _decode_gzip(body, max_size)
        elif coding == "deflate":
            body = _decode_deflate(body, max_size)
        else:
            raise UnknownCoding(f"content coding {coding} is not supported")
    return body


def try_decode(body: bytes, codings: str, max_size: int = MAX_BODY) -> bytes | None:
    """As `decode`, but None where the body cannot be decoded."""
    try:
        return decode(body, codings, max_size)
    except CodingError:
        return None


def decode_response(response: Response) -> Response:
    """The response without content codings; the same object if it has none or cannot be decoded. Raises TooLarge."""
    # The first bytes of the body tell nothing: raw deflate data may begin like JSON.
    codings = _codings(response.headers)
    if not codings or not response.body:
        return response
    try:
        plain = decode(response.body, codings)
    except TooLarge:
        raise
    except CodingError:
        return response
    headers = tuple(pair for pair in response.headers if pair[0].lower() not in _DESCRIBES_CODED_BODY)
    return Response(response.status, headers, plain)


@lru_cache(maxsize=1024)
def _codings(headers: Headers) -> str | None:
    """Cached because every response needs it, and responses often have equal headers."""
    return header(headers, "content-encoding")


def without_content_encoding(headers: Headers) -> Headers:
    """The headers of a message whose body has been decoded."""
    return tuple((name, value) for name, value in headers if name.lower() != "content-encoding")


def limit_accept_encoding(headers: Headers) -> Headers:
    """The headers of a request, with Accept-Encoding reduced to the codings that can be decoded here."""
    accepted = header(headers, "accept-encoding")
    if accepted is None:
        return headers
    parts = [part.strip() for part in accepted.split(",")]
    kept = [part for part in parts if part.partition(";")[0].strip().lower() in SUPPORTED]
    return headers if kept == parts else with_header(headers, "Accept-Encoding", ", ".join(kept) or "identity")


def _decode_gzip(body: bytes, max_size: int) -> bytes:
    """A gzip body is one member or several, one directly after the other (RFC 1952, section 2.2)."""
    plain, used = _inflate(body, _GZIP, max_size)
    if used == len(body):
        return plain
    members = [plain]
    size = len(plain)
    while used < len(body):
        if len(members) == MAX_MEMBERS:
            raise TooLarge(f"more than {MAX_MEMBERS} members in a gzip body")
        plain, used = _inflate(body, _GZIP, max_size - size, used)
        members.append(plain)
        size += len(plain)
    return b"".join(members)


def _decode_deflate(body: bytes, max_size: int) -> bytes:
    """RFC 9110 means a zlib stream; some servers send the raw deflate data."""
    try:
        return _inflate(body, _ZLIB, max_size)[0]
    except TooLarge:
        raise
    except CodingError as error:
        try:
            return _inflate(body, _RAW, max_size)[0]
        except CodingError:
            raise error from None


def _inflate(body: bytes, window_bits: int, max_size: int, start: int = 0) -> tuple[bytes, int]:
    """One compressed stream that begins at `start`, and where it ends.

    The body is read in pieces, because zlib copies what is left of each behind the end of a stream.
    """
    stream = zlib.decompressobj(window_bits)
    data, pieces, size = memoryview(body), [], 0
    while start < len(body) and not stream.eof:
        piece = data[start : start + _PIECE]
        start += len(piece)
        try:
            pieces.append(stream.decompress(piece, max_size - size + 1))
        except zlib.error as error:
            raise CodingError(f"compressed body cannot be read: {error}") from None
        size += len(pieces[-1])
        if size > max_size:
            raise TooLarge(f"compressed body grows beyond the limit of {max_size} bytes")
    if not stream.eof:
        raise CodingError("compressed body is cut short")
    return b"".join(pieces), start - len(stream.unused_data)
