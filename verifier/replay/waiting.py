"""Recorded waiting in a replay: the read is repeated until it shows what the recorded client waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

from msgspec import structs

from verifier.correlation import Waiting
from verifier.history.model import Operation
from verifier.replay.awaited import FIRST_WAIT, LONGEST_WAIT, AwaitedWork, Goal
from verifier.replay.backlog import Backlog
from verifier.replay.context import Attempt, ReplayContext
from verifier.replay.cursor import ReplayCursor
from verifier.replay.waiting_times import BRIEF

LONGEST_GIVEN_UP = 10.0  # seconds that a waiting which the recording gave up takes
_NOT_THERE = 404  # that something is not there is no failure to read it, until the bound


@dataclass(slots=True)
class RecordedWaiting:
    """The waitings of one session. `seen` has the operations that they refer to, by the index of their exchange."""

    context: ReplayContext
    cursor: ReplayCursor
    backlog: Backlog
    seen: dict[int, Operation] = field(default_factory=dict)

    async def wait(
        self, attempt: Attempt, waiting: Waiting, first: Operation, followed: bool | None
    ) -> tuple[Operation, bool]:
        """Go on from the first read; returns the last one, from which the player has learned, and whether it told.

        A session goes on from a read that told something, even if it is not what was waited for. `followed` tells
        whether the same read has shown the end of declared work: then that is the end, and another version may need a
        moment to show it; None where nothing is declared.
        """
        if not waiting.until:
            return await self._give_up(attempt, waiting, first), False
        responses = {index: seen.response for index, seen in self.seen.items() if seen.response is not None}
        waiting = waiting.of(self.cursor.player.values, responses)
        write = self._write(waiting, first)
        work = AwaitedWork(
            attempt, write, first, first.request, self._goal(attempt, waiting, write),
            self.backlog.kind, began=self.context.clock(), again=partial(self.cursor.player.again, attempt.index),
        )  # fmt: skip
        work.take(first)
        if followed is not None:
            await work.poll(self.context, BRIEF if followed else 0.0)
        elif not await work.wait(self.context):
            self.backlog.add(work, self.context.waiting_times)
        last = self._learned(attempt, first, work.last)
        return last, work.readable and last.response is not None and last.response.status < 500

    def _write(self, waiting: Waiting, first: Operation) -> Operation:
        """The operation that accepted the work; the read itself where no write came before it."""
        return self.seen.get(waiting.write, first) if waiting.write is not None else first

    def _goal(self, attempt: Attempt, waiting: Waiting, write: Operation) -> Goal:
        place, times = (attempt.session, attempt.index), self.context.waiting_times
        recovers = self.context.registry.recovers(write.service, write.version, write.name)
        return Goal(
            done=waiting.done,
            shown=waiting.last,
            wanted=f"{waiting.wanted} in {attempt.fallback}",
            bound=times.bound(place, self.backlog.kind, waiting.lasted, recovers),
            expected=frozenset({_NOT_THERE, *waiting.passing, *((304,) if waiting.conditional else ())}),
            longest_wait=min(max(waiting.interval, FIRST_WAIT), LONGEST_WAIT) if waiting.count > 1 else LONGEST_WAIT,
            conditional=waiting.conditional,
        )

    async def _give_up(self, attempt: Attempt, waiting: Waiting, first: Operation) -> Operation:
        """As many reads as the recorded client sent, at its pace."""
        interval = min(waiting.interval, LONGEST_GIVEN_UP / waiting.count)
        goal = Goal(lambda _: False, lambda _: "", "", 0.0, conditional=waiting.conditional)
        work = AwaitedWork(
            attempt, first, first, first.request, goal, again=partial(self.cursor.player.again, attempt.index)
        )
        work.take(first)
        for _ in range(waiting.count - 1):
            await asyncio.sleep(interval)
            await work.read(self.context)
        return self._learned(attempt, first, work.last)

    def _learned(self, attempt: Attempt, first: Operation, last: Operation | None) -> Operation:
        """The last read that was answered, learned from. Its request is the first one's, by which it is read back."""
        if last is None or last is first or last.response is None:
            return first
        self.cursor.player.learn(attempt.index, last.response)
        return structs.replace(last, request=first.request)
