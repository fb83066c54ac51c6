"""Calls that stream through the gateway, on real sockets: passed on as they come, recorded at their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop
from msgspec import structs
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.replay.scene import Arrival, Scene, live, scene, until
from tests.replay.wire.wire_peers import raw_server, read_head
from verifier.contracts.conform import Conformance
from verifier.contracts.promises import promises_of
from verifier.history.message import Request, Response, header
from verifier.history.model import Note, Operation
from verifier.plan.model import Fault
from verifier.replay import passing
from verifier.replay.gateway import LATE, Cause
from verifier.replay.passing import UNFINISHED, Call, Passed
from verifier.replay.rotation import Endpoint
from verifier.replay.wire.heads import linger
from verifier.replay.wire.pipe import Pipe
from verifier.runtime.base import Address

TRACE = "0123456789abcdef0123456789abcdef"
TRACED = b"traceparent: 00-" + TRACE.encode() + b"-0123456789abcdef-01\r\n"
ASK = b"GET /feed HTTP/1.1\r\nHost: payments\r\n" + TRACED + b"\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
TRICKLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both loops, because reading is paused and connections change hands, which is a loop's own affair."""
    before = asyncio.get_event_loop_policy()
    if request.param == "uvloop":
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    yield
    asyncio.set_event_loop_policy(before)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def fault(kind: str) -> Fault:
    return Fault(kind, 0, "placeOrder", "1", "2", "payments")


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
            linger(self.writer.transport)
            self.writer.transport.abort()
        else:
            self.writer.close()


@dataclass
class Services:
    """Raw services of payments, one for each version. `talks` lists the requests that came, in order."""

    made: Scene
    port: int = 0
    talks: list[Talk] = field(default_factory=list)

    async def caller(self) -> tuple[Reader, Writer]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def asked(self, count: int = 1) -> Talk:
        await until(lambda: len(self.talks) >= count)
        return self.talks[count - 1]

    async def recorded(self, count: int = 1) -> Operation:
        await until(lambda: len(self.made.operations) >= count)
        return self.made.operations[count - 1]

    def notes(self) -> str:
        return "\n".join(note.message for note in self.made.notes)


@asynccontextmanager
async def services(*versions: str, injected: Fault | None = None) -> AsyncIterator[Services]:
    async with scene(nothing, partners={"psp": 0.0}) as made, AsyncExitStack() as stack:
        found = Services(made)
        for version in versions or ("1",):

            async def script(reader: Reader, writer: Writer, _number: int, version: str = version) -> None:
                while head := await head_or_end(reader):
                    talk = Talk(reader, writer, version, head)
                    found.talks.append(talk)
                    await talk.over.wait()

            server = await stack.enter_async_context(raw_server(script))
            place = Address("127.0.0.1", server.port)
            made.rotation.add(Endpoint("payments", version, f"payments-{version}-1", place))
        made.gateway.expect(TRACE, Cause("rollout.1/r1/1.1", "rollout.1", "r1", "s1", injected))
        ports = await made.gateway.attach("orders-9-1", "orders", "9", ("payments", "psp"))
        found.port = ports["payments"]
        yield found
        await made.gateway.close()
        for talk in found.talks:
            talk.over.set()


async def head_or_end(reader: Reader) -> bytes:
    try:
        return await read_head(reader)
    except asyncio.IncompleteReadError:
        return b""


# --- answers ---


