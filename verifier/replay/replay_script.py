"""A recorded session as it is replayed: where each of its exchanges goes, and when it came."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.correlation import Script

SHORT = 0.1  # seconds; the longest gap of a compressed pace


@dataclass(frozen=True, slots=True)
class ReplayScript:
    """One recorded session, analysed, with the service that each of its exchanges goes to.

    `gaps`: recorded seconds between the end of the exchange before and the beginning of each one.
    """

    script: Script
    services: tuple[str, ...]
    gaps: tuple[float, ...] = ()

    def gap(self, index: int, pace: str) -> float:
        """How long to wait before an exchange, in seconds."""
        if pace == "fast" or index >= len(self.gaps):
            return 0.0
        return self.gaps[index] if pace == "recorded" else min(self.gaps[index], SHORT)
