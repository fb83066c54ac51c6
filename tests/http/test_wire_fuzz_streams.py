"""Whatever comes in whatever pieces: what is passed on while it arrives is what would have been read as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_wire_fuzz import REQUESTS, RESPONSES, FakeLoop, Transport, conversations, outcome, pieces_of

from verifier.http import request_reader
from verifier.http.handler import Peer, Reply
from verifier.http.message import Request, Response
from verifier.http.pipe import Pipe
from verifier.http.server import Listener, ServerConnection
from verifier.http.streaming import StreamConnection

STREAMS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na: 1\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHTTP/1.1 200",
]
OFFERS = [
    b"GET /w HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST /w HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab",
    b"POST /b HTTP/1.0\r\nContent-Length: 20\r\n\r\n01234567890123456789",
]


class Clock(FakeLoop):
    """Timers that are called when the test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, _delay: float, what: Callable[[], None]) -> FakeLoop:
        self.due.append(what)
        return self


def read_ended(pipe: Pipe) -> bytes:
    """What an ended pipe still brings; reading it waits for nothing."""
    try:
        pipe.read().send(None)
    except StopIteration as end:
        return bytes(end.value)
    raise AssertionError("an ended body is waited for")


def streamed(pieces: list[bytes], large: int, late: bool) -> tuple[str, Response | None]:
    """As `outcome`, of a connection that hands answers over beyond `large` bytes, and if `late` after every piece."""
    transport, clock = Transport(), Clock()
    connection = StreamConnection(clock, lambda: 0.0, 1 << 20)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.expect_streaming(False, 1.0, 1.0, large)
    for piece in pieces:
        if transport.closed:
            break
        connection.data_received(piece)
        while late and clock.due:
            clock.due.pop()()
    if not transport.closed:
        connection.eof_received()
    connection.connection_lost(None)
    assert connection.over()
    if connection.pipe is None:
        return next_result(connection), connection.response
    pipe = connection.pipe
    body, how = read_ended(pipe), pipe.how
    assert read_ended(pipe) == b""
    assert how is not None, "what is handed over ends with its connection"
    head = connection.handed_over
    assert head is not None
    return how, None if how else Response(head.status, head.headers, body)


def next_result(connection: StreamConnection) -> str:
    try:
        next(connection.__await__())
    except StopIteration as end:
        return str(end.value)
    raise AssertionError("a finished request is awaited for ever")


class TransferableTransport(Transport):
    """A transport that can change hands."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


class Echo:
    """Says back what it hears (a `ProtocolSwitch`)."""

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while heard := await reader.read(100):
            writer.write(heard)

    def finish(self) -> None: ...


class SingleBytes:
    """An answer in pieces of one byte (a `Stream`)."""

    def __init__(self, data: bytes) -> None:
        self.length = None
        self.left = list(data)

    async def next(self) -> bytes:
        return bytes([self.left.pop(0)]) if self.left else b""

    def how(self) -> str:
        return ""

    def stop(self, _why: str) -> None:
        self.left.clear()

    def finish(self) -> None: ...


async def served(pieces: list[bytes], streams: bool) -> tuple[list[Request], bytes]:
    """The whole requests that a server makes of these pieces, and what it answers."""
    received: list[Request] = []

    async def handler(request: Request, peer: Peer) -> Reply:
        body = request.body
        if peer.offers_websocket:
            return Reply(None, switch=Echo())
        if peer.upload is not None:
            while piece := await peer.upload.read():
                body += piece
            if peer.upload.how:
                return Reply(None)
        received.append(Request(request.method, request.target, request.headers, body))
        return Reply(Response(200), stream=SingleBytes(body)) if streams else Reply(Response(200, (), body))

    listener = Listener(handler, None, 10_000, 10_000, streams=streams)
    transport = TransferableTransport()
    connection = ServerConnection(listener, asyncio.get_running_loop())
    transport.protocol = connection
    connection.connection_made(transport)  # type: ignore[arg-type]
    for piece in pieces:
        if not transport.closed:
            transport.protocol.data_received(piece)
            for _ in range(3):  # timers that are due, and what they wake
                await asyncio.sleep(0)
    while (task := connection.finish()) is not None:
        await asyncio.wait((task,))
    assert transport.closed
    assert listener.failures == 0
    transport.protocol.connection_lost(None)
    return received, transport.written


def shorten_patience(patch: Callable[[object, str, object], None]) -> None:
    patch(request_reader, "PATIENCE", 0.0)
    patch(request_reader, "LARGE", 8)


@pytest.fixture(scope="module", autouse=True)
def short_patience() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        shorten_patience(patch.setattr)
        yield


def check_response(pieces: list[bytes], large: int, late: bool) -> None:
    assert streamed(pieces, large, late) == outcome(pieces)


async def check_requests(pieces: list[bytes]) -> None:
    whole, _ = await served(pieces, False)
    streaming, _ = await served(pieces, True)
    if b"upgrade" not in b"".join(pieces).lower():  # else a WebSocket may be taken, and ends the requests
        assert streaming == whole


@settings(max_examples=600, deadline=None)
@given(conversations(RESPONSES + STREAMS), st.lists(st.integers(0, 500), max_size=6), st.integers(0, 20), st.booleans())
def test_an_answer_handed_over_is_the_answer(data: bytes, cuts: list[int], large: int, late: bool) -> None:
    check_response(pieces_of(data, cuts), large, late)


@settings(max_examples=300, deadline=None)
@given(conversations(REQUESTS + OFFERS), st.lists(st.integers(0, 500), max_size=6))
def test_a_request_handed_on_is_the_request(data: bytes, cuts: list[int]) -> None:
    asyncio.run(check_requests(pieces_of(data, cuts)))


def test_the_samples_stream() -> None:
    for sample in STREAMS:
        pieces = [sample[:-10], sample[-10:]]
        for large, late in ((4, False), (1000, True)):
            how, response = streamed(pieces, large, late)
            assert (how, response is None) == ("", False)
    received, said = asyncio.run(served([OFFERS[0] + b"hello", b"world"], True))
    assert (received, said) == ([], b"helloworld")
    received, said = asyncio.run(served([OFFERS[2][:-10], OFFERS[2][-10:]], True))
    assert ([one.body for one in received], said.startswith(b"HTTP/1.1 200 ")) == ([b"01234567890123456789"], True)
