"""Work that was open when its step had given it up: followed through the later steps of its path.

Work may end after going forward, after going back, or after a restart. Each such end is recorded as a late one, with
the step in which it was seen.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from verifier.plan.model import PathKind
from verifier.replay.awaited import FIRST_WAIT, LONGEST_WAIT, AwaitedWork
from verifier.replay.context import ReplayContext
from verifier.replay.waiting_times import Place, WaitingTimes

MOST = 200  # pieces of work that are followed in one path
SHORT = 2.0  # seconds for the work of earlier steps, in each step
_AT_ONCE = 8  # reads under way


@dataclass(slots=True)
class Backlog:
    """The open work of one path, by place; `kind` is the path's."""

    kind: PathKind = "rollout"
    _open: defaultdict[Place, list[AwaitedWork]] = field(default_factory=lambda: defaultdict(list))

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    @property
    def works(self) -> list[AwaitedWork]:
        return [work for place in self._open.values() for work in place]

    def add(self, work: AwaitedWork, times: WaitingTimes) -> None:
        """Follow a piece of work; beyond MOST one is forgotten at the place that has most.

        Work whose doer was killed is not followed: that it ends after the next deployment would be no recovery.
        """
        if times.after_kill:
            return
        self._open[work.place].append(work)
        if len(self) > MOST:
            fullest = max(self._open.values(), key=len)
            fullest.pop(len(fullest) // 2)

    async def follow(self, context: ReplayContext, step: str, last: bool = False) -> None:
        """Ask again for all that is open, at the end of a step: through all live versions, then for a while.

        Work of this step is polled for what is left of its bound, work of earlier ones for a short while together. At
        the end of the path (`last`) all of it is polled up to its bound.
        """
        works = self.works
        if not works:
            return
        now = context.clock()
        deadlines = {
            id(work): now + (work.goal.bound if last else SHORT)
            if last or work.attempt.step != step
            else work.began + work.goal.bound
            for work in works
        }
        await self._each(context, step, works, every_version=True)
        wait = FIRST_WAIT
        while due := [work for work in works if not work.done and context.clock() < deadlines[id(work)]]:
            await asyncio.sleep(wait)
            wait = min(wait * 1.6, LONGEST_WAIT)
            await self._each(context, step, due, every_version=False)
        for place, entries in list(self._open.items()):
            self._open[place] = [work for work in entries if not work.done]

    async def _each(self, context: ReplayContext, step: str, works: Iterable[AwaitedWork], every_version: bool) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def ask(work: AwaitedWork) -> None:
            versions = context.rotation.versions(work.attempt.service)
            async with limit:
                for version in versions if every_version else ("",):
                    if versions and not work.done:
                        await work.read(context, step, version)
            if work.done:
                end = work.end(context, step)
                context.record(end)
                if step == work.attempt.step:  # later it may have ended long before
                    context.waiting_times.ended(work.place, work.kind, end.waited)

        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(ask(work))
