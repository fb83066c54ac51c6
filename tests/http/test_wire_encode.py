from __future__ import annotations

from email.parser import BytesParser

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.http.encode import Blocks, encode_request, encode_response
from verifier.http.headers import HOP_BY_HOP
from verifier.http.message import Request, Response

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)


class Sink:
    def __init__(self) -> None:
        self.url, self.body, self.whole = b"", b"", 0
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole += 1


def parse(data: bytes) -> Sink:
    sink = Sink()
    httptools.HttpRequestParser(sink).feed_data(data)
    return sink


def test_request_gets_host_and_length() -> None:
    data = encode_request(Request("POST", "/o?x=1", (("A", "b"),), b"hey"), b"svc:80")
    assert data == b"POST /o?x=1 HTTP/1.1\r\nHost: svc:80\r\nA: b\r\nContent-Length: 3\r\n\r\nhey"


def test_get_without_body_has_no_length() -> None:
    assert b"ength" not in encode_request(Request("GET", "/", (("Content-Length", "7"),)), b"h")


def test_recorded_framing_and_hop_by_hop_headers_are_replaced() -> None:
    headers = (
        ("Host", "recorded"),
        ("host", "second"),
        ("Connection", "keep-alive, X-Local"),
        ("X-Local", "gone"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "99"),
        ("Expect", "100-continue"),
        (":authority", "recorded"),
        ("X-Kept", "yes"),
    )
    data = encode_request(Request("PUT", "/", headers, b"ab"), b"h")
    assert data == b"PUT / HTTP/1.1\r\nHost: recorded\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nab"


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/", (("A", "b\r\nEvil: 1"),)),
        Request("GET", "/", (("A", "b\nEvil: 1"),)),
        Request("GET", "/", (("A", "b\rEvil: 1"),)),
        Request("GET", "/", (("A", "b\0"),)),
        Request("GET", "/", (("A\r\nEvil", "b"),)),
        Request("GET", "/", (("A:", "b"),)),
        Request("GET", "/", (("", "b"),)),
        Request("GET", "/", (("A b", "c"),)),
        Request("GET", "/ HTTP/1.1\r\nEvil: 1\r\n\r\n"),
        Request("GET", "/a b"),
        Request("GET", ""),
        Request("GET\r\n", "/"),
        Request("", "/"),
        Request("CONNECT", "h:1"),
        Request("GET", "/", (("Host", "a\r\nEvil: 1"),)),
    ],
)
def test_injection_is_refused(request_: Request) -> None:
    with pytest.raises(ValueError):
        encode_request(request_, b"h")


def test_injection_into_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        encode_response(Response(200, (("A", "b\r\n\r\nx"),)), "GET", True)
    with pytest.raises(ValueError, match="cannot end"):
        encode_response(Response(100), "GET", True)


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=8), st.binary(max_size=200))
def test_what_is_encoded_parses_back(headers: list[tuple[str, str]], body: bytes) -> None:
    request = Request("POST", "/p?q=%20", tuple(headers), body)
    sink = parse(encode_request(request, b"host"))
    own = {"host", "content-length"} | HOP_BY_HOP | {"transfer-encoding", "expect"}
    expected = [(name, value.strip(" ")) for name, value in headers if name.lower() not in own]
    found = [(name.decode(), value.decode("latin-1").strip(" ")) for name, value in sink.headers]
    assert [pair for pair in found if pair[0].lower() not in own] == expected
    assert (sink.url, sink.body, sink.whole) == (b"/p?q=%20", body, 1)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_one_message_or_refused(name: str, value: str, target: str) -> None:
    try:
        data = encode_request(Request("GET", "/" + target, ((name, value),)), b"h")
    except ValueError:
        return
    head, _, rest = data.partition(b"\r\n\r\n")
    assert rest == b""
    lines = head.split(b"\r\n")
    assert len(lines) <= 3
    assert lines[0].count(b" ") == 2
    assert b"\n" not in head.replace(b"\r\n", b"")


def test_bodiless_answers() -> None:
    head, body = encode_response(Response(200, (("Content-Length", "12"),), b"twelve bytes"), "HEAD", True)
    assert (head, body) == (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", b"")
    head, body = encode_response(Response(204, (("Content-Length", "3"),), b"abc"), "GET", True)
    assert (head, body) == (b"HTTP/1.1 204 No Content\r\n\r\n", b"")
    head, body = encode_response(Response(304, (("ETag", "x"),)), "GET", False)
    assert (head, body) == (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nConnection: close\r\n\r\n", b"")


def test_answer_body_is_framed_anew() -> None:
    recorded = (("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip"), ("Connection", "close"))
    head, body = encode_response(Response(201, recorded, b"zz"), "POST", True)
    assert (head, body) == (b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n", b"zz")
    parsed = BytesParser().parsebytes(head.partition(b"\r\n")[2])
    assert parsed["Content-Length"] == "2"


def test_text_beyond_latin1_goes_as_utf8() -> None:
    assert "A: €".encode() in encode_request(Request("GET", "/", (("A", "€"),)), b"h")
    assert b"A: \xe9\r\n" in encode_request(Request("GET", "/", (("A", "é"),)), b"h")


PAIRS = [
    ("Host", "a"),
    ("host", "b"),
    ("Accept", "x"),
    ("X-A", "1"),
    ("X-A", "2"),
    ("X-B", "3"),
    ("Connection", "X-A, close"),
    ("Connection", "keep-alive"),
    ("Content-Length", "7"),
    ("TE", "trailers"),
    (":path", "/"),
    ("X-C", "é"),
    ("X-C", "€"),
    ("traceparent", "00-1"),
    ("traceparent", "00-2"),
    ("Connection", "traceparent"),
]


@given(st.lists(st.lists(st.sampled_from(PAIRS), max_size=4).map(tuple), min_size=1, max_size=12))
def test_what_is_remembered_changes_no_request(many: list[tuple[tuple[str, str], ...]]) -> None:
    blocks: Blocks = {}
    for headers in many:
        request = Request("GET", "/", headers)
        assert encode_request(request, b"h", blocks) == encode_request(request, b"h")


def test_what_is_remembered_lets_no_injection_through() -> None:
    blocks: Blocks = {}
    for _ in range(3):
        encode_request(Request("GET", "/", (("A", "b"), ("C", "d"))), b"h", blocks)
        for bad in ((("A", "b"), ("C", "d\r\nE: f")), (("A", "b\n"), ("C", "d")), (("A", "b"), ("C:", "d"))):
            with pytest.raises(ValueError, match="header"):
                encode_request(Request("GET", "/", bad), b"h", blocks)


def test_remembering_has_a_bound() -> None:
    blocks: Blocks = {}
    for number in range(5000):
        encode_request(Request("GET", "/", (("A", str(number)), ("C", "d"))), b"h", blocks)
    assert len(blocks) < 2000