def test_events_are_passed_on_one_by_one() -> None:
    """Each event is said only once the one before has reached the caller."""

    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            assert b"\r\nHost: payments:8081\r\n" in talk.head
            talk.say(EVENTS)
            head = await read_head(reader)
            assert b"\r\nTransfer-Encoding: chunked\r\n" in head
            assert b"\r\nContent-Type: text/event-stream; charset=utf-8\r\n" in head
            for number in range(5):
                talk.say(chunk(b"data: %d\n\n" % number))
                assert await reader.readuntil(b"\n\n\r\n") == chunk(b"data: %d\n\n" % number)
            assert not payments.made.operations
            talk.say(LAST, last=True)
            assert await reader.readexactly(len(LAST)) == LAST
            entry = await payments.recorded()
            assert (entry.outcome, entry.error, entry.parent) == ("ok", "", "rollout.1/r1/1.1")
            assert entry.response is not None
            assert entry.response.status == 200
            assert entry.response.body == b"".join(b"data: %d\n\n" % number for number in range(5))
            assert header(entry.response.headers, "content-encoding") is None
            assert payments.made.notes == []
            writer.write(ASK)
            assert (await payments.asked(2)).writer is talk.writer, "both connections are kept"
            writer.close()

    live(scenario())


@pytest.mark.parametrize("end", ["service closes", "service resets", "caller closes", "gateway closes"])
def test_an_event_stream_ends_without_an_error_however_it_is_closed(end: str) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(EVENTS + chunk(b"data: 1\n\n"))
            await reader.readuntil(b"data: 1\n\n\r\n")
            if end == "caller closes":
                writer.close()
                assert await talk.reader.read() == b"", "the service learns that nobody listens"
            elif end == "gateway closes":
                await payments.made.gateway.close()
            else:
                talk.leave("reset" if end == "service resets" else "close")
            if end != "caller closes":
                assert LAST not in await rest(reader), "a cut stream does not look whole"
            entry = await payments.recorded()
            assert (entry.outcome, entry.error, entry.fault) == ("ok", "", "")
            assert entry.response == Response(200, entry.response.headers if entry.response else (), b"data: 1\n\n")
            assert payments.made.notes == []
            writer.close()

    live(scenario())


async def rest(reader: Reader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize("error", ["closed", "reset", "garbage"])
def test_any_other_answer_that_breaks_off_is_an_error(error: str) -> None:
    """The twin: what has an end of its own and does not reach it may have happened, and its caller sees it cut."""

    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(TRICKLE + chunk(b'{"a": '))
            await reader.readuntil(chunk(b'{"a": '))
            if error == "garbage":
                talk.say(b"no size\r\n")
            else:
                talk.leave(error)
            assert LAST not in await rest(reader)
            entry = await payments.recorded()
            assert (entry.outcome, entry.error, entry.response) == ("info", error, None)
            assert f"answered 200 in pieces; the service broke off ({error}) after 6 bytes" in payments.notes()
            writer.close()

    live(scenario())


def test_a_trickling_answer_is_passed_on_and_recorded_whole() -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            for number in (1, 2):
                writer.write(ASK)
                talk = await payments.asked(number)
                talk.say(TRICKLE + chunk(b'{"a": '))
                head = await read_head(reader)
                assert b"\r\nContent-Type: application/json\r\n" in head
                assert await reader.readuntil(chunk(b'{"a": ')) == chunk(b'{"a": ')
                talk.say(chunk(b"1}") + LAST, last=True)
                assert await reader.readuntil(LAST) == chunk(b"1}") + LAST
                entry = await payments.recorded(number)
                assert entry.response is not None
                assert (entry.response.body, entry.outcome, entry.error) == (b'{"a": 1}', "ok", "")
            assert payments.talks[0].writer is payments.talks[1].writer, "both connections are kept"
            assert payments.made.notes == []
            writer.close()

    live(scenario())


@pytest.mark.parametrize("framing", [b"Content-Length: 8\r\n", b""])
def test_a_declared_length_stays_and_an_unknown_one_is_chunked(framing: bytes) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\nhalf")
            head = await read_head(reader)
            assert (b"\r\nContent-Length: 8\r\n" in head) == bool(framing)
            assert (b"\r\nTransfer-Encoding: chunked\r\n" in head) == (not framing)
            half = b"half" if framing else chunk(b"half")
            assert await reader.readexactly(len(half)) == half
            talk.say(b"rest")
            talk.writer.close()
            last = b"rest" if framing else chunk(b"rest") + LAST
            assert await reader.readexactly(len(last)) == last
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.body, entry.error) == (b"halfrest", "")
            writer.close()

    live(scenario())


