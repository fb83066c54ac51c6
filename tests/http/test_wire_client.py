from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from wire_peers import LOOPS, on_loop, raw_server, read_head, responds_with

from verifier.http.client import ReleaseBarrier, SendResult, WireClient
from verifier.http.message import Request

GET = Request("GET", "/", (("Accept", "*/*"),))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.parametrize("loop", sorted(LOOPS))


def ask(loop: str, *parts: bytes, request: Request = GET, timeout: float = 5.0, **more: int) -> SendResult:
    async def main() -> SendResult:
        async with raw_server(responds_with(*parts)) as server:
            client = WireClient()
            answer = await client.send("127.0.0.1", server.port, request, timeout=timeout, **more)
            await client.close()
            return answer

    return on_loop(loop, main)


@pytest.mark.parametrize(
    ("parts", "status", "body"),
    [
        ([OK], 200, b"ok"),
        ([bytes([byte]) for byte in OK], 200, b"ok"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\n"],
            200,
            b"abc",
        ),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK], 200, b"ok"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"], 304, b""),
        ([b"HTTP/1.0 200 OK\r\n\r\nuntil ", b"the end"], 200, b"until the end"),
        ([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"], 200, b""),
        ([b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x02hi"], 101, b""),
        ([b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"], 999, b""),
    ],
)
def test_whole_answers(loop: str, parts: list[bytes], status: int, body: bytes) -> None:
    answer = ask(loop, *parts)
    assert answer.error == ""
    assert answer.response is not None
    assert (answer.response.status, answer.response.body) == (status, body)
    assert answer.started <= answer.answered


def test_headers_are_whole_and_trailers_are_not_headers(loop: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Raw: \xff \t\r\nEmpty:\r\n"
    answer = ask(loop, head + b"Transfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n")
    assert answer.response is not None
    assert answer.response.headers == (
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("X-Raw", "\xff"),
        ("Empty", ""),
        ("Transfer-Encoding", "chunked"),
    )


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([], "closed"),
        ([b"HTTP/1.1 200 OK\r\nContent-Le"], "closed"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"], "closed"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"], "closed"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], "closed"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "garbage"),
        ([b"\x15\x03\x01\x00\x02\x02\x50" * 10], "garbage"),
        ([b"HTTP/1.1 99999 Much\r\n\r\n"], "garbage"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"], "garbage"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"], "garbage"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], "garbage"),
        ([b"HTTP/1.1 200 OK\r\nA: " + b"x" * (2 << 20)], "head-too-large"),
        ([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1001 + b"\r\n"], "head-too-large"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000], "head-too-large"),
    ],
)
def test_broken_answers_are_words(loop: str, parts: list[bytes], error: str) -> None:
    answer = ask(loop, *parts)
    assert (answer.response, answer.error, answer.sent) == (None, error, True)


