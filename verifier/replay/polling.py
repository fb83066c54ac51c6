"""Accepted is not completed: accepted work is polled until it ends, through every live version by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from verifier.contracts.guarantees import Completes
from verifier.correlation import Player, Poll
from verifier.history.model import Note, Operation
from verifier.http.message import Headers, Request, Response
from verifier.replay.context import Attempt, ReplayContext, same_origin

FIRST_WAIT, LONGEST_WAIT = 0.01, 0.25  # seconds between two polls, growing
PATIENCE = 10.0  # seconds for recorded polling, where nothing is declared
FAILURES = 6  # polls in a row that fail before nobody would go on


@dataclass(slots=True)
class Work:
    """What an answer promised to do. `polls`: how often it was asked for."""

    what: Attempt
    operation: Operation
    request: Request
    completes: Completes
    polls: int = 0

    async def ends(self, context: ReplayContext, within: float = 0.0) -> bool:
        """Poll until a final state or a bound, in seconds: its own if none is given, and then a note tells of it."""
        asked = await _until(
            context, self.what, self.operation, self.request, within or self.completes.within,
            lambda answer: _ended(self.completes, self.request, answer), self.polls, quiet=bool(within),
        )  # fmt: skip
        self.polls += asked.polls
        return asked.done


def accepted_work(context: ReplayContext, what: Attempt, operation: Operation) -> Work | None:
    """The declared work that this operation's answer promised, if it did."""
    completes = context.registry.completes(operation.service, operation.version, operation.name)
    if completes is None or operation.response is None or operation.response.status != completes.accepted:
        return None
    address = completes.poll.value(operation.request, operation.response)
    if address is None:
        return None
    target = same_origin(address, operation.request.target)
    return Work(what, operation, Request("GET", target, _carried(operation.request.headers)), completes)


def _ended(completes: Completes, request: Request, answer: Response) -> bool:
    return completes.state.value(request, answer) in completes.final


def _carried(headers: Headers) -> Headers:
    """What identifies the client, without what describes its body or makes the request unique."""
    kept = ("authorization", "cookie", "accept", "accept-language", "user-agent")
    return tuple((name, value) for name, value in headers if name.lower() in kept)


async def poll_recorded(
    context: ReplayContext, what: Attempt, player: Player, poll: Poll, first: Operation
) -> Operation:
    """Repeat a read that was recorded as polling until it shows what the recording ended with."""
    if first.response is None or poll.done(first.response):
        return first
    last = (await _until(context, what, first, first.request, PATIENCE, poll.done)).last
    if last is not None and last.response is not None:
        player.learn(what.index, last.response)
        return last
    return first


@dataclass(frozen=True, slots=True)
class _Asked:
    last: Operation | None
    polls: int
    done: bool = False


async def _until(
    context: ReplayContext,
    what: Attempt,
    origin: Operation,
    request: Request,
    within: float,
    done: Callable[[Response], bool],
    before: int = 0,
    quiet: bool = False,
) -> _Asked:
    """Poll; `before` polls came before. A note tells that it did not end, unless that is no news (`quiet`)."""
    deadline, wait, failures, number, last = context.clock() + within, FIRST_WAIT, 0, 0, None
    while context.clock() < deadline and failures < FAILURES:
        await asyncio.sleep(wait)
        wait = min(wait * 1.6, LONGEST_WAIT)
        number += 1
        poll = structs.replace(
            what, source="poll", version="", parent=origin.id, number=before + number, fault="", inner=None
        )
        last = await context.attempt(structs.replace(poll, label=f"{origin.id}/poll-{before + number}"), request)
        context.record(last)
        if last.response is not None and last.response.status < 300:
            failures = 0
            if done(last.response):
                return _Asked(last, number, done=True)
        else:
            failures += 1
    if not quiet:
        why = "until its bound" if failures < FAILURES else f"until {failures} polls in a row had failed"
        context.record(Note(what.step, "not-ended", f"was polled {why} and did not end", origin.id))
    return _Asked(last, number)
