"""Replicas that are booted while the step before theirs is replayed. They count once they are taken into rotation.

Only a replica that can do nothing before its step is booted early: one that serves requests, and so gets no work of its
own accord, whose version names no store that it could read or write, and whose calls to others the gateway holds back
until its step begins. A worker is never booted early, nor anything behind a migration, nor a replica that has to wait
for the end of another one. If an early boot fails, which a held call may cause, it is forgotten, and the replica is
started in its step as any other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from verifier.matrix.model import Matrix
from verifier.plan.model import Action, PlannedStep
from verifier.rehearsal.starting import EarlyBoot, stores_of, timed
from verifier.rehearsal.system import System
from verifier.runtime.base import StartFailure


def early(matrix: Matrix, step: PlannedStep) -> Action | None:
    """The action of a step whose replica may be booted before the step; None if there is none."""
    first = step.actions[0] if step.actions else None
    if first is None or first.kind not in ("start", "replace") or any(a.kind == "migrate" for a in step.actions):
        return None
    service = matrix.service(first.service)
    stateless = not stores_of(service.version(first.version))
    return first if service.serves and stateless and not service.stop.wait else None


@dataclass(slots=True)
class EarlyBoots:
    """Those of one path."""

    system: System

    async def begin(self, step: PlannedStep) -> None:
        """Boot what the next step may have booted before it. Does not wait for it."""
        system, action = self.system, early(self.system.matrix, step)
        if action is None:
            return
        key = (action.service, action.slot, action.version)
        if key in system.running or key in system.early:
            return
        service = system.matrix.service(key[0])
        replica, spec = await system.described(service, service.version(key[2]), key[1])
        system.gateway.holding.hold(replica)
        task = asyncio.create_task(timed(system.runtime.start(spec), system.clock))
        system.early[key] = EarlyBoot(replica, task)

    async def forget(self) -> None:
        """End what was booted for a step that does not follow. Calls that are held back are never made."""
        system = self.system
        for key, boot in list(system.early.items()):
            del system.early[key]
            boot.task.cancel()
            await asyncio.wait({boot.task})
            started = not boot.task.cancelled() and boot.task.exception() is None
            if started and not isinstance(boot.task.result()[0], StartFailure):
                await system.runtime.stop(boot.replica, "SIGKILL", 0.0)
            await system.gateway.detach(boot.replica)
