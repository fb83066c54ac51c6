"""Inner faults and calls that stream: which of them can befall these, and what becomes of the others."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.raw_services import ASK, EVENTS, LAST, TRICKLE, chunk, services
from tests.http.wire_peers import read_head
from tests.replay.harness import run_bounded, until
from verifier.gateway.gateway import LATE
from verifier.plan.model import Fault

pytestmark = pytest.mark.usefixtures("both_loops")


def fault(kind: str) -> Fault:
    return Fault(kind, 0, "placeOrder", "1", "2", "payments")


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
            assert len(payments.harness.injected) == 1
            writer.close()
            other_writer.close()

    run_bounded(scenario())


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
            assert payments.harness.injected == []
            assert len(payments.talks) == 1
            assert f"{kind} was not injected" in payments.notes()
            writer.write(ASK)
            count = 2 if kind == "inner-lost-answer" else 3
            for number in range(2, count + 1):
                (await payments.asked(number)).say(b"HTTP/1.1 204 No Content\r\n\r\n", last=True)
            got = await reader.read() if kind == "inner-lost-answer" else await read_head(reader)
            assert (got == b"") == (kind == "inner-lost-answer")
            assert [one.fault for one in payments.harness.operations[1:]] == [kind] * (count - 1)
            await until(lambda: len(payments.harness.injected) == 1)
            assert payments.harness.injected[0].operation == payments.harness.operations[1].id
            writer.close()

    run_bounded(scenario())


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
            assert [one.operation for one in payments.harness.injected] == [entry.id]
            writer.close()

    run_bounded(scenario())
