"""Content codings (RFC 9110, section 8.4.1): decoding bodies within a size limit, and asking only for what decodes."""

from __future__ import annotations

import zlib
from functools import lru_cache

from verifier.http.message import Headers, Response, header, with_header

MAX_SIZE = 256 << 20  # bytes; a larger result is treated as a decompression bomb
SUPPORTED = frozenset(("gzip", "x-gzip", "deflate", "identity"))
_GZIP = zlib.MAX_WBITS | 16
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_DESCRIBES_CODED_BODY = frozenset(("content-encoding", "content-length"))


class CodingError(ValueError):
    """The body is not what its content codings say, or it decodes to more than the limit."""


class UnknownCoding(CodingError):
    """A content coding that is not supported here."""


def decode(body: bytes, codings: str, max_size: int = MAX_SIZE) -> bytes:
    """The body without its codings, given as in Content-Encoding: comma separated, in the order they were applied.

    `max_size` limits the result, and every step towards it, in bytes. Raises CodingError.
    """
    for coding in reversed([part.strip().lower() for part in codings.split(",")]):
        if coding in ("", "identity"):
            continue
        if coding in ("gzip", "x-gzip"):
            body = _decode_gzip(body, max_size)
        elif coding == "deflate":
            body = _decode_deflate(body, max_size)
        else:
            raise UnknownCoding(f"content coding {coding} is not supported")
    return body


def try_decode(body: bytes, codings: str, max_size: int = MAX_SIZE) -> bytes | None:
    """As `decode`, but None where the body cannot be decoded."""
    try:
        return decode(body, codings, max_size)
    except CodingError:
        return None


def decode_response(response: Response) -> Response:
    """The response without content codings; the same object if it has none or cannot be decoded."""
    # The first bytes of the body tell nothing: raw deflate data may begin like JSON.
    codings = _codings(response.headers)
    plain = try_decode(response.body, codings) if codings and response.body else None
    if plain is None:
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
    plain, rest = _inflate(body, _GZIP, max_size)
    if not rest:
        return plain
    members = [plain]
    size = len(plain)
    while rest:
        plain, rest = _inflate(rest, _GZIP, max_size - size)
        members.append(plain)
        size += len(plain)
    return b"".join(members)


def _decode_deflate(body: bytes, max_size: int) -> bytes:
    """RFC 9110 means a zlib stream; some servers send the raw deflate data."""
    try:
        return _inflate(body, _ZLIB, max_size)[0]
    except CodingError as error:
        try:
            return _inflate(body, _RAW, max_size)[0]
        except CodingError:
            raise error from None


def _inflate(body: bytes, window_bits: int, max_size: int) -> tuple[bytes, bytes]:
    """One compressed stream, and the bytes behind it."""
    stream = zlib.decompressobj(window_bits)
    try:
        plain = stream.decompress(body, max_size + 1)
    except zlib.error as error:
        raise CodingError(f"compressed body cannot be read: {error}") from None
    if len(plain) > max_size:
        raise CodingError(f"compressed body grows beyond the limit of {max_size} bytes")
    if not stream.eof:
        raise CodingError("compressed body is cut short")
    return plain, stream.unused_data
