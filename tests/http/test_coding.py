"""Content codings: one decoder for recordings, replays and contracts."""

from __future__ import annotations

import gzip
import zlib

import pytest

from verifier.contracts import wire
from verifier.http.coding import CodingError, UnknownCoding, decode, decode_response, try_decode
from verifier.http.message import Response

TEXT = b'{"items": [1, 2, 3]}'


def deflated(body: bytes, window_bits: int) -> bytes:
    stream = zlib.compressobj(wbits=window_bits)
    return stream.compress(body) + stream.flush()


RAW = deflated(TEXT, -zlib.MAX_WBITS)
ONE_MEMBER = gzip.compress(TEXT, mtime=0)
TWO_MEMBERS = gzip.compress(TEXT[:7], mtime=0) + gzip.compress(TEXT[7:], mtime=0)


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        ("gzip", ONE_MEMBER),
        ("gzip", TWO_MEMBERS),
        ("X-GZIP", TWO_MEMBERS + gzip.compress(b"", mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW),
        ("deflate, gzip", gzip.compress(RAW)),
        (" gzip , identity,", ONE_MEMBER),
        ("identity", TEXT),
        ("", TEXT),
    ],
)
def test_recordings_replays_and_contracts_decode_alike(codings: str, body: bytes) -> None:
    assert decode(body, codings) == TEXT
    assert wire.uncompressed(body, codings) == TEXT
    response = Response(200, (("Content-Encoding", codings),), body)
    assert decode_response(response) == Response(200, () if codings else response.headers, TEXT)


def test_raw_deflate_may_begin_like_a_zlib_stream() -> None:
    """The first byte alone cannot tell them apart: here it has the mark of zlib, and is a stored block's header."""
    length = len(TEXT).to_bytes(2, "little") + (len(TEXT) ^ 0xFFFF).to_bytes(2, "little")
    stored = b"\x08" + length + TEXT + b"\x01\x00\x00\xff\xff"
    assert stored[0] & 0x0F == zlib.DEFLATED
    assert decode(stored, "deflate") == TEXT


@pytest.mark.parametrize(
    ("codings", "body", "reason"),
    [
        ("gzip", ONE_MEMBER[:-1], "cut short"),
        ("gzip", TWO_MEMBERS[:-1], "cut short"),
        ("gzip", ONE_MEMBER + b"more", "cannot be read"),
        ("gzip", b"", "cut short"),
        ("gzip", TEXT, "cannot be read"),
        ("deflate", zlib.compress(TEXT)[:-1], "cut short"),
        ("deflate", RAW[:-1], "cannot be read"),
    ],
)
def test_a_broken_body_is_an_error_everywhere(codings: str, body: bytes, reason: str) -> None:
    with pytest.raises(CodingError, match=reason):
        decode(body, codings)
    with pytest.raises(wire.Undecodable, match=reason):
        wire.uncompressed(body, codings)
    assert try_decode(body, codings) is None
    response = Response(200, (("Content-Encoding", codings),), body)
    assert decode_response(response) is response


@pytest.mark.parametrize(
    ("codings", "body"),
    [("gzip", ONE_MEMBER), ("gzip", TWO_MEMBERS), ("deflate", zlib.compress(TEXT)), ("deflate", RAW)],
)
def test_the_limit_holds_for_the_whole_body(codings: str, body: bytes) -> None:
    assert decode(body, codings, len(TEXT)) == TEXT
    with pytest.raises(CodingError, match=r"beyond the limit|cannot be read"):
        decode(body, codings, len(TEXT) - 1)
    assert try_decode(body, codings, len(TEXT) - 1) is None


def test_an_unsupported_coding_is_no_broken_body() -> None:
    with pytest.raises(UnknownCoding, match="br"):
        decode(ONE_MEMBER, "br, gzip")
    assert wire.uncompressed(ONE_MEMBER, "br, gzip") is None