def test_head_answer_has_no_body(loop: str) -> None:
    answer = ask(loop, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", request=Request("HEAD", "/"))
    assert answer.error == ""
    assert answer.response is not None
    assert answer.response.body == b""


def test_refused_means_nothing_was_sent(loop: str) -> None:
    async def main() -> SendResult:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound but not listening: a connect is refused
            return await WireClient().send("127.0.0.1", taken.getsockname()[1], GET)

    answer = on_loop(loop, main)
    assert (answer.error, answer.sent) == ("refused", False)


def test_silence_is_a_timeout(loop: str) -> None:
    async def main() -> SendResult:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            await reader.read()

        async with raw_server(silent) as server:
            answer = await WireClient().send("127.0.0.1", server.port, GET, timeout=0.05)
            await server.ended.wait()  # the client closed the connection
            return answer

    answer = on_loop(loop, main)
    assert (answer.error, answer.sent) == ("timeout", True)


def test_a_shorter_timeout_counts_after_a_longer_one(loop: str) -> None:
    async def main() -> SendResult:
        async def first_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            await read_head(reader)
            writer.write(OK)
            await reader.read()

        async with raw_server(first_only) as server:
            client = WireClient()
            assert (await client.send("127.0.0.1", server.port, GET, timeout=500)).error == ""
            return await client.send("127.0.0.1", server.port, GET, timeout=0.05)

    answer = on_loop(loop, main)
    assert (answer.error, answer.reused) == ("timeout", True)


def test_a_reset_is_told_from_a_close(loop: str) -> None:
    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_head(reader)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def main() -> SendResult:
        async with raw_server(resets) as server:
            return await WireClient().send("127.0.0.1", server.port, GET)

    assert on_loop(loop, main).error == "reset"


def test_connections_are_reused_and_pinned(loop: str) -> None:
    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    async def main() -> None:
        async with raw_server(keeps) as server:
            client = WireClient()
            served = []
            for pin in (None, "a", None, "b", "a", "b"):
                answer = await client.send("127.0.0.1", server.port, GET, connection=pin)
                assert answer.response is not None
                served.append((answer.response.body, answer.reused))
            assert served == [
                (b"0", False),
                (b"1", False),
                (b"0", True),
                (b"2", False),
                (b"1", True),
                (b"2", True),
            ]
            client.forget("127.0.0.1", server.port)
            answer = await client.send("127.0.0.1", server.port, GET)
            assert answer.response is not None
            assert (answer.response.body, answer.reused) == (b"3", False)
            await client.close()

    on_loop(loop, main)


def test_an_old_idle_connection_is_not_reused(loop: str) -> None:
    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            await read_head(reader)
            writer.write(OK)

    async def main() -> None:
        now = [100.0]
        async with raw_server(keeps) as server:
            client = WireClient(clock=lambda: now[0], idle_limit=1.0)
            await client.send("127.0.0.1", server.port, GET)
            now[0] += 0.9
            assert (await client.send("127.0.0.1", server.port, GET)).reused
            now[0] += 1.1
            assert not (await client.send("127.0.0.1", server.port, GET)).reused

    on_loop(loop, main)


def test_keys_that_are_never_used_again_leave_no_connections_open(loop: str) -> None:
    async def main() -> None:
        now = [0.0]
        still_open = {"now": 0, "most": 0}

        async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            still_open["now"] += 1
            still_open["most"] = max(still_open.values())
            while await reader.read(1000):
                writer.write(OK)
            still_open["now"] -= 1

        async with raw_server(keeps) as server:
            client = WireClient(clock=lambda: now[0])
            for number in range(1500):
                answer = await client.send("127.0.0.1", server.port, GET, connection=number)
                assert (answer.error, answer.reused) == ("", False)
                now[0] += 0.1
            assert still_open["most"] < 300
            assert (await client.send("127.0.0.1", server.port, GET, connection=1499)).reused
            await client.close()

    on_loop(loop, main)


@pytest.mark.parametrize("extra", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
def test_a_close_while_idle_is_never_blamed(loop: str, extra: bytes) -> None:
    """The service ends each connection after one answer, with or without a word: every request must succeed."""

    async def one_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_head(reader)
        writer.write(OK)
        await writer.drain()
        writer.write(extra)

    async def main() -> None:
        clock = iter(range(10_000))
        async with raw_server(one_each) as server:
            client = WireClient(clock=lambda: next(clock) / 100)
            for _ in range(20):
                server.ended.clear()
                assert (await client.send("127.0.0.1", server.port, GET)).error == ""
                await server.ended.wait()

    on_loop(loop, main)


def test_an_answer_beyond_the_limit_is_cut(loop: str) -> None:
    async def main() -> SendResult:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with raw_server(responds_with(head, *[b"400\r\n" + b"x" * 1024 + b"\r\n"] * 10)) as server:
            return await WireClient(max_body=4096).send("127.0.0.1", server.port, GET)

    assert on_loop(loop, main).error == "body-too-large"


def test_request_cut_in_mid_body(loop: str) -> None:
    async def main() -> None:
        got: list[bytes] = []
        errors: list[str] = []

        async def reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            got.append(await read_head(reader))
            try:
                while data := await reader.read(100):
                    got.append(data)
            except ConnectionResetError:
                errors.append("reset")

        async with raw_server(reads) as server:
            request = Request("POST", "/", (), b"0123456789")
            answer = await WireClient().send("127.0.0.1", server.port, request, cut_after=4)
            await server.ended.wait()
        assert (answer.error, answer.sent, answer.response) == ("reset", True, None)
        assert b"Content-Length: 10" in got[0]
        assert b"".join(got[1:]) in (b"0123", b"")  # a reset may overtake what was not yet read
        assert errors == ["reset"]

    on_loop(loop, main)


def test_answer_cut_in_mid_body(loop: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    assert ask(loop, head, b"0123456789", cut_response_after=4).error == "reset"
    assert ask(loop, head, b"0123456789", cut_response_after=11).error == ""


def test_a_cut_that_did_not_happen_is_forgotten(loop: str) -> None:
    async def main() -> None:
        async def grows(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            for size in (2, 50):
                await read_head(reader)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            await reader.read()

        async with raw_server(grows) as server:
            client = WireClient()
            assert (await client.send("127.0.0.1", server.port, GET, cut_response_after=10)).error == ""
            after = await client.send("127.0.0.1", server.port, GET)
            assert (after.error, after.reused) == ("", True)
            await client.close()

    on_loop(loop, main)


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_connection_that_is_to_be_closed_is_not_reused(loop: str, first: bytes) -> None:
    async def main() -> None:
        async def stays_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            await read_head(reader)
            writer.write(first + b"Content-Length: 0\r\n\r\n")
            await reader.read()

        async with raw_server(stays_open) as server:
            client = WireClient()
            for _ in range(3):
                answer = await client.send("127.0.0.1", server.port, GET)
                assert (answer.error, answer.reused) == ("", False)

    on_loop(loop, main)


def test_two_held_requests_end_together(loop: str) -> None:
    """Neither last byte may leave before both requests are otherwise written."""

    async def main() -> None:
        state = {"waiting": 0}
        both = asyncio.Event()
        early: list[bytes] = []

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            await read_head(reader)
            early.append(await reader.readexactly(2))
            state["waiting"] += 1
            if state["waiting"] == 2:
                both.set()
            await both.wait()
            early.append(await reader.readexactly(1))
            writer.write(OK)

        async with raw_server(script) as server:
            client = WireClient()
            hold = asyncio.Event()
            request = Request("POST", "/", (), b"abc")
            pair = [asyncio.ensure_future(client.send("127.0.0.1", server.port, request, hold=hold)) for _ in "12"]
            await both.wait()
            assert early == [b"ab", b"ab"]
            assert not any(task.done() for task in pair)
            hold.set()
            assert [(await task).error for task in pair] == ["", ""]
            assert early == [b"ab", b"ab", b"c", b"c"]

    on_loop(loop, main)


def test_together_does_not_wait_for_a_request_that_cannot_come(loop: str) -> None:
    async def main() -> list[str]:
        async with raw_server(responds_with(OK)) as server:
            client = WireClient()
            together = ReleaseBarrier(2)
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                sent = [
                    client.send("127.0.0.1", port, GET, hold=together) for port in (server.port, taken.getsockname()[1])
                ]
                return [answer.error for answer in await asyncio.gather(*sent)]

    assert on_loop(loop, main) == ["", "refused"]


def test_a_connection_with_an_unfinished_request_is_not_reused(loop: str) -> None:
    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
            if number:
                await read_head(reader)
            writer.write(OK)
            await reader.read()

        async with raw_server(script) as server:
            client = WireClient()
            early = await client.send("127.0.0.1", server.port, GET, hold=asyncio.Event())
            assert early.error == ""
            after = await client.send("127.0.0.1", server.port, GET)
            assert (after.error, after.reused) == ("", False)
            await client.close()

    on_loop(loop, main)


def test_a_held_request_still_times_out(loop: str) -> None:
    async def main() -> SendResult:
        async with raw_server(responds_with(OK)) as server:
            return await WireClient().send("127.0.0.1", server.port, GET, hold=asyncio.Event(), timeout=0.05)

    assert on_loop(loop, main).error == "timeout"


def test_a_cancelled_request_leaves_no_connection_behind(loop: str) -> None:
    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            await read_head(reader)
            asked.set()
            await reader.read()

        asked = asyncio.Event()
        async with raw_server(silent) as server:
            task = asyncio.ensure_future(WireClient().send("127.0.0.1", server.port, GET))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.ended.wait()

    on_loop(loop, main)


def test_close_ends_requests_under_way(loop: str) -> None:
    async def main() -> SendResult:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
            await read_head(reader)
            asked.set()
            await reader.read()

        asked = asyncio.Event()
        async with raw_server(silent) as server:
            client = WireClient()
            task = asyncio.ensure_future(client.send("127.0.0.1", server.port, GET))
            await asked.wait()
            await client.close()
            return await task

    assert on_loop(loop, main).error == "closed"


def test_injection_is_refused_before_anything_is_sent(loop: str) -> None:
    async def main() -> int:
        async with raw_server(responds_with(OK)) as server:
            with pytest.raises(ValueError):
                await WireClient().send("127.0.0.1", server.port, Request("GET", "/", (("A", "b\r\nC: d"),)))
            return server.connections

    assert on_loop(loop, main) == 0
