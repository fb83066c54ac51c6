"""Polls accepted work until it ends, through every live version in turn: accepted does not mean completed."""

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
FAILURES = 6  # polls that may fail in a row


@dataclass(slots=True)
class AcceptedWork:
    """Work that a response has promised. `polls`: how many polls were sent."""

    attempt: Attempt
    operation: Operation
    request: Request
    completes: Completes
    polls: int = 0

    async def poll(self, context: ReplayContext, within: float = 0.0) -> bool:
        """Poll until a final state, for `within` seconds; returns whether it was reached.

        Without `within` the declared bound holds, and a note is recorded if the work does not end before.
        """
        polled = await _poll_until(
            context, self.attempt, self.operation, self.request, within or self.completes.within,
            lambda response: _is_final(self.completes, self.request, response), self.polls, quiet=bool(within),
        )  # fmt: skip
        self.polls += polled.polls
        return polled.done


def accepted_work(context: ReplayContext, attempt: Attempt, operation: Operation) -> AcceptedWork | None:
    """The declared work that the response of an operation has promised; None where it has promised none."""
    completes = context.registry.completes(operation.service, operation.version, operation.name)
    if completes is None or operation.response is None or operation.response.status != completes.accepted:
        return None
    address = completes.poll.value(operation.request, operation.response)
    if address is None:
        return None
    target = same_origin(address, operation.request.target)
    return AcceptedWork(
        attempt, operation, Request("GET", target, _identifying_headers(operation.request.headers)), completes
    )


def _is_final(completes: Completes, request: Request, response: Response) -> bool:
    return completes.state.value(request, response) in completes.final


def _identifying_headers(headers: Headers) -> Headers:
    """The headers that identify the client, without those that describe a body or make the request unique."""
    kept = ("authorization", "cookie", "accept", "accept-language", "user-agent")
    return tuple((name, value) for name, value in headers if name.lower() in kept)


async def poll_recorded(
    context: ReplayContext, attempt: Attempt, player: Player, poll: Poll, first: Operation
) -> Operation:
    """Repeat a read that was recorded as polling until it shows what the recording ended with."""
    if first.response is None or poll.done(first.response):
        return first
    last = (await _poll_until(context, attempt, first, first.request, PATIENCE, poll.done)).last
    if last is not None and last.response is not None:
        player.learn(attempt.index, last.response)
        return last
    return first


@dataclass(frozen=True, slots=True)
class _Polls:
    last: Operation | None
    polls: int
    done: bool = False


async def _poll_until(
    context: ReplayContext,
    attempt: Attempt,
    origin: Operation,
    request: Request,
    within: float,
    done: Callable[[Response], bool],
    before: int = 0,
    quiet: bool = False,
) -> _Polls:
    """Poll for `within` seconds; `before` polls were sent before. Records a note if it does not end, unless `quiet`."""
    deadline, wait, failures, number, last = context.clock() + within, FIRST_WAIT, 0, 0, None
    while context.clock() < deadline and failures < FAILURES:
        await asyncio.sleep(wait)
        wait = min(wait * 1.6, LONGEST_WAIT)
        number += 1
        poll = structs.replace(
            attempt, source="poll", version="", parent=origin.id, number=before + number, fault="", inner=None
        )
        last = await context.send(structs.replace(poll, label=f"{origin.id}/poll-{before + number}"), request)
        context.record(last)
        if last.response is not None and last.response.status < 300:
            failures = 0
            if done(last.response):
                return _Polls(last, number, done=True)
        else:
            failures += 1
    if not quiet:
        why = "until its bound" if failures < FAILURES else f"until {failures} polls in a row had failed"
        context.record(Note(attempt.step, "not-ended", f"was polled {why} and did not end", origin.id))
    return _Polls(last, number)
