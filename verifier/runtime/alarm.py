"""Tells everybody who has asked, once, that something is gone which a run stands on."""

from __future__ import annotations

from collections.abc import Callable


class Alarm:
    """Raised at most once. Belongs to one event loop."""

    def __init__(self) -> None:
        self._why = ""
        self._told: list[Callable[[str], None]] = []

    def tell(self, lost: Callable[[str], None]) -> None:
        """Call `lost` with the reason when the alarm is raised, or now if it has been."""
        if self._why:
            lost(self._why)
        else:
            self._told.append(lost)

    def ring(self, why: str) -> None:
        """Give the alarm. `why` is a line; what follows it is evidence."""
        if not self._why:
            self._why = why
            told, self._told = self._told, []
            for lost in told:
                lost(why)
