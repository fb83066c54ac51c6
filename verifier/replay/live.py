"""Live traffic: sessions that go on while replicas are replaced, each request to whichever replica is in rotation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import structs

from verifier.gateway.traces import end
from verifier.replay.context import Attempt
from verifier.replay.faults import exchange
from verifier.replay.pending import PendingWork
from verifier.replay.polling import poll_recorded
from verifier.replay.session import SessionReplayer, as_recorded


@asynccontextmanager
async def live_traffic(driver: SessionReplayer, step: str) -> AsyncIterator[None]:
    """Traffic from before the block begins until after it ends; sessions under way are brought to their end."""
    live = _Live(driver, step)
    driver.context.gateway.step = step
    tasks = [asyncio.create_task(live.client(number)) for number in range(driver.replaying.live_sessions)]
    try:
        await live.answers(1, tasks)
        yield
        await live.answers(live.count + driver.replaying.live_sessions, tasks)
    except asyncio.CancelledError:  # nobody waits for what these sessions would still do
        for task in tasks:
            task.cancel()
        raise
    finally:
        live.stopping = True
        await asyncio.gather(*tasks)


class _Live:
    def __init__(self, driver: SessionReplayer, step: str) -> None:
        self.driver, self.step = driver, step
        self.stopping = False
        self.clients = driver.replaying.live_sessions
        self.pause = self.clients / driver.replaying.live_rate  # seconds between two requests of a session
        self.count = 0
        self._answered = asyncio.Condition()

    async def answers(self, count: int, tasks: list[asyncio.Task[None]]) -> None:
        """Wait until that many requests have ended; raises what stopped a client."""
        async with self._answered:
            await self._answered.wait_for(lambda: self.count >= count or any(task.done() for task in tasks))
        for task in tasks:
            if task.done():
                task.result()

    async def _ended(self) -> None:
        async with self._answered:
            self.count += 1
            self._answered.notify_all()

    async def client(self, number: int) -> None:
        names = sorted(self.driver.replay_scripts)
        turn = number
        try:
            while not self.stopping:
                await self._session(names[turn % len(names)], f"live-{turn + 1}")
                turn += self.clients
        finally:
            async with self._answered:
                self._answered.notify_all()

    async def _session(self, session: str, replay_id: str) -> None:
        context, replay_script = self.driver.context, self.driver.replay_scripts[session]
        player = replay_script.script.player(f"{context.seed}/{self.step}/{replay_id}", context.wall())
        trace = end(context.expect(self.step, replay_id, session, None))
        open_work = PendingWork(context, replay_script)
        for index, scripted in enumerate(replay_script.scripted_exchanges):
            what = Attempt(
                self.step, replay_id, session, index, 1, "live", scripted.service, "", scripted.name,
                trace="" if scripted.traced else scripted.begin + trace, listen=scripted.listen,
            )  # fmt: skip
            *earlier, operation = await exchange(context, what, player.request(index), scripted.recorded)
            produced = player.answer(index, operation.response) if operation.response is not None else ()
            operation = structs.replace(operation, produced=produced)
            for attempt in (*earlier, operation):
                context.record(attempt)
                await self._ended()
            await asyncio.sleep(self.pause)
            if not as_recorded(operation, scripted.recorded):
                break
            await open_work.begun(what, [operation], operation.response)
            await open_work.after(index)
            if scripted.poll is not None:
                operation = await poll_recorded(context, what, player, scripted.poll, operation)
            if scripted.listen is None:
                self.driver.remember(operation, (operation.version,), operation.request)
        await open_work.rest()
