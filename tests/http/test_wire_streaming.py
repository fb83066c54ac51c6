"""Bodies on their way: pipes, what a server reads ahead of them, and what a client may take for known."""

from __future__ import annotations

import asyncio

import pytest
from wire_peers import LOOPS, on_loop, raw_server, read_head

from verifier.http.client import WireClient
from verifier.http.handler import Peer, Reply
from verifier.http.message import Request, Response
from verifier.http.pipe import HIGH_WATER, Pipe
from verifier.http.server import serve
from verifier.http.streaming import OpenResponse, send_streaming

GET = Request("GET", "/")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Tap:
    """A source that knows whether it is paused."""

    def __init__(self) -> None:
        self.paused = self.closing = False

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False

    def is_closing(self) -> bool:
        return self.closing


def test_a_pipe_brings_everything_and_then_its_end() -> None:
    async def main() -> None:
        pipe = Pipe(Tap())
        pipe.feed(b"a")
        pipe.feed(b"")
        pipe.feed(b"b")
        assert await pipe.read() == b"ab"
        reading = asyncio.ensure_future(pipe.read())
        await asyncio.sleep(0)
        assert not reading.done()
        pipe.feed(b"c")
        assert await reading == b"c"
        pipe.feed(b"d")
        pipe.end("reset")
        pipe.end("")
        pipe.feed(b"too late")
        assert (await pipe.read(), await pipe.read(), pipe.how, pipe.size) == (b"d", b"", "reset", 4)

    asyncio.run(main())


def test_a_pipe_pauses_its_source_until_it_is_read() -> None:
    async def main() -> None:
        tap = Tap()
        pipe = Pipe(tap)
        pipe.feed(b"x" * HIGH_WATER)
        assert not tap.paused
        for _ in "12":
            pipe.feed(b"x")
            assert tap.paused
        await pipe.read()
        assert not tap.paused
        pipe.feed(b"x" * (HIGH_WATER + 1))
        pipe.stop("closed")
        assert not tap.paused, "a connection that is kept must be read from again"
        assert (await pipe.read(), pipe.how) == (b"", "closed")

    asyncio.run(main())


@pytest.mark.parametrize("loop", sorted(LOOPS))
def test_a_long_request_is_read_no_faster_than_it_is_taken(loop: str) -> None:
    """The caller cannot get rid of an endless body that nobody takes; taken, it flows."""
    taking = asyncio.Event()
    given: list[Pipe] = []

    async def handler(_request: Request, peer: Peer) -> Reply:
        assert peer.upload is not None
        given.append(peer.upload)
        await taking.wait()
        while await peer.upload.read():
            pass
        return Reply(Response(200, (), b"%d" % peer.upload.size))

    async def main() -> None:
        listener = await serve(handler, "127.0.0.1", streams=True, max_body=1000)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.transport.set_write_buffer_limits(0)
        size = 64 << 20
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        while not given or given[0].buffered <= HIGH_WATER:  # noqa: ASYNC110 - the other side is a transport
            await asyncio.sleep(0.002)
        waiting = given[0].buffered
        for _ in range(20):
            await asyncio.sleep(0)
        assert (given[0].buffered, writer.transport.get_write_buffer_size() > 0) == (waiting, True)
        taking.set()
        assert b"\r\n\r\n%d" % size in await reader.read(1000)
        writer.close()
        await listener.close()

    on_loop(loop, main)


@pytest.mark.parametrize("loop", sorted(LOOPS))
@pytest.mark.parametrize(
    "parts", [(b"5\r\nhello\r\n", b"5\r\nworld\r\n0\r\n\r\n", b"helloworld"), (b"", b"0\r\n\r\n", b"")]
)
def test_a_chunked_answer_in_pieces_is_the_same_each_time(loop: str, parts: tuple[bytes, bytes, bytes]) -> None:
    """Its first piece can be as long as its body: that must not be learned as the length that its head declares."""
    first, second, body = parts

    async def main() -> list[bytes]:
        go_on = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
            while True:
                await read_head(reader)
                writer.write(CHUNKED + first)
                await go_on.wait()
                writer.write(second)

        async with raw_server(script) as server:
            client = WireClient()
            found = []
            for _ in range(3):
                go_on.clear()
                task = asyncio.ensure_future(
                    send_streaming(client, "127.0.0.1", server.port, GET, timeout=10.0, patience=0.0)
                )
                begun = await task
                assert isinstance(begun, OpenResponse)
                go_on.set()
                got = b""
                while piece := await begun.body.read():
                    got += piece
                assert begun.body.how == ""
                begun.release()
                found.append(got)
            assert server.connections == 1
            for _ in range(3):
                go_on.clear()
                asyncio.get_running_loop().call_later(0.02, go_on.set)  # a packet of its own
                answer = await client.send("127.0.0.1", server.port, GET)
                assert answer.response is not None, answer.error
                found.append(answer.response.body)
            await client.close()
            return found

    assert on_loop(loop, main) == [body] * 6


@pytest.mark.parametrize("loop", sorted(LOOPS))
def test_silence_in_an_answer_of_declared_length_is_a_timeout_and_else_is_not(loop: str) -> None:
    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" if not number else CHUNKED + b"1\r\nx\r\n")
            await reader.read()

        async with raw_server(script) as server:
            client = WireClient()
            ends = []
            for _ in "12":
                begun = await send_streaming(client, "127.0.0.1", server.port, GET, timeout=0.2, patience=0.0)
                assert isinstance(begun, OpenResponse)
                await begun.body.read()
                reading = asyncio.ensure_future(begun.body.read())
                await asyncio.wait((reading,), timeout=0.6)
                ends.append((reading.done(), begun.body.how))
                begun.release()
                assert await reading == b""
            assert ends == [(True, "timeout"), (False, None)]
            await client.close()

    on_loop(loop, main)


@pytest.mark.parametrize("loop", sorted(LOOPS))
def test_nothing_that_begins_is_a_timeout(loop: str) -> None:
    async def main() -> None:
        async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _number: int) -> None:
            await reader.read()

        async with raw_server(script) as server:
            client = WireClient()
            answer = await send_streaming(client, "127.0.0.1", server.port, GET, timeout=0.05)
            assert not isinstance(answer, OpenResponse)
            assert (answer.error, answer.sent, answer.response) == ("timeout", True, None)
            await client.close()
            gone = await send_streaming(client, "127.0.0.1", 1, GET, timeout=1.0)
            assert not isinstance(gone, OpenResponse)
            assert (gone.error, gone.sent) == ("refused", False)

    on_loop(loop, main)
