"""Pauses the replicas of one version, as a frozen machine would, and lets them go on; or kills and replaces them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from verifier.gateway.rotation import Endpoint
from verifier.history.model import ReplicaEvent
from verifier.rehearsal.starting import StepFailed, all_done
from verifier.rehearsal.system import Key, System


@dataclass(slots=True)
class Cohorts:
    """The `Replicas` of a system. `_paused` stand still, `_aside` are their places in rotation.

    `_killed` are the places of those that were killed, by service, slot and version.
    """

    system: System
    _paused: list[str] = field(default_factory=list)
    _aside: list[Endpoint] = field(default_factory=list)
    _killed: list[Key] = field(default_factory=list)

    async def pause(self, service: str, version: str, replica: str) -> bool:
        chosen = [replica] if replica else self._cohort(service, version)
        self._aside = [found for one in chosen if (found := self.system.rotation.remove(one)) is not None]
        self._paused = chosen
        stand_still = await asyncio.gather(*(self.system.runtime.pause(one) for one in chosen))
        self._tell("paused")
        return all(stand_still)

    async def resume(self) -> None:
        if not self._paused:
            return
        await asyncio.gather(*(self.system.runtime.resume(one) for one in self._paused))
        self._tell("resumed")
        for endpoint in self._aside:
            self.system.rotation.add(endpoint)
        self._paused, self._aside = [], []

    def names(self, service: str, version: str) -> tuple[str, ...]:
        return tuple(
            replica for (name, _, of), replica in self.system.running.items() if (name, of) == (service, version)
        )

    async def kill(self, service: str, version: str) -> None:
        """Requests in flight have a moment to end, for the work is meant. What takes longer is cut."""
        running = self.system.running
        self._killed = [key for key in running if (key[0], key[2]) == (service, version)]
        ending = [(running.pop(key), *key[::2]) for key in self._killed]
        await asyncio.gather(*(self.system.end(*each, kill=True) for each in ending))

    async def replace(self) -> None:
        """A replica that does not become ready fails the step, as after any other start."""
        killed, self._killed = self._killed, []
        try:
            await all_done(*(self.system.start(*key) for key in killed))
        except StepFailed as failure:
            raise StepFailed(f"{failure}, after it was killed", failure.tail, disturbed=True) from None

    def _cohort(self, service: str, version: str) -> list[str]:
        """The replicas of a version, and the workers on its side of the rollout where the other side has some, too."""
        matrix, running = self.system.matrix, self.system.running
        old = version == matrix.service(service).old.name
        found = [replica for (name, _, of), replica in running.items() if (name, of) == (service, version)]
        for worker in matrix.services:
            if worker.serves or worker.name == service:
                continue
            side = [
                (of == worker.old.name, replica) for (name, _, of), replica in running.items() if name == worker.name
            ]
            if len({is_old for is_old, _ in side}) > 1:
                found += [replica for is_old, replica in side if is_old is old]
        return found

    def _tell(self, what: str) -> None:
        system = self.system
        names = {replica: (service, version) for (service, _, version), replica in system.running.items()}
        for replica in self._paused:
            service, version = names.get(replica, ("", ""))
            system.record(ReplicaEvent(system.step, replica, service, version, what, system.clock()))
