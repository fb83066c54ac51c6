"""Handing accepted work over: who accepted it is paused, so that somebody else has to do it.

The pause begins with the accepting response. It ends with the replay, or after a while: then whoever has accepted the
work may still do it, late, or once more. The client waits longer than the pause, so work that only its acceptor can do
ends all the same.

Whether it was handed over is chance: the acceptor may have begun before it stood still, and then it holds a lock or the
work itself as long as it does. So each handover tells whether it has met its work (`missed`), and one that has not is
tried again (`session.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from verifier.contracts.registry import ContractRegistry
from verifier.history.model import Note, Operation
from verifier.plan.model import Fault
from verifier.replay.disturbance import Disturbance, Replicas, Tell
from verifier.replay.waiting_times import Missed, WaitingTimes

LEAST = 2.0  # seconds that a pause lasts where nobody does the work; the shortest bound of a waiting is longer
FACTOR = 3.0  # times what the work needed in the control of all old
MOST = 5.0  # seconds; work that waits longer for somebody else, such as for a lease, waits for its acceptor


def pause_seconds(
    times: WaitingTimes, registry: ContractRegistry, operation: Operation, least: float, most: float
) -> float:
    """How long to pause: some times what the work needs, and at most half of the time that is declared for it."""
    needed = [seconds for (session, _), seconds in times.needed.items() if session == operation.session]
    seconds = min(max(least, FACTOR * max(needed, default=0.0)), most)
    declared = registry.completes(operation.service, operation.version, operation.name)
    return seconds if declared is None else min(seconds, declared.within / 2)


@dataclass(slots=True)
class Handover(Disturbance):
    """The handovers of one replay, one at a time: nobody else may use the replicas meanwhile.

    `clock` gives seconds of the run.
    """

    replicas: Replicas
    registry: ContractRegistry
    times: WaitingTimes
    clock: Callable[[], float]
    _timer: asyncio.Task[None] | None = None
    _accepted: str = ""
    _stood_still: float = 0.0
    _went_on: bool = False
    _missed: Missed = ""

    async def begin(self, fault: Fault, operation: Operation, tell: Tell) -> None:
        """Pause who has accepted the work."""
        one = operation.replica if fault.first == fault.second else ""
        if not await self.replicas.pause(operation.service, operation.version, one):
            await self.replicas.resume()
            tell(Note(operation.step, "not-run", f"{operation.service} could not be paused", operation.id))
            return
        self._accepted, self._stood_still, self._went_on = operation.id, self.clock(), False
        seconds = pause_seconds(self.times, self.registry, operation, LEAST, MOST)
        self._timer = asyncio.create_task(self._later(seconds))
        tell(None)

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._went_on = True
        await self.replicas.resume()

    @property
    def missed(self) -> Missed:
        return self._missed

    def work_ended(self, accepted: str, open_at: float) -> None:
        """Somebody else has done the work if it was open once its acceptor stood still, and ended before it went on."""
        if accepted == self._accepted:
            self._missed = "after" if self._went_on else "before" if open_at < self._stood_still else ""

    async def end(self) -> None:
        """Let them go on, however the replay has ended."""
        if self._timer is not None:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer
            self._timer = None
        await self.replicas.resume()
