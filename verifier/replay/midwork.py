"""A kill or a pause in the middle of work: after its acceptance, and before it is done.

The moment is a share of the time that the work takes when nothing disturbs it (`Fault.moment`), so it is repeatable.
All replicas of one version that may do the work are killed, because nobody knows which of them has it; then others are
started in their places. Requests to them wait meanwhile, as a balancer would let them, and so nothing but the work is
hit. A pause lets the same replicas go on after a while: by then somebody else may have taken the work over.

It can miss: where the work has ended before, or where the other version does it. Then nothing is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from verifier.contracts.registry import ContractRegistry
from verifier.history.model import Note, Operation
from verifier.plan.faults import PAUSE
from verifier.plan.model import Fault
from verifier.replay.disturbance import Disturbance, Replicas, Tell
from verifier.replay.handover import pause_seconds
from verifier.replay.waiting_times import Missed, WaitingTimes

LEAST, MOST = 1.0, 5.0  # seconds of a pause


@dataclass(slots=True)
class MidWork(Disturbance):
    """The kill or the pause of one replay. `clock` gives seconds of the run."""

    replicas: Replicas
    registry: ContractRegistry
    times: WaitingTimes
    clock: Callable[[], float]
    _task: asyncio.Task[None] | None = None
    _begun: bool = False
    _since: float = 0.0
    _killed: set[str] = field(default_factory=set)
    _complete: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._complete.set()

    @property
    def since(self) -> float:
        return self._since

    async def begin(self, fault: Fault, operation: Operation, tell: Tell) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._hit(fault, operation, tell))

    async def _hit(self, fault: Fault, operation: Operation, tell: Tell) -> None:
        await asyncio.sleep(fault.moment * self.times.takes(operation.session, operation.index))
        self._begun = True
        self._complete.clear()
        try:
            if fault.kind == PAUSE:
                await self._pause(fault, operation, tell)
            else:
                await self._kill(fault, operation, tell)
        finally:
            self._since = self.clock()
            self._complete.set()

    async def _kill(self, fault: Fault, operation: Operation, tell: Tell) -> None:
        service = fault.callee or operation.service
        self._killed.update(self.replicas.names(service, fault.first))
        await self.replicas.kill(service, fault.first)
        tell(None)
        await self.replicas.replace()

    async def _pause(self, fault: Fault, operation: Operation, tell: Tell) -> None:
        """Pause all of a version where the other one is left, else one replica: who accepted it, or any worker."""
        service, one = fault.callee or operation.service, ""
        if fault.first == fault.second:
            names = self.replicas.names(service, fault.first)
            one = random.Random(fault.moment).choice(names) if fault.callee and names else operation.replica
        stand_still = await self.replicas.pause(service, fault.first, one)
        if stand_still:
            tell(None)
            await asyncio.sleep(pause_seconds(self.times, self.registry, operation, LEAST, MOST))
        await self.replicas.resume()
        if not stand_still:
            tell(Note(operation.step, "not-run", f"{service} could not be paused", operation.id))

    @property
    def missed(self) -> Missed:
        return "before" if self._task is not None and not self._begun else ""

    def work_ended(self, accepted: str = "", open_at: float = 0.0) -> None:
        if self._task is not None and not self._begun:
            self._task.cancel()

    async def end(self) -> None:
        self.work_ended()
        if self._task is not None:
            with contextlib.suppress(*(() if self._begun else (asyncio.CancelledError,))):
                await self._task
        await self.replicas.resume()

    async def back(self) -> None:
        await self._complete.wait()

    def away(self, replica: str) -> bool:
        return replica in self._killed

    def deadline(self, until: float, within: float) -> float:
        if not self._complete.is_set():
            return float("inf")
        return max(until, self._since + within) if self._begun else until
