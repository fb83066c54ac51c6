"""Services that say what a test tells them, byte by byte, behind a gateway and on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from tests.http.wire_peers import raw_server, read_head
from tests.replay.harness import Arrival, ReplayHarness, replay_harness, until
from verifier.gateway.gateway import Cause
from verifier.gateway.rotation import Endpoint
from verifier.history.model import Operation
from verifier.http.message import Response
from verifier.http.transport import reset_on_close
from verifier.plan.model import Fault
from verifier.runtime.base import Address

TRACE = "0123456789abcdef0123456789abcdef"
TRACED = b"traceparent: 00-" + TRACE.encode() + b"-0123456789abcdef-01\r\n"
ASK = b"GET /feed HTTP/1.1\r\nHost: payments\r\n" + TRACED + b"\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
TRICKLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def nothing(_: Arrival) -> Response:
    raise AssertionError("only raw services are called here")


@dataclass
class Talk:
    """One connection of a service: what came, and what it is told to say."""

    reader: Reader
    writer: Writer
    version: str
    head: bytes
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, data: bytes, last: bool = False) -> None:
        """With `last`, the connection is ready for the next request."""
        self.writer.write(data)
        if last:
            self.over.set()

    def leave(self, how: str) -> None:
        if how == "reset":
            reset_on_close(self.writer.transport)
            self.writer.transport.abort()
        else:
            self.writer.close()


@dataclass
class Services:
    """Raw services of payments, one for each version. `talks` lists the requests that came, in order."""

    harness: ReplayHarness
    port: int = 0
    talks: list[Talk] = field(default_factory=list)

    async def caller(self) -> tuple[Reader, Writer]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def asked(self, count: int = 1) -> Talk:
        await until(lambda: len(self.talks) >= count)
        return self.talks[count - 1]

    async def recorded(self, count: int = 1) -> Operation:
        await until(lambda: len(self.harness.operations) >= count)
        return self.harness.operations[count - 1]

    def notes(self) -> str:
        return "\n".join(note.message for note in self.harness.notes)


@asynccontextmanager
async def services(*versions: str, injected: Fault | None = None) -> AsyncIterator[Services]:
    async with replay_harness(nothing, partners={"psp": 0.0}) as harness, AsyncExitStack() as stack:
        found = Services(harness)
        for version in versions or ("1",):

            async def script(reader: Reader, writer: Writer, _number: int, version: str = version) -> None:
                while head := await head_or_end(reader):
                    talk = Talk(reader, writer, version, head)
                    found.talks.append(talk)
                    await talk.over.wait()

            server = await stack.enter_async_context(raw_server(script))
            place = Address("127.0.0.1", server.port)
            harness.rotation.add(Endpoint("payments", version, f"payments-{version}-1", place))
        harness.gateway.expect(TRACE, Cause("rollout.1/r1/1.1", "rollout.1", "r1", "s1", injected))
        ports = await harness.gateway.attach("orders-9-1", "orders", "9", ("payments", "psp"))
        found.port = ports["payments"]
        yield found
        await harness.gateway.close()
        for talk in found.talks:
            talk.over.set()


async def head_or_end(reader: Reader) -> bytes:
    try:
        return await read_head(reader)
    except asyncio.IncompleteReadError:
        return b""


async def rest(reader: Reader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
