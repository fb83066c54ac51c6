"""Calls of a replica that was started before its step wait until the step begins, so it does nothing before it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Holding:
    """Which replicas are held back."""

    _held: dict[str, asyncio.Event] = field(default_factory=dict)

    def hold(self, replica: str) -> None:
        self._held[replica] = asyncio.Event()

    def release(self, replica: str) -> None:
        """Let its calls go on. It is no error if it is not held back."""
        if (held := self._held.pop(replica, None)) is not None:
            held.set()

    async def passed(self, replica: str) -> None:
        """Wait until a replica is not held back."""
        if (held := self._held.get(replica)) is not None:
            await held.wait()
