"""Which replicas may be sent to, as a load balancer would know it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from verifier.runtime.base import Address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A replica that takes traffic."""

    service: str
    version: str
    replica: str
    address: Address


class Rotation:
    """The endpoints in rotation. Picks go by turn, so each replica of a choice gets its share."""

    def __init__(self) -> None:
        self._endpoints: list[Endpoint] = []
        self._turns: dict[tuple[str, str], int] = {}
        self._under_way: dict[str, set[asyncio.Future[None]]] = {}

    def add(self, endpoint: Endpoint) -> None:
        self._endpoints.append(endpoint)

    def remove(self, replica: str) -> Endpoint | None:
        found = next((entry for entry in self._endpoints if entry.replica == replica), None)
        if found is not None:
            self._endpoints.remove(found)
        return found

    def clear(self) -> None:
        self._endpoints.clear()

    def of(self, service: str) -> list[Endpoint]:
        return [entry for entry in self._endpoints if entry.service == service]

    def versions(self, service: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.version for entry in self.of(service)))

    def pick(self, service: str, version: str = "") -> Endpoint | None:
        """The next endpoint of a service, of one version where one is named; None when there is none."""
        choice = [entry for entry in self.of(service) if not version or entry.version == version]
        if not choice:
            return None
        turn = self._turns.get((service, version), 0)
        self._turns[service, version] = turn + 1
        return choice[turn % len(choice)]

    @contextmanager
    def under_way(self, endpoint: Endpoint) -> Iterator[None]:
        """Around every request, so that `drained` knows what a replica still has in hand."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._under_way.setdefault(endpoint.replica, set())
        waiting.add(ended)
        try:
            yield
        finally:
            waiting.discard(ended)
            ended.set_result(None)

    async def drained(self, replica: str, seconds: float) -> None:
        """Wait until the requests that a replica has in hand now have ended, at most that long."""
        if waiting := self._under_way.get(replica):
            await asyncio.wait(tuple(waiting), timeout=seconds)
