"""Holding requests back, so that several can be released at the same instant."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Hold(Protocol):
    """What `send` waits for before the last byte of a request leaves: an asyncio.Event, or a `ReleaseBarrier`."""

    async def wait(self) -> object: ...


class ReleaseBarrier:
    """Releases a number of requests at the same instant: each is written except for its last byte, then all are ended.

    A request that fails before (refused, timed out) calls `leave`, so that the others do not wait for it.
    """

    __slots__ = ("_ready", "_waited")

    def __init__(self, parties: int) -> None:
        self._waited = parties
        self._ready = asyncio.Event()

    async def wait(self) -> None:
        self.leave()
        await self._ready.wait()

    def leave(self) -> None:
        self._waited -= 1
        if self._waited <= 0:
            self._ready.set()
