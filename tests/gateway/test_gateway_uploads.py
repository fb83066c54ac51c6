"""Requests whose bodies are still arriving, through the gateway, on real sockets."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.raw_services import ASK, LAST, TRACED, chunk, rest, services
from tests.http.wire_peers import read_head
from tests.replay.harness import run_bounded, until
from verifier.gateway.streaming import UNFINISHED
from verifier.http.message import header

pytestmark = pytest.mark.usefixtures("both_loops")
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: payments\r\nTransfer-Encoding: chunked\r\n" + TRACED + b"\r\n"


def test_a_long_request_is_passed_on_while_it_arrives() -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(UPLOAD + chunk(b"one"))
            talk = await payments.asked()
            assert b"\r\nTransfer-Encoding: chunked\r\n" in talk.head
            assert b"\r\nHost: payments:8081\r\n" in talk.head
            assert await talk.reader.readuntil(chunk(b"one")) == chunk(b"one")
            writer.write(chunk(b"two"))
            assert await talk.reader.readuntil(chunk(b"two")) == chunk(b"two")
            writer.write(LAST)
            assert await talk.reader.readuntil(LAST) == LAST
            talk.say(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")
            assert (await read_head(reader)).startswith(b"HTTP/1.1 201 ")
            assert await reader.readexactly(2) == b"ok"
            entry = await payments.recorded()
            assert (entry.request.body, entry.request.target, entry.outcome) == (b"onetwo", "/upload", "ok")
            assert entry.response is not None
            assert (entry.response.body, entry.parent) == (b"ok", "rollout.1/r1/1.1")
            assert header(entry.request.headers, "content-encoding") is None
            writer.write(ASK)
            await payments.asked(2)
            writer.close()

    run_bounded(scenario())


@pytest.mark.parametrize("end", ["caller closes", "gateway closes", "service answers", "service closes", "garbage"])
def test_a_request_that_never_ends_hangs_nothing(end: str) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(UPLOAD + chunk(b"one"))
            talk = await payments.asked()
            await talk.reader.readuntil(chunk(b"one"))
            if end == "service answers":
                talk.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
            elif end == "service closes":
                talk.leave("close")
                assert await reader.read() == b""
            else:
                if end == "caller closes":
                    writer.close()
                elif end == "garbage":
                    writer.write(b"no size\r\n")
                else:
                    await payments.harness.gateway.close()
                assert LAST not in await rest(talk.reader), "half a request does not look whole"
            entry = await payments.recorded()
            answered = end == "service answers"
            assert (entry.outcome, entry.error == "") == ("fail" if answered else "info", answered)
            assert (entry.request.body, header(entry.request.headers, "content-encoding")) == (b"one", UNFINISHED)
            writer.close()

    run_bounded(scenario())


def test_a_partner_is_given_a_slow_request_as_a_whole() -> None:
    async def scenario() -> None:
        async with services() as payments:
            ports = await payments.harness.gateway.attach("orders-9-2", "orders", "9", ("psp",))
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["psp"])
            writer.write(UPLOAD + chunk(b"one"))
            await until(lambda: payments.harness.gateway.untraced + payments.harness.gateway.traced == 1)
            writer.write(chunk(b"two") + LAST)
            assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")
            entry = await payments.recorded()
            assert (entry.source, entry.request.body, entry.effect) == ("partner", b"onetwo", "applied")
            writer.close()

    run_bounded(scenario())
