"""WebSockets through the gateway, on real sockets: passed through both ways, steered, refused."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.gateway.raw_services import TRACED, rest, services
from tests.http.wire_peers import read_head
from tests.replay.harness import run_bounded
from verifier.gateway.rotation import Endpoint
from verifier.plan.model import Fault
from verifier.runtime.base import Address

pytestmark = pytest.mark.usefixtures("both_loops")
OFFER = (
    b"GET /ws HTTP/1.1\r\nHost: payments\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + TRACED + b"\r\n"
)
TAKEN = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-By: payments\r\n\r\n"


@pytest.mark.parametrize("end", ["service closes", "caller closes", "gateway closes"])
def test_a_websocket_is_passed_through_both_ways(end: str) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(OFFER + b"\x81hasty")
            talk = await payments.asked()
            assert b"\r\nUpgrade: websocket\r\n" in talk.head
            assert b"\r\nHost: payments:8081\r\n" in talk.head
            assert b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" in talk.head
            talk.say(TAKEN + b"\x81hello")
            head = await read_head(reader)
            assert head.startswith(b"HTTP/1.1 101 ")
            assert b"\r\nX-By: payments\r\n" in head
            assert await reader.readexactly(6) == b"\x81hello"
            assert await talk.reader.readexactly(6) == b"\x81hasty"
            for number in range(3):
                writer.write(b"up%d" % number)
                assert await talk.reader.readexactly(3) == b"up%d" % number
                talk.say(b"down%d" % number)
                assert await reader.readexactly(5) == b"down%d" % number
            assert not payments.harness.operations
            if end == "service closes":
                talk.leave("close")
                assert await reader.read() == b""
                writer.close()
            elif end == "caller closes":
                writer.close()
                assert await talk.reader.read() == b""
                talk.leave("close")
            else:
                await payments.harness.gateway.close()
                assert await rest(reader) == b""
                assert await rest(talk.reader) == b""
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.status, entry.outcome, entry.error) == (101, "ok", "")
            assert (entry.parent, entry.version, entry.caller) == ("rollout.1/r1/1.1", "1", "orders")
            (note,) = payments.harness.notes
            assert note.operation == entry.id
            assert "a WebSocket was passed through, 15 bytes to the service and 21 back" in note.message
            writer.close()

    run_bounded(scenario())


@pytest.mark.parametrize("turned", ["403 Forbidden", "200 OK", "426 Upgrade Required"])
def test_a_service_that_will_have_no_websocket_is_heard(turned: str) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(OFFER)
            talk = await payments.asked()
            talk.say(b"HTTP/1.1 " + turned.encode() + b"\r\nContent-Length: 2\r\n\r\nno")
            got = await reader.read()
            assert got.startswith(b"HTTP/1.1 " + turned[:3].encode())
            assert got.endswith(b"no")
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.body, entry.outcome) == (b"no", "ok" if turned == "200 OK" else "fail")
            assert payments.harness.notes == []
            writer.close()

    run_bounded(scenario())


@pytest.mark.parametrize(("said", "error"), [(b"", "closed"), (b"nonsense\r\n\r\n", "garbage")])
def test_a_service_that_does_not_answer_an_offer(said: bytes, error: str) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(OFFER)
            talk = await payments.asked()
            talk.say(said)
            talk.leave("close")
            assert await reader.read() == b""
            entry = await payments.recorded()
            assert (entry.error, entry.response) == (error, None)
            writer.close()

    run_bounded(scenario())


def test_websockets_are_steered_and_no_fault_befalls_them() -> None:
    async def scenario() -> None:
        injected = Fault("inner-lost-answer", 0, "placeOrder", "2", "1", "payments")
        async with services("1", "2", injected=injected) as payments:
            reader, writer = await payments.caller()
            writer.write(OFFER)
            talk = await payments.asked()
            assert talk.version == "2"
            talk.say(TAKEN)
            await read_head(reader)
            writer.close()
            talk.leave("close")
            entry = await payments.recorded()
            assert (entry.version, entry.fault, entry.outcome) == ("2", "", "ok")
            assert payments.harness.injected == []
            assert "inner-lost-answer was not injected" in payments.notes()

    run_bounded(scenario())


def test_a_websocket_for_which_no_replica_is_there_is_refused() -> None:
    async def scenario() -> None:
        async with services() as payments:
            payments.harness.rotation.remove("payments-1-1")
            reader, writer = await payments.caller()
            writer.write(OFFER)
            assert await reader.read() == b""
            entry = await payments.recorded()
            assert (entry.error, entry.outcome) == ("refused", "fail")
            writer.close()

    run_bounded(scenario())


def test_a_partner_will_have_no_websocket() -> None:
    async def scenario() -> None:
        async with services() as payments:
            ports = await payments.harness.gateway.attach("orders-9-2", "orders", "9", ("psp",))
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["psp"])
            writer.write(OFFER + b"\x81hasty")
            got = await reader.read()
            assert got.startswith(b"HTTP/1.1 200 ")
            assert got.count(b"HTTP/1.1") == 1
            writer.close()

    run_bounded(scenario())


def test_a_real_websocket_library_talks_through_the_gateway() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def scenario() -> None:
        async with services("raw") as payments, serve(echo, "127.0.0.1", 0) as server:
            payments.harness.rotation.clear()
            place = Address("127.0.0.1", server.sockets[0].getsockname()[1])
            payments.harness.rotation.add(Endpoint("payments", "1", "payments-1-1", place))
            async with connect(f"ws://127.0.0.1:{payments.port}/ws") as socket:
                for message in ("hello", b"x" * 300_000):
                    await socket.send(message)
                    assert await socket.recv() == message
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.status, entry.outcome) == (101, "ok")

    run_bounded(scenario())
