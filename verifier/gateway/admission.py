"""Who may call the gateway, where more machines than this one reach its address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Admission:
    """Admits `callers` alone, by address. `refused` is called with a sentence, once for each address."""

    callers: frozenset[str]
    refused: Callable[[str], None]
    _known: set[str] = field(default_factory=set)

    def admits(self, address: str) -> bool:
        if address in self.callers:
            return True
        if address not in self._known:
            self._known.add(address)
            known = ", ".join(sorted(self.callers))
            self.refused(f"the gateway refused calls from {address}: replicas call from the engine's host ({known})")
        return False
