"""Paths that run side by side give way to a replay that needs the machine for itself.

A replay that kills or pauses replicas depends on moments: a pause has to hold before the acceptor has begun the work.
Beside another path it comes later, and may miss. So it runs while the others rest between two parts of a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Machine:
    """Who uses the machine now: so many paths together, or one alone. `asking` are those that wait to be alone."""

    together: int = 0
    alone: bool = False
    asking: int = 0
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(changed)
            try:
                await changed
            finally:
                if changed in self._waiting:
                    self._waiting.remove(changed)

    def changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


@dataclass(slots=True)
class Turn:
    """One path's part in the use of the machine, from `begin` to `end`."""

    machine: Machine = field(default_factory=Machine)
    _counted: bool = False

    async def begin(self) -> None:
        """Wait until no path is alone or asks to be, and count as one that uses the machine."""
        machine = self.machine
        await machine.until(lambda: not machine.alone and not machine.asking)
        machine.together += 1
        self._counted = True

    def end(self) -> None:
        if self._counted:
            self._counted = False
            self.machine.together -= 1
            self.machine.changed()

    async def give_way(self) -> None:
        """Between two parts of the work: if another path asks to be alone, rest until it was."""
        if self._counted and self.machine.asking:
            self.end()
            await self.begin()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Wait until all others rest, and keep them so."""
        machine, counted = self.machine, self._counted
        self.end()
        machine.asking += 1
        try:
            await machine.until(lambda: not machine.alone and not machine.together)
            machine.alone = True
        finally:
            machine.asking -= 1
            machine.changed()
        try:
            yield
        finally:
            machine.alone = False
            machine.together += counted
            self._counted = counted
            machine.changed()
