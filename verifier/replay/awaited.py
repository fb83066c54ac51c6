"""Accepted work under way: the read that is repeated until it shows the end, through every live version in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from verifier.history.model import End, Operation
from verifier.http.message import Request, Response, header, with_header
from verifier.plan.model import PathKind
from verifier.replay.context import Attempt, ReplayContext
from verifier.replay.waiting_times import Place

FIRST_WAIT, LONGEST_WAIT = 0.01, 0.25  # seconds between two polls, growing
FAILURES = 6  # polls that may fail in a row


@dataclass(frozen=True, slots=True)
class Goal:
    """What is waited for. `done` and `shown` read one response, `wanted` says it in a few words.

    `expected` are statuses of 300 and above that a client goes on from, `longest_wait` the seconds between two polls
    in the end. `conditional` polls carry the entity tag of the response before.
    """

    done: Callable[[Response], bool]
    shown: Callable[[Response], str]
    wanted: str
    bound: float
    declared: bool = False
    expected: frozenset[int] = frozenset()
    longest_wait: float = LONGEST_WAIT
    conditional: bool = False


@dataclass(slots=True)
class AwaitedWork:
    """One piece of accepted work. `attempt` is that of the exchange that waits, `write` the operation that accepted it.

    The polls repeat `request` and have `origin` as their parent: the write, or the first read of a recorded waiting.
    `again` makes the next request where a response has set or deleted cookies, as a browser does.
    `last` is the last read, None before the first; `readable` tells whether any read succeeded.
    """

    attempt: Attempt
    write: Operation
    origin: Operation
    request: Request
    goal: Goal
    kind: PathKind = "rollout"
    brief: bool = False
    began: float = 0.0
    polls: int = 0
    reads: int = 0
    last: Operation | None = None
    readable: bool = False
    shown: str = ""
    done: bool = False
    under_way: float = 0.0  # seconds after the acceptance at which a read showed that it had not ended
    tag: str | None = None
    again: Callable[[Response], Request] | None = None

    @property
    def place(self) -> Place:
        return self.attempt.session, self.attempt.index

    def take(self, read: Operation) -> bool:
        """Take in a read; returns whether it was a successful one, or shows a state on the way."""
        self.last, self.reads, response = read, self.reads + 1, read.response
        if response is None:
            return False
        self.done = self.goal.done(response)
        if not self.done:
            self.under_way = max(0.0, read.started - self.write.ended)
        fine = self.done or response.status < 300 or response.status in self.goal.expected
        if fine or not self.readable:
            self.shown = self.goal.shown(response)
        self.readable = self.readable or fine
        if self.again is not None and header(response.headers, "set-cookie") is not None:
            self.request = self.again(response)
        if response.status < 300:
            self.tag = header(response.headers, "etag")
        return fine

    async def wait(self, context: ReplayContext, within: float = 0.0) -> bool:
        """Poll for `within` seconds, else up to the bound; tells the end, which is known then.

        At a place where others have waited in vain it is polled briefly.
        """
        times = context.waiting_times
        self.began = self.began or context.clock()
        brief = times.brief(self.place)
        self.brief = self.goal.bound > brief and times.is_brief(self.attempt.step, self.write.name)
        if not self.done:
            await self.poll(context, within or (brief if self.brief else self.goal.bound))
        if self.done:
            since = self.write.ended
            if context.disturbance is not None:
                context.disturbance.work_ended(self.write.id, since + self.under_way)
                since = max(since, min(context.disturbance.since, context.clock()))
            times.ended(self.place, self.kind, context.clock() - since, self.under_way)
        elif not within:
            times.in_vain(self.attempt.step, self.write.name, self.kind)
        if self.done or not within:
            context.record(self.end(context))
        return self.done

    async def poll(self, context: ReplayContext, within: float) -> None:
        """Poll for `within` seconds, with growing pauses, until the work is done or nobody would go on."""
        until, wait, failures = context.clock() + within, FIRST_WAIT, 0
        while not self.done and context.clock() < context.deadline(until, within) and failures < FAILURES:
            await asyncio.sleep(wait)
            wait = min(wait * 1.6, self.goal.longest_wait)
            failures = 0 if await self.read(context) else failures + 1

    async def read(self, context: ReplayContext, step: str = "", version: str = "") -> bool:
        """Poll once, in a later `step` if one is given, through a version if one is given; tells what `take` does."""
        self.polls += 1
        attempt, request = self.attempt, self.request
        if self.goal.conditional and self.tag is not None:
            request = structs.replace(request, headers=with_header(request.headers, "If-None-Match", self.tag))
        late = bool(step) and step != attempt.step
        poll = structs.replace(
            attempt,
            step=step or attempt.step,
            # Another step's replay may have the same id.
            replay=f"{attempt.step}:{attempt.replay}" if late else attempt.replay,
            source="poll",
            version=version,
            parent=self.origin.id,
            number=self.polls,
            fault="",
            inner=None,
            label=f"{self.origin.id}/poll-{self.polls}",
        )
        operation = await context.send(poll, request)
        context.record(operation)
        return self.take(operation)

    def end(self, context: ReplayContext, step: str = "") -> End:
        """What became of the work by now; `step` is a later one in which it was asked for again."""
        how: Literal["ended", "open", "unreadable"] = "open"
        if self.done:
            how = "ended"
        elif not self.readable:
            how = "unreadable"
        now, write, attempt = context.clock(), self.write, self.attempt
        return End(
            step=step or attempt.step,
            replay=attempt.replay,
            session=attempt.session,
            index=attempt.index,
            operation=write.id,
            service=write.service,
            name=write.name,
            version=write.version,
            how=how,
            shown=self.shown or (self.last.error if self.last is not None else ""),
            waited=now - write.ended,
            bound=self.goal.bound,
            reads=self.reads,
            last=self.last.id if self.last is not None else "",
            at=now,
            wanted=self.goal.wanted,
            declared=self.goal.declared,
            late=bool(step),
            brief=self.brief and not step,
        )