def test_a_caller_that_reads_no_chunks_reads_to_the_end() -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK.replace(b"HTTP/1.1", b"HTTP/1.0"))
            talk = await payments.asked()
            talk.say(EVENTS + chunk(b"data: 1\n\n"))
            head = await read_head(reader)
            assert b"chunked" not in head
            assert b"\r\nConnection: close\r\n" in head
            assert await reader.readexactly(9) == b"data: 1\n\n"
            talk.say(LAST)
            assert await reader.read() == b""
            writer.close()

    live(scenario())


def test_a_large_answer_waits_for_its_caller_and_arrives_whole() -> None:
    """The service cannot say all of it before the caller reads; the connection goes on afterwards."""
    size = 32 << 20

    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            talk.say(b"x" * size, last=True)
            await read_head(reader)
            assert talk.writer.transport.get_write_buffer_size() > 0
            assert await reader.readexactly(size) == b"x" * size
            entry = await payments.recorded()
            assert entry.response is not None
            assert (len(entry.response.body), entry.error) == (size, "")
            writer.write(ASK)
            again = await payments.asked(2)
            again.say(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert (await read_head(reader)).startswith(b"HTTP/1.1 204 ")
            assert again.writer is talk.writer
            writer.close()

    live(scenario())


def test_a_caller_that_leaves_is_nobody_s_fault_and_half_a_body_is_not_judged() -> None:
    contract = promises_of("psp", "", Path(__file__).parents[2] / "contracts" / "psp" / "1.yaml").contract
    assert contract is not None

    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(TRICKLE.replace(b"200 OK", b"201 Created") + chunk(b'{"id": "c'))
            await reader.readuntil(b'{"id": "c')
            writer.close()
            assert await talk.reader.read() == b""
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.status, entry.response.body) == (201, b'{"id": "c')
            assert (entry.outcome, entry.error) == ("ok", "")
            assert header(entry.response.headers, "content-encoding") == UNFINISHED
            assert "the caller left after 9 bytes" in payments.notes()
            charge = Request("POST", "/charge", (("Content-Type", "application/json"),), b"{}")
            assert Conformance(contract).answer(charge, entry.response) == ()
            as_if_whole = structs.replace(entry.response, headers=(("Content-Type", "application/json"),))
            assert [found.rule for found in Conformance(contract).answer(charge, as_if_whole)] == ["unreadable-body"]

    live(scenario())


@pytest.mark.parametrize("left", [True, False])
def test_what_had_come_and_nobody_took_is_not_called_whole(left: bool) -> None:
    """The service had said everything; only what was passed on is known to be in the history."""
    put: list[tuple[Operation, Note | None]] = []
    place = {"id": "o/payments-1", "step": "s", "replay": "r", "session": "", "index": -1, "attempt": 1}
    call = Call(place, "read", "payments", None, Request("GET", "/"), "payments:80", 0.0, None)

    async def scenario() -> None:
        tap = asyncio.Transport()
        pipe = Pipe(tap)
        head = Response(200, (("Content-Type", "application/json"),))
        passed = Passed(call, head, 8, pipe, ExitStack(), lambda: 1.0, lambda _, entry, note: put.append((entry, note)))
        pipe.feed(b'{"a"')
        assert await passed.next() == b'{"a"'
        pipe.feed(b": 1}")
        pipe.end("")
        if left:
            passed.stop("caller")
        else:
            assert await passed.next() == b": 1}"
        assert await passed.next() == b""
        passed.finish()

    live(scenario())
    ((entry, note),) = put
    assert entry.response is not None
    assert (header(entry.response.headers, "content-encoding") == UNFINISHED, note is not None) == (left, left)
    assert (entry.response.body, entry.outcome, entry.error) == (b'{"a"' if left else b'{"a": 1}', "ok", "")


