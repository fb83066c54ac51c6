"""Which replicas may be sent to, as a load balancer would know it."""

from __future__ import annotations

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
