"""The requests that a late load balancer sends to a replica that is told to end, and one that it has in hand then.

Live traffic alone would meet the replica by luck. So clients of their own send to it, one request after the other for
as long as it stays in rotation, and one request with a body is under way to it when the signal comes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from msgspec import structs

from verifier.gateway.rotation import Endpoint
from verifier.history.outcome import SAFE
from verifier.plan.faults import IN_HAND
from verifier.plan.model import Replay
from verifier.replay.cursor import ReplayCursor
from verifier.replay.session import SessionReplayer

CLIENTS = 2
MOST = 20  # requests of one client, spread over the time
TAKEN_WITHIN = 1.0  # seconds to wait until the replica has shown that it takes requests; one that does one at a time
# cannot show it while it has a request in hand


class HeldBack:
    """A `Hold`: `held` is set once all but the last byte of the request has left; `release` lets that go."""

    def __init__(self) -> None:
        self.held, self.release = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.held.set()
        await self.release.wait()


@dataclass(slots=True)
class LateRequests:
    """Requests to one replica, from `begin` (before the signal) to `end` (once it is out of rotation).

    `lasting`: how long the replica stays in rotation after the signal, in seconds.
    """

    replayer: SessionReplayer
    step: str
    endpoint: Endpoint
    lasting: float
    _in_hand: HeldBack = field(default_factory=HeldBack)
    _ending: bool = False
    _taken: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def begin(self) -> None:
        """Returns when the replica has a request in hand and has answered another one, as far as the traffic allows."""
        held = asyncio.create_task(self._hold())
        self._tasks.append(held)
        waiting = asyncio.create_task(self._in_hand.held.wait())
        await asyncio.wait((held, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        sessions = [
            name
            for name in sorted(self.replayer.replay_scripts)
            if self.endpoint.service in self.replayer.replay_scripts[name].services
        ]
        if sessions:
            self._tasks += [asyncio.create_task(self._client(number, sessions)) for number in range(CLIENTS)]
            taken = asyncio.create_task(self._taken.wait())
            await asyncio.wait((taken, *self._tasks[1:]), timeout=TAKEN_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            taken.cancel()

    async def end(self) -> None:
        """Let go of the request in hand, and wait for the ends of all sessions; raises what stopped one."""
        self._ending = True
        self._in_hand.release.set()
        await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _client(self, number: int, sessions: list[str]) -> None:
        turn, pause = number, self.lasting / MOST
        sent = 0
        while not self._ending and sent < MOST:
            cursor = self._cursor(sessions[turn % len(sessions)], str(turn + 1))
            under_way = self.replayer.session(cursor)
            while not under_way.over:
                await under_way.exchange()
                self._taken.set()
                sent += 1
                await asyncio.sleep(0.0 if self._ending else pause)
            await under_way.finish()
            turn += CLIENTS

    async def _hold(self) -> None:
        """One session, whose first request with a body to the replica is held until the end."""
        found = self._with_body()
        if found is None:
            return
        position, session = found
        cursor = self._cursor(session, "in-hand")
        under_way = self.replayer.session(cursor)
        while not under_way.over:
            if cursor.at == position:
                attempt = structs.replace(cursor.attempt(position), fault=IN_HAND)
                request = cursor.player.request(position)
                cursor.first_attempt = await self.replayer.context.send(attempt, request, hold=self._in_hand)
            await under_way.exchange()
        await under_way.finish()

    def _with_body(self) -> tuple[int, str] | None:
        """The first write with a body to the service, and its session: the one that needs the fewest before it."""
        found = []
        for name, replayed in self.replayer.replay_scripts.items():
            for position, (step, service) in enumerate(zip(replayed.script.steps, replayed.services, strict=True)):
                request = step.exchange.request
                if service == self.endpoint.service and request.method not in SAFE and request.body:
                    found.append((position, name))
        return min(found, default=None)

    def _cursor(self, session: str, name: str) -> ReplayCursor:
        """A session without a route, whose requests for the service are meant for the replica."""
        route = ("",) * len(self.replayer.replay_scripts[session].script.steps)
        planned = Replay(f"late-{self.endpoint.replica}-{name}", session, route, None)
        cursor = self.replayer.cursor(self.step, planned, "live")
        cursor.meant_for = (self.endpoint.service, self.endpoint.replica)
        return cursor
