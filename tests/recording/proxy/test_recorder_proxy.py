"""The recording proxy between a client and a service, both spoken byte by byte."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import uvloop

from verifier.http.client import WireClient
from verifier.http.message import Request, Response, header
from verifier.recording.proxy import ObservedExchange, Recorder, Upstream

T = TypeVar("T")
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main(), 20))


class Rig:
    def __init__(self) -> None:
        self.seen: list[ObservedExchange] = []
        self.heads: list[bytes] = []
        self.port = 0
        self.recorder: Recorder
        self.added = asyncio.Event()

    def keep(self, seen: ObservedExchange) -> None:
        self.seen.append(seen)
        self.added.set()

    async def connect(self) -> Stream:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def one(self) -> ObservedExchange:
        await self.added.wait()
        return self.seen[-1]


@asynccontextmanager
async def rig(script: Script, **options: Any) -> AsyncIterator[Rig]:
    made = Rig()
    tasks: set[asyncio.Task[Any] | None] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made.recorder = Recorder(made.keep, **options)
    made.port = await made.recorder.start("127.0.0.1", 0, Upstream("127.0.0.1", port))
    try:
        yield made
    finally:
        await made.recorder.close(grace=0.2)
        server.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*[task for task in tasks if task is not None], return_exceptions=True)
        assert made.recorder.lost == 0


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(*parts: bytes, close: bool = False, heads: list[bytes] | None = None) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await head_of(reader)
            if heads is not None:
                heads.append(head)
            for part in parts:
                writer.write(part)
                await writer.drain()
            if close:
                return

    return script


def test_keep_alive_requests_pass_and_are_kept_in_order() -> None:
    heads: list[bytes] = []
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"

    async def main() -> list[ObservedExchange]:
        async with rig(answering(ok, heads=heads)) as made:
            client = WireClient()
            headers = (("Host", "shop"), ("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Cookie", "a=b"))
            for number in range(3):
                answer = await client.send("127.0.0.1", made.port, Request("GET", f"/{number}?q=1", headers))
                assert answer.response == Response(
                    200, (("Content-Type", "text/plain"), ("Content-Length", "2")), b"hi"
                )
            await client.close()
            return made.seen

    seen = run(main)
    assert [one.exchange.request.target for one in seen] == ["/0?q=1", "/1?q=1", "/2?q=1"]
    assert [one.exchange.response.body for one in seen] == [b"hi"] * 3
    assert all(one.note == "" and one.client == "127.0.0.1" and one.connection == "1" for one in seen)
    assert heads[0] == b"GET /0?q=1 HTTP/1.1\r\nHost: shop\r\nCookie: a=b\r\n\r\n"
    assert seen[0].exchange.at <= seen[1].exchange.at


def test_chunked_both_ways() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        assert b"Transfer-Encoding: chunked" in head
        body = await reader.readuntil(b"0\r\n\r\n")
        assert body.replace(b"\r\n", b"").count(b"abc") == 1
        writer.write(
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n2\r\n12\r\n0\r\nT: 1\r\n\r\n"
        )

    async def main() -> tuple[bytes, ObservedExchange]:
        async with rig(script) as made:
            reader, writer = await made.connect()
            writer.write(b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
            assert await head_of(reader) == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"3\r\nabc\r\n0\r\n\r\n")
            got = await reader.readuntil(b"0\r\n\r\n")
            writer.close()
            return got, await made.one()

    got, seen = run(main)
    assert got.startswith(b"HTTP/1.1 201 ")
    assert b"3\r\nxyz\r\n" in got
    assert (seen.exchange.request.body, seen.exchange.response.body) == (b"abc", b"xyz12")


def test_large_bodies_stream_and_are_capped_with_a_note() -> None:
    size = 3_000_000

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 1000):
            writer.write(b"y" * 1000)
            await writer.drain()

    async def main(limit: int) -> ObservedExchange:
        async with rig(script, body_limit=limit) as made:
            answer = await WireClient().send("127.0.0.1", made.port, Request("PUT", "/", (), b"x" * size))
            assert answer.response is not None
            assert answer.response.body == b"y" * size
            return await made.one()

    whole = run(lambda: main(size))
    assert (len(whole.exchange.request.body), len(whole.exchange.response.body), whole.note) == (size, size, "")
    capped = run(lambda: main(1000))
    assert capped.exchange.response.status == 0  # the request cannot be sent again
    assert f"request's body of {size} bytes" in capped.note


def test_a_capped_answer_tells_its_true_size() -> None:
    async def main() -> ObservedExchange:
        async with rig(
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"z" * 5000), body_limit=99
        ) as made:
            await WireClient().send("127.0.0.1", made.port, Request("GET", "/"))
            return await made.one()

    seen = run(main)
    assert (seen.exchange.response.status, seen.exchange.response.body, seen.response_size) == (200, b"", 5000)
    assert "5000 bytes" in seen.note


def test_a_piece_passes_before_the_next_one_exists() -> None:
    """Streaming: the service only goes on once the client has seen the first event."""

    async def main() -> ObservedExchange:
        saw = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            await saw.wait()
            writer.write(b"data: 2\n\n")

        async with rig(script) as made:
            reader, writer = await made.connect()
            writer.write(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"Transfer-Encoding: chunked" in await head_of(reader)
            assert await reader.readuntil(b"data: 1\n\n\r\n")
            saw.set()
            assert (await reader.readuntil(b"0\r\n\r\n")).count(b"data: 2") == 1
            writer.close()
            return await made.one()

    seen = run(main)
    assert seen.kind == "eventsource"
    assert seen.exchange.response.body == b"data: 1\n\ndata: 2\n\n"


def test_a_client_that_leaves_a_quiet_event_stream_ends_it_at_the_service() -> None:
    async def main() -> ObservedExchange:
        hung_up = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            with suppress(ConnectionError):
                await reader.read()
            hung_up.set()

        async with rig(script) as made:
            reader, writer = await made.connect()
            writer.write(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
            await reader.readuntil(b"data: 1\n\n\r\n")
            writer.close()
            await hung_up.wait()
            return await made.one()

    seen = run(main)
    assert (seen.kind, seen.exchange.response.status) == ("eventsource", 200)
    assert seen.exchange.response.body == b"data: 1\n\n"
    assert "the client left" in seen.note


def test_websocket_passes_through_and_is_marked() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        assert b"Sec-WebSocket-Key: abc" in head
        assert b"upgrade: websocket" in head.lower()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi")
        writer.write(b"echo:" + await reader.readexactly(4))
        await reader.read()

    async def main() -> ObservedExchange:
        async with rig(script) as made:
            reader, writer = await made.connect()
            writer.write(
                b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Key: abc\r\n\r\n"
            )
            assert b" 101 " in await head_of(reader)
            writer.write(b"\x00\xff\r\n")
            assert await reader.readuntil(b"\x00\xff\r\n") == b"\x81\x02hiecho:\x00\xff\r\n"
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            return await made.one()

    seen = run(main)
    assert (seen.kind, seen.exchange.response.status, seen.note) == ("websocket", 101, "")


def test_open_websocket_and_stream_are_kept_when_the_recording_ends() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/ws" in await head_of(reader):
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await reader.read()

    async def main() -> list[ObservedExchange]:
        async with rig(script) as made:
            reader, writer = await made.connect()
            writer.write(b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            await head_of(reader)
            reader2, writer2 = await made.connect()
            writer2.write(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
            await reader2.readuntil(b"data: 1\n\n\r\n")
            await made.recorder.close(grace=30)
            writer.close()
            writer2.close()
            return made.seen

    seen = run(main)
    assert {(one.kind, one.exchange.response.status) for one in seen} == {("websocket", 101), ("eventsource", 200)}


def test_a_refused_websocket_is_an_ordinary_answer() -> None:
    no = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

    async def main() -> list[ObservedExchange]:
        async with rig(answering(no)) as made:
            reader, writer = await made.connect()
            upgrade = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            writer.write(upgrade + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"403" in await head_of(reader)
            assert b"403" in await head_of(reader)
            writer.close()
            return made.seen

    assert [one.exchange.request.target for one in run(main)] == ["/ws", "/next"]


def test_an_offered_h2c_upgrade_is_not_passed_on() -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await head_of(reader))
        body = await reader.readexactly(3)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body)

    async def main() -> ObservedExchange:
        async with rig(script) as made:
            reader, writer = await made.connect()
            writer.write(
                b"POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                b"HTTP2-Settings: AAMA\r\nContent-Length: 3\r\n\r\nabc"
            )
            await head_of(reader)
            assert await reader.readexactly(3) == b"abc"
            writer.close()
            return await made.one()

    assert run(main).exchange.request.body == b"abc"
    assert b"pgrade" not in heads[0]
    assert b"ettings" not in heads[0]


def test_head_and_empty_answers() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in (b"200 OK\r\nContent-Length: 700", b"304 Not Modified\r\nETag: x", b"204 No Content"):
            await head_of(reader)
            writer.write(b"HTTP/1.1 " + part + b"\r\n\r\n")

    async def main() -> list[ObservedExchange]:
        async with rig(script) as made:
            client = WireClient()
            for method in ("HEAD", "GET", "DELETE"):
                answer = await client.send("127.0.0.1", made.port, Request(method, "/"), connection="one")
                assert answer.error == ""
                assert answer.response is not None
                assert (method != "HEAD") or header(answer.response.headers, "content-length") == "700"
            return made.seen

    assert [one.exchange.response.status for one in run(main)] == [200, 304, 204]


def test_a_service_that_closes_idle_connections_is_reconnected_to() -> None:
    once = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", close=True)

    async def main() -> list[ObservedExchange]:
        async with rig(once) as made:
            reader, writer = await made.connect()
            for _ in range(5):
                writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert b"200" in await head_of(reader)
                assert await reader.readexactly(2) == b"ok"
            writer.close()
            return made.seen

    assert [one.note for one in run(main)] == [""] * 5


def test_a_service_that_is_away_gives_502_and_no_answer_in_the_recording() -> None:
    async def main() -> ObservedExchange:
        seen: list[ObservedExchange] = []
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        recorder = Recorder(seen.append)
        bound = await recorder.start("127.0.0.1", 0, Upstream("127.0.0.1", port))
        answer = await WireClient().send("127.0.0.1", bound, Request("GET", "/"))
        assert answer.response is not None
        assert answer.response.status == 502
        await recorder.close()
        return seen[0]

    seen = run(main)
    assert seen.exchange.response.status == 0
    assert "refused" in seen.note


def test_a_service_that_breaks_off_or_talks_nonsense() -> None:
    async def main(part: bytes) -> tuple[str, ObservedExchange]:
        async with rig(answering(part, close=True)) as made:
            answer = await WireClient().send("127.0.0.1", made.port, Request("POST", "/", (), b"x"))
            status = str(answer.response.status) if answer.response else answer.error
            return status, await made.one()

    status, seen = run(lambda: main(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"))
    assert status in ("closed", "reset")
    assert (seen.exchange.response.status, seen.exchange.response.body) == (0, b"")
    status, seen = run(lambda: main(b"\x00\x01\x02 nonsense\r\n\r\n"))
    assert status == "502"
    assert "garbage" in seen.note


def test_a_client_that_talks_nonsense_is_told() -> None:
    async def main() -> tuple[bytes, list[ObservedExchange]]:
        async with rig(answering(b"")) as made:
            reader, writer = await made.connect()
            writer.write(b"\x16\x03\x01 not http\r\n\r\n")
            got = await reader.read()
            writer.close()
            return got, made.seen

    got, seen = run(main)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert seen == []


def test_half_a_request_never_looks_whole() -> None:
    bodies: list[bytes] = []

    async def main() -> ObservedExchange:
        ended = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head_of(reader)
            try:
                bodies.append(await reader.readuntil(b"0\r\n\r\n"))
            except (asyncio.IncompleteReadError, ConnectionError):
                bodies.append(b"cut")
            ended.set()

        async with rig(script) as made:
            _, writer = await made.connect()
            writer.write(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            writer.close()
            await ended.wait()
            return await made.one()

    seen = run(main)
    assert bodies == [b"cut"]
    assert seen.exchange.response.status == 0


def test_only_readable_codings_are_accepted_on_behalf_of_the_client() -> None:
    heads: list[bytes] = []
    packed = gzip.compress(b"hello")
    answer_head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)

    async def main() -> ObservedExchange:
        async with rig(answering(answer_head + packed, heads=heads)) as made:
            request = Request("GET", "/", (("Accept-Encoding", "br, gzip;q=0.8, zstd"),))
            answer = await WireClient().send("127.0.0.1", made.port, request)
            assert answer.response is not None
            assert gzip.decompress(answer.response.body) == b"hello"
            return await made.one()

    assert header(run(main).exchange.response.headers, "content-encoding") == "gzip"
    assert b"Accept-Encoding: gzip;q=0.8\r\n" in heads[0]


def test_when_nothing_can_be_kept_any_more_it_says_so() -> None:
    async def main() -> str:
        ok = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        server = await asyncio.start_server(ok, "127.0.0.1", 0)

        def full(_seen: ObservedExchange) -> None:
            raise OSError(28, "No space left on device")

        recorder = Recorder(full)
        upstream = Upstream("127.0.0.1", server.sockets[0].getsockname()[1])
        port = await recorder.start("127.0.0.1", 0, upstream)
        answer = await WireClient().send("127.0.0.1", port, Request("GET", "/"))
        assert answer.response is not None
        await recorder.failed.wait()
        await recorder.close()
        server.close()
        return str(recorder.error)

    assert "No space left" in run(main)
