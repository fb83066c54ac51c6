"""Which replicas take traffic, as a load balancer would know it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

from verifier.runtime.base import Address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A replica that takes traffic."""

    service: str
    version: str
    replica: str
    address: Address


class InFlight:
    """Counts the requests in flight to one replica: `with` blocks that were entered and not yet left."""

    __slots__ = ("count", "ended")

    def __init__(self) -> None:
        self.count = 0
        self.ended: asyncio.Future[None] | None = None  # made by whoever waits for the end

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.leave()

    def leave(self) -> None:
        self.count -= 1
        if self.ended is not None and not self.count and not self.ended.done():
            self.ended.set_result(None)


class _Choice:
    """The endpoints of a service, or of one version of it, and the number of picks so far."""

    __slots__ = ("endpoints", "turn")

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self.turn = 0


class Rotation:
    """The endpoints in rotation. Picks go round robin, so each replica of a choice gets its share."""

    def __init__(self) -> None:
        self._endpoints: list[Endpoint] = []
        self._choices: dict[tuple[str, str], _Choice] = {}  # of every service and version that was ever added
        self.only: dict[tuple[str, str], Endpoint] = {}  # by service and version, where there is but one endpoint
        self._in_flight: dict[str, InFlight] = {}
        self._leaving: dict[str, set[asyncio.Future[None]]] = {}
        self._lingering: list[Endpoint] = []
        self._late_turn = 0
        self.terminating: set[str] = set()  # the replicas that were told to end before they were out of rotation

    def add(self, endpoint: Endpoint) -> None:
        self._endpoints.append(endpoint)
        for version in ("", endpoint.version):
            self._choices.setdefault((endpoint.service, version), _Choice())
        self._sort()

    def remove(self, replica: str) -> Endpoint | None:
        found = self.endpoint(replica)
        if found in self._endpoints:
            self._endpoints.remove(found)
            self._sort()
        elif found is not None:
            self._lingering.remove(found)
        return found

    def endpoint(self, replica: str) -> Endpoint | None:
        """The place of a replica in rotation, also of one that lingers."""
        return next((entry for entry in (*self._endpoints, *self._lingering) if entry.replica == replica), None)

    def linger(self, replica: str) -> None:
        """Let `pick_late` alone choose a replica, which is told to end, until it is removed."""
        endpoint = self.remove(replica)
        if endpoint is not None:
            self.terminating.add(replica)
            self._lingering.append(endpoint)

    def pick_late(self, service: str) -> Endpoint | None:
        """As `pick` of a load balancer that does not know yet which replicas were told to end."""
        lingering = [entry for entry in self._lingering if entry.service == service]
        if not lingering:
            return self.pick(service)
        every = [*self.of(service), *lingering]
        self._late_turn += 1
        return every[self._late_turn % len(every)]

    def clear(self) -> None:
        self._endpoints.clear()
        self._lingering.clear()
        self._sort()

    def _sort(self) -> None:
        for (service, version), choice in self._choices.items():
            choice.endpoints = [entry for entry in self.of(service) if not version or entry.version == version]
        self.only = {key: entry.endpoints[0] for key, entry in self._choices.items() if len(entry.endpoints) == 1}

    def of(self, service: str) -> list[Endpoint]:
        return [entry for entry in self._endpoints if entry.service == service]

    def versions(self, service: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.version for entry in self.of(service)))

    def pick(self, service: str, version: str = "") -> Endpoint | None:
        """The next endpoint of a service, or of one version of it. None when there is none."""
        key = (service, version)
        only = self.only.get(key)
        if only is not None:
            return only
        choice = self._choices.get(key)
        if choice is None or not choice.endpoints:
            return None
        turn = choice.turn
        choice.turn = turn + 1
        return choice.endpoints[turn % len(choice.endpoints)]

    def undo_pick(self, service: str, version: str = "") -> None:
        """The last pick of these was not used, so the next one is to be the same."""
        choice = self._choices.get((service, version))
        if choice is not None and (service, version) not in self.only:
            choice.turn -= 1  # `pick` takes no turn where there is but one

    def in_flight(self, endpoint: Endpoint) -> InFlight:
        """The `with` block for every request to a replica, so that `drained` can wait for its end."""
        found = self._in_flight.get(endpoint.replica)
        if found is None:
            found = self._in_flight[endpoint.replica] = InFlight()
        return found

    async def drained(self, replica: str, seconds: float) -> None:
        """Wait until the requests now in flight to a replica have ended, for at most `seconds`."""
        leaving = self._leaving.setdefault(replica, set())
        now = self._in_flight.pop(replica, None)  # later requests are counted separately, and not waited for
        if now is not None and now.count:
            now.ended = asyncio.get_running_loop().create_future()
            now.ended.add_done_callback(leaving.discard)
            leaving.add(now.ended)
        if leaving:
            await asyncio.wait(tuple(leaving), timeout=seconds)
        if not leaving:
            self._leaving.pop(replica, None)
