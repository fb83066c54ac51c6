"""Whatever the other side says, in whatever pieces: always an outcome, never an exception, never silence."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.http.connection import Connection
from verifier.http.h1 import BrokenMessage
from verifier.http.h2 import Http2Connection
from verifier.http.handler import Peer, Reply
from verifier.http.head_cache import known_heads
from verifier.http.headers import decode_headers
from verifier.http.message import Request, Response
from verifier.http.message_reader import MessageReader
from verifier.http.server import Listener, ServerConnection
from verifier.http.state import ConnectionState

RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA:\tb\r\n\r\n2\r\nab\r\n0\r\nT: 1\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nto the end",
    b"\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\x00\x01",
    b"HTTP/1.1 304 Not Modified\r\nETag: \xe9\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
]
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /u HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
]


class Transport:
    """A transport that keeps what is written and closes when it is told to."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else self if name == "socket" else None

    def fileno(self) -> int:
        return 0

    def setsockopt(self, *_: object) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, *_: object) -> None:
        pass


class FakeLoop:
    """The part of a loop that a connection uses by itself."""

    def time(self) -> float:
        return 0.0

    def call_at(self, _when: float, _what: object) -> FakeLoop:
        return self

    def call_soon(self, _what: object) -> None:
        pass

    def cancel(self) -> None:
        pass


def feed(connection: Connection, transport: Transport, pieces: list[bytes]) -> None:
    """The other side says this, and closes."""
    for piece in pieces:
        if transport.closed:
            break
        connection.data_received(piece)
    if not transport.closed:
        connection.eof_received()
    connection.connection_lost(None)


def outcome(pieces: list[bytes], head_only: bool = False) -> tuple[str, Response | None]:
    """What a client makes of these pieces, after which the other side closes."""
    transport = Transport()
    connection = Connection(FakeLoop(), lambda: 0.0, 1000)  # type: ignore[arg-type]
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.expect(head_only, 1.0)
    feed(connection, transport, pieces)
    assert connection.over()
    assert connection.state is ConnectionState.CLOSED
    try:
        next(connection.__await__())
    except StopIteration as end:
        return end.value, connection.response
    raise AssertionError("a finished request is awaited for ever")


def outcome_of_third_request(pieces: list[bytes]) -> tuple[str, Response | None]:
    """The same where another request had been answered before on the connection, and its taker hears of both."""
    transport, ended = Transport(), []
    connection = Connection(FakeLoop(), lambda: 0.0, 1000)  # type: ignore[arg-type]
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.set_callback(lambda conn: ended.append((conn.how, conn.response)))
    connection.expect(False, 1.0)
    for _ in range(2):  # the second time by what is known of the first
        connection.data_received(KNOWN + b"xy")
        connection.follow(b"", 1.0)
    assert [how for how, _ in ended] == ["", ""]
    feed(connection, transport, pieces)
    assert len(ended) == 3, "told once of each"
    return ended[-1]