def test_of_an_endless_stream_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "KEPT_EVENTS", 12)

    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(EVENTS)
            for number in range(3):
                talk.say(chunk(b"data: %d\n\n" % number))
                await reader.readuntil(b"data: %d\n\n\r\n" % number)
            writer.close()
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.body, entry.outcome) == (b"data: 0\n\ndat", "ok")
            assert "27 bytes, 12 were kept" in payments.notes()

    live(scenario())


@pytest.mark.parametrize(("head", "held"), [(EVENTS, False), (TRICKLE, True)], ids=["events", "json"])
def test_a_stop_waits_for_answers_that_end_and_not_for_event_streams(head: bytes, held: bool) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(head + chunk(b"1"))
            await reader.readuntil(chunk(b"1"))
            draining = asyncio.create_task(payments.made.rotation.drained("payments-1-1", 60.0))
            if held:
                await asyncio.sleep(0)
                assert not draining.done()
                talk.say(LAST)
            await draining
            assert bool(payments.made.operations) == held
            writer.close()

    live(scenario())


# --- faults ---


def test_a_slow_answer_that_ends_is_lost_like_any_other() -> None:
    async def scenario() -> None:
        async with services("1", "2", injected=fault("inner-lost-answer")) as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(TRICKLE + chunk(b'{"a": '))
            # No fault is meant for a later call: once that one is passed on, so would this one have been.
            other_reader, other_writer = await payments.caller()
            other_writer.write(ASK)
            other = await payments.asked(2)
            other.say(TRICKLE + chunk(b"2"))
            await other_reader.readuntil(chunk(b"2"))
            other.say(LAST)
            assert (await payments.recorded()).fault == ""
            talk.say(chunk(b"1}") + LAST)
            assert await reader.read() == b""
            entry = await payments.recorded(2)
            assert entry.response is not None
            assert (entry.response.body, entry.outcome, entry.fault) == (b'{"a": 1}', "info", "inner-lost-answer")
            assert len(payments.made.injected) == 1
            writer.close()
            other_writer.close()

    live(scenario())


@pytest.mark.parametrize("kind", ["inner-lost-answer", "inner-duplicate"])
def test_a_fault_that_cannot_befall_a_stream_is_told_and_befalls_the_next_call(kind: str) -> None:
    async def scenario() -> None:
        async with services("1", "2", injected=fault(kind)) as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(EVENTS)
            await read_head(reader)
            talk.say(LAST, last=True)
            assert await reader.readexactly(len(LAST)) == LAST
            entry = await payments.recorded()
            assert (entry.fault, entry.outcome, entry.version) == ("", "ok", "1")
            assert payments.made.injected == []
            assert len(payments.talks) == 1
            assert f"{kind} was not injected" in payments.notes()
            writer.write(ASK)
            count = 2 if kind == "inner-lost-answer" else 3
            for number in range(2, count + 1):
                (await payments.asked(number)).say(b"HTTP/1.1 204 No Content\r\n\r\n", last=True)
            got = await reader.read() if kind == "inner-lost-answer" else await read_head(reader)
            assert (got == b"") == (kind == "inner-lost-answer")
            assert [one.fault for one in payments.made.operations[1:]] == [kind] * (count - 1)
            await until(lambda: len(payments.made.injected) == 1)
            assert payments.made.injected[0].operation == payments.made.operations[1].id
            writer.close()

    live(scenario())


def test_a_stream_can_come_late() -> None:
    async def scenario() -> None:
        async with services("1", "2", injected=fault("inner-late-answer")) as payments:
            reader, writer = await payments.caller()
            loop = asyncio.get_running_loop()
            writer.write(ASK)
            talk = await payments.asked()
            began = loop.time()
            talk.say(EVENTS)
            await read_head(reader)
            assert loop.time() - began >= LATE
            talk.say(LAST)
            entry = await payments.recorded()
            assert (entry.fault, entry.outcome) == ("inner-late-answer", "ok")
            assert [one.operation for one in payments.made.injected] == [entry.id]
            writer.close()

    live(scenario())


