"""Answers that stream through the gateway, on real sockets: passed on as they come, recorded at their end."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec import structs

from tests.gateway.raw_services import ASK, EVENTS, LAST, TRICKLE, chunk, rest, services
from tests.http.wire_peers import read_head
from tests.replay.harness import run_bounded
from verifier.contracts.conform import Conformance
from verifier.contracts.registry import version_contract
from verifier.gateway import streaming as passing
from verifier.gateway.streaming import UNFINISHED, Call, StreamedResponse
from verifier.history.model import Note, Operation
from verifier.http.message import Request, Response, header
from verifier.http.pipe import Pipe

pytestmark = pytest.mark.usefixtures("both_loops")


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
            assert not payments.harness.operations
            talk.say(LAST, last=True)
            assert await reader.readexactly(len(LAST)) == LAST
            entry = await payments.recorded()
            assert (entry.outcome, entry.error, entry.parent) == ("ok", "", "rollout.1/r1/1.1")
            assert entry.response is not None
            assert entry.response.status == 200
            assert entry.response.body == b"".join(b"data: %d\n\n" % number for number in range(5))
            assert header(entry.response.headers, "content-encoding") is None
            assert payments.harness.notes == []
            writer.write(ASK)
            assert (await payments.asked(2)).writer is talk.writer, "both connections are kept"
            writer.close()

    run_bounded(scenario())


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
                await payments.harness.gateway.close()
            else:
                talk.leave("reset" if end == "service resets" else "close")
            if end != "caller closes":
                assert LAST not in await rest(reader), "a cut stream does not look whole"
            entry = await payments.recorded()
            assert (entry.outcome, entry.error, entry.fault) == ("ok", "", "")
            assert entry.response == Response(200, entry.response.headers if entry.response else (), b"data: 1\n\n")
            assert payments.harness.notes == []
            writer.close()

    run_bounded(scenario())


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

    run_bounded(scenario())


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
            assert payments.harness.notes == []
            writer.close()

    run_bounded(scenario())


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

    run_bounded(scenario())


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

    run_bounded(scenario())


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

    run_bounded(scenario())


def test_a_caller_that_leaves_is_nobody_s_fault_and_half_a_body_is_not_judged() -> None:
    contract = version_contract("psp", "", Path(__file__).parents[2] / "contracts" / "psp" / "1.yaml").contract
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

    run_bounded(scenario())


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
        passed = StreamedResponse(
            call, head, 8, pipe, ExitStack(), lambda: 1.0, lambda _, entry, note: put.append((entry, note))
        )
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

    run_bounded(scenario())
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

    run_bounded(scenario())


@pytest.mark.parametrize(("head", "held"), [(EVENTS, False), (TRICKLE, True)], ids=["events", "json"])
def test_a_stop_waits_for_answers_that_end_and_not_for_event_streams(head: bytes, held: bool) -> None:
    async def scenario() -> None:
        async with services() as payments:
            reader, writer = await payments.caller()
            writer.write(ASK)
            talk = await payments.asked()
            talk.say(head + chunk(b"1"))
            await reader.readuntil(chunk(b"1"))
            draining = asyncio.create_task(payments.harness.rotation.drained("payments-1-1", 60.0))
            if held:
                await asyncio.sleep(0)
                assert not draining.done()
                talk.say(LAST)
            await draining
            assert bool(payments.harness.operations) == held
            writer.close()

    run_bounded(scenario())
