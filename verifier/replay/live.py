"""Live traffic: sessions that run while replicas are replaced, each request to whichever replica is in rotation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from verifier.history.model import Operation
from verifier.plan.model import Replay
from verifier.replay.session import SessionReplayer


@asynccontextmanager
async def live_traffic(replayer: SessionReplayer, step: str) -> AsyncIterator[None]:
    """Traffic from before the block begins until after it ends; sessions under way are completed."""
    live = _LiveTraffic(replayer, step)
    replayer.context.gateway.step = step
    tasks = [asyncio.create_task(live.client(number)) for number in range(replayer.replaying.live_sessions)]
    try:
        await live.requests(1, tasks)
        yield
        await live.requests(live.count + replayer.replaying.live_sessions, tasks)
    except asyncio.CancelledError:  # nobody waits for what these sessions would still do
        for task in tasks:
            task.cancel()
        raise
    finally:
        live.stopping = True
        await asyncio.gather(*tasks)


class _LiveTraffic:
    """`count`: the requests that have ended."""

    def __init__(self, replayer: SessionReplayer, step: str) -> None:
        self.replayer, self.step = replayer, step
        self.stopping = False
        self.clients = replayer.replaying.live_sessions
        self.pause = self.clients / replayer.replaying.live_rate  # seconds between two requests of a session
        self.count = 0
        self._progress = asyncio.Event()

    async def requests(self, count: int, tasks: list[asyncio.Task[None]]) -> None:
        """Wait until that many requests have ended; raises what stopped a client."""
        while self.count < count and not any(task.done() for task in tasks):
            self._progress.clear()
            await self._progress.wait()
        for task in tasks:
            if task.done():
                task.result()

    def _record(self, operation: Operation) -> None:
        self.replayer.context.record(operation)
        self.count += 1
        self._progress.set()

    async def client(self, number: int) -> None:
        names = sorted(self.replayer.replay_scripts)
        turn = number
        try:
            while not self.stopping:
                await self._session(names[turn % len(names)], f"live-{turn + 1}")
                turn += self.clients
        finally:
            self._progress.set()

    async def _session(self, session: str, replay_id: str) -> None:
        """One session without a route: the rotation chooses the version of each request."""
        route = ("",) * len(self.replayer.replay_scripts[session].script.steps)
        cursor = self.replayer.cursor(self.step, Replay(replay_id, session, route, None), "live")
        under_way = self.replayer.session(cursor, self._record)
        while not under_way.over:
            await under_way.exchange()
            await asyncio.sleep(self.pause)
        await under_way.finish()
