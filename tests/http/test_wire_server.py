from __future__ import annotations

import asyncio

import pytest
from wire_peers import LOOPS, on_loop

from verifier.http.client import WireClient
from verifier.http.handler import Peer, Reply
from verifier.http.message import Request, Response
from verifier.http.server import Listener, serve

pytestmark = pytest.mark.parametrize("loop", sorted(LOOPS))


async def echo(request: Request, peer: Peer) -> Reply:
    seen = f"{request.method} {request.target} ".encode() + request.body
    return Reply(Response(200, (("X-Tag", str(peer.tag)),), seen))


async def send_raw(listener: Listener, data: bytes) -> bytes:
    """Send bytes, end our side, and return everything that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(data)
    writer.write_eof()
    found = await reader.read()
    writer.close()
    return found


def exchange(loop: str, data: bytes, **limits: int) -> bytes:
    async def main() -> bytes:
        listener = await serve(echo, "127.0.0.1", tag="t", **limits)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(data + b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n")
        found = await reader.read()
        writer.close()
        await listener.close()
        assert listener.failures == 0
        return found

    return on_loop(loop, main)


LAST = b"HTTP/1.1 200 OK\r\nX-Tag: t\r\nContent-Length: 10\r\nConnection: close\r\n\r\nGET /last "


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX-Tag: t\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_pipelined_requests_are_answered_in_order(loop: str) -> None:
    data = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(100))
    assert exchange(loop, data) == b"".join(ok(b"GET /%d " % n) for n in range(100)) + LAST


@pytest.mark.parametrize("admitted", [True, False])
def test_a_caller_that_is_not_admitted_reaches_no_handler(loop: str, admitted: bool) -> None:
    asked: list[str] = []

    async def main() -> bytes:
        listener = await serve(echo, "127.0.0.1", admits=lambda host: asked.append(host) or admitted)
        try:
            return await send_raw(listener, b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
        except OSError:  # its connection is reset
            return b""
        finally:
            assert not listener.connections
            await listener.close()

    assert on_loop(loop, main).endswith(b"GET /x ") is admitted
    assert asked == ["127.0.0.1"]


def test_chunked_request(loop: str) -> None:
    data = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n"
    assert exchange(loop, data) == ok(b"POST /c abcde") + LAST


def test_expect_continue(loop: str) -> None:
    data = b"POST /c HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
    assert exchange(loop, data) == b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"POST /c abc") + LAST


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_an_offered_upgrade_is_ignored(loop: str, body: bytes) -> None:
    head = b"POST /u HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
    length = b"Content-Length: 3\r\n" if body else b""
    assert exchange(loop, head + length + b"\r\n" + body) == ok(b"POST /u " + body) + LAST


@pytest.mark.parametrize(
    ("data", "status", "limits"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400", {}),
        (b"GET / HTTP/9.9\r\n\r\n", b"400", {}),
        (b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", b"400", {}),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400", {}),
        (b"CONNECT h:1 HTTP/1.1\r\n\r\n", b"501", {}),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 5000, b"431", {"max_head": 1000}),
        (b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, b"413", {"max_body": 1000}),
    ],
)
def test_bad_requests_are_answered_and_end_the_connection(
    loop: str, data: bytes, status: bytes, limits: dict[str, int]
) -> None:
    async def main() -> bytes:
        listener = await serve(echo, "127.0.0.1", **limits)
        found = await send_raw(listener, data)
        await listener.close()
        return found

    found = on_loop(loop, main)
    assert found.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nConnection: close\r\n" in found
    assert found.count(b"HTTP/1.1") == 1


def test_replies_that_break_the_connection(loop: str) -> None:
    replies = {
        "/none": (Reply(None), "closed"),
        "/reset": (Reply(None, reset=True), "reset"),
        "/cut": (Reply(Response(200, (), b"0123456789"), cut_after=4), "closed"),
        "/cut-reset": (Reply(Response(200, (), b"0123456789"), cut_after=4, reset=True), "reset"),
    }

    async def handler(request: Request, _peer: Peer) -> Reply:
        return replies[request.target][0]

    async def main() -> None:
        listener = await serve(handler, "127.0.0.1")
        client = WireClient()
        for target, (_, error) in replies.items():
            answer = await client.send("127.0.0.1", listener.port, Request("GET", target))
            assert (target, answer.error, answer.response) == (target, error, None)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /cut HTTP/1.1\r\n\r\n")
        assert await reader.read() == b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123"
        writer.close()
        await listener.close()

    on_loop(loop, main)


def test_a_failing_handler_is_counted_and_claims_no_status(loop: str) -> None:
    async def fails(_request: Request, _peer: Peer) -> Reply:
        raise RuntimeError("handler")

    async def main() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(str(context["exception"])))
        listener = await serve(fails, "127.0.0.1")
        answer = await WireClient().send("127.0.0.1", listener.port, Request("GET", "/"))
        assert answer.response is None
        assert (listener.failures, told) == (1, ["handler"])
        await listener.close()

    on_loop(loop, main)


def test_large_bodies_both_ways(loop: str) -> None:
    async def main() -> None:
        listener = await serve(echo, "127.0.0.1")
        body = bytes(range(256)) * 40_000
        answer = await WireClient().send("127.0.0.1", listener.port, Request("PUT", "/", (), body))
        assert answer.response is not None
        assert answer.response.body == b"PUT / " + body
        await listener.close()

    on_loop(loop, main)


def test_close_waits_for_requests_under_way(loop: str) -> None:
    async def main() -> None:
        asked, go = asyncio.Event(), asyncio.Event()

        async def waits(_request: Request, _peer: Peer) -> Reply:
            asked.set()
            await go.wait()
            return Reply(Response(200, (), b"done"))

        listener = await serve(waits, "127.0.0.1")
        client = WireClient()
        task = asyncio.ensure_future(client.send("127.0.0.1", listener.port, Request("GET", "/")))
        await asked.wait()
        closing = asyncio.ensure_future(listener.close())
        await asyncio.sleep(0)
        go.set()
        await closing
        answer = await task
        assert answer.response is not None
        assert answer.response.body == b"done"
        assert (await client.send("127.0.0.1", listener.port, Request("GET", "/"))).error == "refused"

    on_loop(loop, main)


def test_close_ends_a_handler_that_never_returns(loop: str) -> None:
    async def main() -> str:
        asked = asyncio.Event()

        async def never(_request: Request, _peer: Peer) -> Reply:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        listener = await serve(never, "127.0.0.1")
        task = asyncio.ensure_future(WireClient().send("127.0.0.1", listener.port, Request("GET", "/")))
        await asked.wait()
        await listener.close(grace=0.05)
        return (await task).error

    assert on_loop(loop, main) in ("closed", "reset")


def test_the_peer_is_told(loop: str) -> None:
    async def main() -> None:
        peers: list[Peer] = []

        async def handler(_request: Request, peer: Peer) -> Reply:
            peers.append(peer)
            return Reply(Response(204))

        listener = await serve(handler, "127.0.0.1", tag=("orders", "2.0"))
        await WireClient().send("127.0.0.1", listener.port, Request("GET", "/"))
        await listener.close()
        assert (peers[0].host, peers[0].tag) == ("127.0.0.1", ("orders", "2.0"))
        assert peers[0].port > 0

    on_loop(loop, main)
