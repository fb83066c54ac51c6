"""Header and framing rules: the same for client, server, gateway and recorder."""

from __future__ import annotations

import asyncio

import pytest

from verifier.http.encode import encode_request
from verifier.http.framing import Framing, chunk, request_framing, response_framing
from verifier.http.h1 import BrokenMessage, HeadTooLarge, MessageHead, MessageParser
from verifier.http.headers import HOP_BY_HOP, PER_CONNECTION, end_to_end
from verifier.http.message import Headers, Request
from verifier.http.pipe import Pipe
from verifier.http.request_reader import Limits, ReceivedRequest, RequestReader
from verifier.http.upgrade import offers_websocket

MIXED: Headers = (
    ("Host", "h"),
    ("Connection", "X-Private, close, HOST"),
    ("Keep-Alive", "timeout=5"),
    ("X-Private", "1"),
    ("Transfer-Encoding", "chunked"),
    ("X-Public", "2"),
)


def test_the_client_and_a_proxy_send_the_same_headers() -> None:
    forwarded = end_to_end(MIXED)
    assert forwarded == (("Host", "h"), ("X-Public", "2"))
    assert encode_request(Request("GET", "/", MIXED), b"h") == b"GET / HTTP/1.1\r\nHost: h\r\nX-Public: 2\r\n\r\n"
    assert encode_request(Request("GET", "/", forwarded), b"h") == encode_request(Request("GET", "/", MIXED), b"h")
    assert HOP_BY_HOP < PER_CONNECTION


@pytest.mark.parametrize("name", sorted(PER_CONNECTION))
def test_no_header_of_one_connection_is_forwarded(name: str) -> None:
    headers = (("A", "b"), (name.title(), "x"))
    assert end_to_end(headers) == headers[:1]
    assert name.title().encode() not in encode_request(Request("GET", "/", headers), b"h")


@pytest.mark.parametrize(
    ("status", "bodiless", "headers", "expected"),
    [
        (200, False, (("content-length", "12"),), ("length", 12)),
        (200, False, (("Transfer-Encoding", "chunked"),), ("chunked", 0)),
        (200, False, (("X-Content-Length", "3"),), ("close", 0)),
        (200, True, (("Content-Length", "12"),), ("none", 0)),
        (101, False, (), ("none", 0)),
        (204, False, (("Content-Length", "3"),), ("none", 0)),
        (304, False, (("Content-Length", "3"),), ("none", 0)),
    ],
)
def test_response_framing(status: int, bodiless: bool, headers: Headers, expected: tuple[Framing, int]) -> None:
    assert response_framing(status, headers, bodiless) == expected


def test_request_framing() -> None:
    assert request_framing(()) == ("none", 0)
    assert request_framing((("Content-Length", "0"),)) == ("length", 0)
    assert request_framing((("TRANSFER-ENCODING", "chunked"),)) == ("chunked", 0)
    assert chunk(b"0123456789abcdef") == b"10\r\n0123456789abcdef\r\n"


@pytest.mark.parametrize(
    ("extra", "offered"),
    [((), True), ((("Content-Length", "0"),), True), ((("Content-Length", "1"),), False),
     ((("Transfer-Encoding", "chunked"),), False)],
)  # fmt: skip
def test_a_websocket_is_offered_without_a_body(extra: Headers, offered: bool) -> None:
    assert offers_websocket("GET", (("Upgrade", " WebSocket "), *extra)) is offered
    assert not offers_websocket("POST", (("Upgrade", "websocket"), *extra))


class Events:
    """Keeps what a parser reports."""

    def __init__(self) -> None:
        self.heads: list[MessageHead] = []
        self.body = b""
        self.ends = 0

    def on_head(self, head: MessageHead) -> None:
        self.heads.append(head)

    def on_piece(self, data: bytes) -> None:
        self.body += data

    def on_end(self) -> None:
        self.ends += 1


def test_a_parser_reports_heads_bodies_and_ends() -> None:
    events = Events()
    parser = MessageParser("response", events, 1000)
    parser.feed(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")
    assert [(head.status, head.headers, head.framing) for head in events.heads] == [
        (200, (("Content-Length", "3"),), "length")
    ]
    assert (events.body, events.ends, parser.end_of_stream()) == (b"ab", 0, False)
    parser.feed(b"cHTTP/1.1 200 OK\r\n\r\nrest")
    assert (events.body, events.ends) == (b"abcrest", 1)
    assert parser.end_of_stream()
    assert events.ends == 2


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nA: " + b"b" * 100, b"GET /" + b"a" * 100])
def test_a_head_beyond_the_limit(data: bytes) -> None:
    MessageParser("request", Events(), len(data)).feed(data)
    with pytest.raises(HeadTooLarge):
        MessageParser("request", Events(), len(data) - 1).feed(data)


def test_what_is_no_http() -> None:
    with pytest.raises(BrokenMessage, match="garbage"):
        MessageParser("request", Events(), 100).feed(b"\x00\x01")


def test_thousands_of_pipelined_upgrades_are_ignored_one_after_the_other() -> None:
    received: list[ReceivedRequest | int] = []
    offer = b"GET /%d HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

    async def main() -> None:
        def no_pipe() -> Pipe:
            raise AssertionError("no body arrives late")

        loop = asyncio.get_running_loop()
        reader = RequestReader(Limits(1 << 20, 1000, False), loop, received.append, lambda: None, no_pipe)
        reader.feed(b"".join(offer % number for number in range(3000)))

    asyncio.run(main())
    targets = [item.request.target if isinstance(item, ReceivedRequest) else item for item in received]
    assert targets == [f"/{number}" for number in range(3000)]
