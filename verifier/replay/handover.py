"""Handing accepted work over: who accepted it is paused, so that somebody else has to do it.

The pause begins with the accepting response. It ends with the replay, or after a while: then whoever has accepted the
work may still do it, late, or once more. The client waits longer than the pause, so work that only its acceptor can do
ends all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Protocol

from verifier.contracts.registry import ContractRegistry
from verifier.history.model import Note, Operation
from verifier.plan.model import Fault
from verifier.replay.waiting_times import WaitingTimes

LEAST = 2.0  # seconds that a pause lasts where nobody does the work; the shortest bound of a waiting is longer
FACTOR = 3.0  # times what the work needed in the control of all old
MOST = 5.0  # seconds; work that waits longer for somebody else, such as for a lease, waits for its acceptor


class Pauser(Protocol):
    """What the rehearsal offers to replays: pausing the replicas that could do accepted work."""

    async def pause(self, service: str, version: str, replica: str) -> bool:
        """Take replicas out of rotation and stop them where they are; returns whether they stand still.

        With a `replica` that one alone; else all of a version, with the workers that belong to it.
        """

    async def resume(self) -> None:
        """Let all that is paused go on, and put it back into rotation. Idempotent."""


@dataclass(slots=True)
class Handover:
    """The handovers of one replay, one at a time: nobody else may use the replicas meanwhile."""

    pauser: Pauser
    registry: ContractRegistry
    times: WaitingTimes
    _timer: asyncio.Task[None] | None = None

    async def begin(self, fault: Fault, operation: Operation) -> Note | None:
        """Pause who has accepted the work. A note tells why it could not be done."""
        one = operation.replica if fault.first == fault.second else ""
        if not await self.pauser.pause(operation.service, operation.version, one):
            await self.pauser.resume()
            return Note(operation.step, "not-run", f"{operation.service} could not be paused", operation.id)
        self._timer = asyncio.create_task(self._later(self._seconds(operation)))
        return None

    def _seconds(self, operation: Operation) -> float:
        needed = [seconds for (session, _), seconds in self.times.needed.items() if session == operation.session]
        seconds = min(max(LEAST, FACTOR * max(needed, default=0.0)), MOST)
        declared = self.registry.completes(operation.service, operation.version, operation.name)
        return seconds if declared is None else min(seconds, declared.within / 2)

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.pauser.resume()

    async def end(self) -> None:
        """Let them go on, however the replay has ended."""
        if self._timer is not None:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer
            self._timer = None
        await self.pauser.resume()