# --- requests ---

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

    live(scenario())


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
                    await payments.made.gateway.close()
                assert LAST not in await rest(talk.reader), "half a request does not look whole"
            entry = await payments.recorded()
            answered = end == "service answers"
            assert (entry.outcome, entry.error == "") == ("fail" if answered else "info", answered)
            assert (entry.request.body, header(entry.request.headers, "content-encoding")) == (b"one", UNFINISHED)
            writer.close()

    live(scenario())


def test_a_partner_is_given_a_slow_request_as_a_whole() -> None:
    async def scenario() -> None:
        async with services() as payments:
            ports = await payments.made.gateway.attach("orders-9-2", "orders", "9", ("psp",))
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["psp"])
            writer.write(UPLOAD + chunk(b"one"))
            await until(lambda: payments.made.gateway.untraced + payments.made.gateway.traced == 1)
            writer.write(chunk(b"two") + LAST)
            assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")
            entry = await payments.recorded()
            assert (entry.source, entry.request.body, entry.effect) == ("partner", b"onetwo", "applied")
            writer.close()

    live(scenario())


# --- WebSockets ---

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
            assert not payments.made.operations
            if end == "service closes":
                talk.leave("close")
                assert await reader.read() == b""
                writer.close()
            elif end == "caller closes":
                writer.close()
                assert await talk.reader.read() == b""
                talk.leave("close")
            else:
                await payments.made.gateway.close()
                assert await rest(reader) == b""
                assert await rest(talk.reader) == b""
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.status, entry.outcome, entry.error) == (101, "ok", "")
            assert (entry.parent, entry.version, entry.caller) == ("rollout.1/r1/1.1", "1", "orders")
            (note,) = payments.made.notes
            assert note.operation == entry.id
            assert "a WebSocket was passed through, 15 bytes to the service and 21 back" in note.message
            writer.close()

    live(scenario())


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
            assert payments.made.notes == []
            writer.close()

    live(scenario())


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

    live(scenario())


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
            assert payments.made.injected == []
            assert "inner-lost-answer was not injected" in payments.notes()

    live(scenario())


def test_a_websocket_for_which_no_replica_is_there_is_refused() -> None:
    async def scenario() -> None:
        async with services() as payments:
            payments.made.rotation.remove("payments-1-1")
            reader, writer = await payments.caller()
            writer.write(OFFER)
            assert await reader.read() == b""
            entry = await payments.recorded()
            assert (entry.error, entry.outcome) == ("refused", "fail")
            writer.close()

    live(scenario())


def test_a_partner_will_have_no_websocket() -> None:
    async def scenario() -> None:
        async with services() as payments:
            ports = await payments.made.gateway.attach("orders-9-2", "orders", "9", ("psp",))
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["psp"])
            writer.write(OFFER + b"\x81hasty")
            got = await reader.read()
            assert got.startswith(b"HTTP/1.1 200 ")
            assert got.count(b"HTTP/1.1") == 1
            writer.close()

    live(scenario())


def test_a_real_websocket_library_talks_through_the_gateway() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def scenario() -> None:
        async with services("raw") as payments, serve(echo, "127.0.0.1", 0) as server:
            payments.made.rotation.clear()
            place = Address("127.0.0.1", server.sockets[0].getsockname()[1])
            payments.made.rotation.add(Endpoint("payments", "1", "payments-1-1", place))
            async with connect(f"ws://127.0.0.1:{payments.port}/ws") as socket:
                for message in ("hello", b"x" * 300_000):
                    await socket.send(message)
                    assert await socket.recv() == message
            entry = await payments.recorded()
            assert entry.response is not None
            assert (entry.response.status, entry.outcome) == (101, "ok")

    live(scenario())
