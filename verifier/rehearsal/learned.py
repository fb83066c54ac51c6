"""What the paths of a run know from those before them: the controls with all old teach, and the others are taught.

All controls with all old have ended before another path begins, whichever paths run side by side. So a path knows the
same in every run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from verifier.replay.misfits import Misfits
from verifier.replay.waiting_times import StoredTimes, WaitingTimes


@dataclass(frozen=True, slots=True)
class StoredLearned:
    """What a path has learned, as a value that can be written and read."""

    times: StoredTimes
    misfits: tuple[tuple[str, int], ...]
    boots: dict[str, float]


@dataclass(slots=True)
class Learned:
    """`boots` are the longest seconds until a replica of a service was ready."""

    times: WaitingTimes = field(default_factory=WaitingTimes)
    misfits: set[tuple[str, int]] = field(default_factory=set)
    boots: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Iterable[Learned]) -> Learned:
        """What these paths know together."""
        known = list(paths)
        boots: dict[str, float] = {}
        for service, seconds in (entry for path in known for entry in path.boots.items()):
            boots[service] = max(seconds, boots.get(service, 0.0))
        misfits = {misfit for path in known for misfit in path.misfits}
        return cls(WaitingTimes.of(path.times for path in known), misfits, boots)

    def stored(self) -> StoredLearned:
        return StoredLearned(self.times.stored(), tuple(sorted(self.misfits)), self.boots)

    @classmethod
    def restored(cls, stored: StoredLearned) -> Learned:
        return cls(WaitingTimes.restored(stored.times), set(stored.misfits), dict(stored.boots))

    def taught(self) -> tuple[WaitingTimes, Misfits]:
        """Copies for one path to begin with."""
        return WaitingTimes.of((self.times,)), Misfits(known=set(self.misfits))
