"""Accepted is not completed: accepted work is polled until it ends, through every live version by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import structs

from verifier.contracts.guarantees import Completes
from verifier.history.message import Headers, Request, Response
from verifier.history.model import Note, Operation
from verifier.replay.correlate import Player, Poll
from verifier.replay.stage import Attempt, Stage, same_origin

FIRST_WAIT, LONGEST_WAIT = 0.01, 0.25  # seconds between two polls, growing
PATIENCE = 10.0  # seconds for recorded polling, where nothing is declared
FAILURES = 6  # polls in a row that fail before nobody would go on


async def finish_accepted(stage: Stage, what: Attempt, operation: Operation) -> None:
    """Poll declared work that this operation's answer promised, until a final state or its bound."""
    completes = stage.promises.completes(operation.service, operation.version, operation.name)
    if completes is None or operation.response is None or operation.response.status != completes.accepted:
        return
    address = completes.poll.value(operation.request, operation.response)
    if address is None:
        return
    request = Request("GET", same_origin(address), _carried(operation.request.headers))
    await _until(stage, what, operation, request, completes.within, lambda answer: _ended(completes, request, answer))


def _ended(completes: Completes, request: Request, answer: Response) -> bool:
    return completes.state.value(request, answer) in completes.final


def _carried(headers: Headers) -> Headers:
    """What identifies the client, without what describes its body or makes the request unique."""
    kept = ("authorization", "cookie", "accept", "accept-language", "user-agent")
    return tuple((name, value) for name, value in headers if name.lower() in kept)


async def poll_recorded(stage: Stage, what: Attempt, player: Player, poll: Poll, first: Operation) -> Operation:
    """Repeat a read that was recorded as polling until it shows what the recording ended with."""
    if first.response is None or poll.done(first.response):
        return first
    last = await _until(stage, what, first, first.request, PATIENCE, poll.done)
    if last is not None and last.response is not None:
        player.answer(what.index, last.response)
        return last
    return first


async def _until(
    stage: Stage,
    what: Attempt,
    origin: Operation,
    request: Request,
    within: float,
    done: Callable[[Response], bool],
) -> Operation | None:
    deadline, wait, failures, number, last = stage.clock() + within, FIRST_WAIT, 0, 0, None
    while stage.clock() < deadline and failures < FAILURES:
        await asyncio.sleep(wait)
        wait = min(wait * 1.6, LONGEST_WAIT)
        number += 1
        poll = structs.replace(what, source="poll", version="", parent=origin.id, number=number, fault="", inner=None)
        last = await stage.attempt(structs.replace(poll, label=f"{origin.id}/poll-{number}"), request)
        stage.record(last)
        if last.response is not None and last.response.status < 300:
            failures = 0
            if done(last.response):
                return last
        else:
            failures += 1
    why = "until its bound" if failures < FAILURES else f"until {failures} polls in a row had failed"
    stage.record(Note(what.step, "not-ended", f"was polled {why} and did not end", origin.id))
    return last