KNOWN = b"HTTP/1.1 200 OK\r\nX-Known: yes\r\nContent-Length: 2\r\n\r\n"


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@st.composite
def mutated(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """Valid messages one after the other, with some bytes exchanged, put in or left out."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(samples), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 5)))
        data[start:end] = draw(
            st.one_of(st.binary(max_size=5), st.sampled_from([b"\r\n", b"\r\n\r\n", b": ", b"0\r\n"]))
        )
    return bytes(data)


def conversations(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.binary(max_size=200), mutated(samples))


@settings(max_examples=400, deadline=None)
@given(conversations(RESPONSES), st.lists(st.integers(0, 500), max_size=6), st.booleans())
def test_any_answer_has_one_outcome_however_it_is_cut(data: bytes, cuts: list[int], head_only: bool) -> None:
    how, response = outcome(pieces_of(data, cuts), head_only)
    assert how in ("", "closed", "garbage")
    assert (response is None) == (how != "")
    assert outcome([bytes([byte]) for byte in data], head_only) == outcome([data] if data else [], head_only)
    assert outcome_of_third_request(pieces_of(data, cuts)) == outcome(pieces_of(data, cuts))


class Reference:
    """The same answer, gathered from every callback of the parser, one call for each header."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.head: tuple[int, Any] | None = None
        self.body = b""
        self.whole: list[Response] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is None:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.head = (self.parser.get_status_code(), decode_headers(self.headers))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        assert self.head is not None
        self.whole.append(Response(*self.head, self.body))
        self.headers, self.head, self.body = [], None, b""

    def first(self, data: bytes) -> Response | None:
        """The first final answer in the data, after which the connection ends."""
        with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.parser.feed_data(data)
            if self.head is not None and not {"content-length", "transfer-encoding"} & {
                name.lower() for name, _ in self.head[1]
            }:
                self.on_message_complete()
        return next((one for one in self.whole if one.status >= 200 or one.status == 101), None)


@settings(max_examples=600, deadline=None)
@given(conversations(RESPONSES))
def test_answers_are_what_the_parser_reports(data: bytes) -> None:
    how, response = outcome([data] if data else [])
    assert response == Reference().first(data)
    assert (how == "") == (response is not None)


def test_the_samples_are_answers() -> None:
    assert all(outcome([sample])[0] == "" for sample in RESPONSES)


@settings(max_examples=300, deadline=None)
@given(conversations(REQUESTS), st.lists(st.integers(0, 500), max_size=6))
def test_any_request_is_answered_or_refused(data: bytes, cuts: list[int]) -> None:
    received: list[Request] = []

    async def handler(request: Request, _peer: Peer) -> Reply:
        received.append(request)
        return Reply(Response(200, (), request.body))

    async def main() -> tuple[bytes, int]:
        listener = Listener(handler, None, 10_000, 100)
        transport = Transport()
        connection = ServerConnection(listener, asyncio.get_running_loop())
        connection.connection_made(transport)  # type: ignore[arg-type]
        for piece in pieces_of(data, cuts):
            if not transport.closed:
                connection.data_received(piece)
        while (task := connection.finish()) is not None:
            await task
        assert transport.closed
        connection.connection_lost(None)
        return transport.written, listener.failures

    written, failures = asyncio.run(main())
    assert failures == 0
    assert written.count(b"HTTP/1.1 200 ") >= len(received) - written.count(b"HTTP/1.1 4")


@settings(max_examples=300, deadline=None)
@given(st.one_of(conversations(REQUESTS), conversations(RESPONSES)), st.booleans(), st.booleans())
def test_the_recorders_reader_ends_or_says_what_is_broken(data: bytes, request: bool, head_only: bool) -> None:
    async def main() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(data)
        stream.feed_eof()
        reader = MessageReader(stream, "request" if request else "response")
        try:
            while (head := await reader.head(head_only and not request)) is not None:
                if head.upgrade:
                    if not request or head.method == "CONNECT":
                        return
                    reader.ignore_upgrade()
                async for piece in reader.body():
                    assert piece
        except BrokenMessage as broken:
            assert str(broken) in ("closed", "garbage")

    asyncio.run(main())


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda rest: b"\0\0\0\4\0\0\0\0\0" + rest)))
def test_any_http2_bytes_end_or_wait(data: bytes) -> None:
    async def main() -> None:
        transport = Transport()
        connection = Http2Connection(asyncio.get_running_loop(), lambda: 0.0, 1000)
        connection.connection_made(transport)  # type: ignore[arg-type]
        headers = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/")]
        _, stream = connection.open(headers, True, None)
        connection.data_received(data)
        connection.connection_lost(None)
        assert await stream.done in ("", "closed", "garbage", "reset", "refused")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("data", "head_only", "expected"),
    [
        (KNOWN + b"ab", False, ("", b"ab")),
        (KNOWN + b"", False, ("closed", None)),
        (KNOWN + b"a", False, ("closed", None)),
        (KNOWN + b"", True, ("", b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + KNOWN + b"cd", False, ("", b"cd")),
        (b"\r\n" + KNOWN + b"ef", False, ("", b"ef")),
    ],
)
def test_a_known_head_means_the_same_again(data: bytes, head_only: bool, expected: tuple[str, bytes | None]) -> None:
    assert outcome([KNOWN + b"xy"]) == outcome([KNOWN + b"xy"])
    assert KNOWN in known_heads
    how, response = outcome([data] if data else [], head_only)
    assert (how, response.body if response else None) == expected
