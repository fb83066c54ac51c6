"""How long a client waits: bounds that are learned from the controls, and when waiting is cut short."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from verifier.plan.model import PathKind

Place = tuple[str, int]  # session, and index of the exchange that waits

LEAST = 5.0  # seconds
LEAST_IN_CONTROL = 40.0  # seconds: nothing is known yet, and leases of 30 s are common
LONGEST_IN_CONTROL = 120.0  # seconds: a recorded client may have come back after its lunch
FACTOR = 10.0  # times what the recording or a control needed
MOST_MORE = 30.0  # seconds beyond what a control needed: open work is followed later, too
BRIEF = 0.25  # seconds, where enough others have waited in vain
ENOUGH = 3  # waitings of one kind of work in one step that have not ended

# A waiting in vain takes its whole bound. Three of them prove as much as thirty, so the others of their step are brief:
# they are followed all the same, and count only where the work never ends on its path.


@dataclass(slots=True)
class WaitingTimes:
    """What the waitings of a run needed, by place. Controls come first in a plan, so later paths know of them."""

    needed: dict[Place, float] = field(default_factory=dict)  # seconds, the longest of a control of all old
    learning: bool = True  # off while somebody who could do the work is paused
    _in_vain: Counter[tuple[str, str]] = field(default_factory=Counter)  # by step and operation

    def bound(self, place: Place, kind: PathKind, recorded: float) -> float:
        """Seconds that a client waits at a place; `recorded` is how long it did in the recording.

        A control with all old waits longest, for nothing says yet how long the work takes. Later paths know.
        """
        if kind == "control-old":
            return max(LEAST_IN_CONTROL, min(FACTOR * recorded, LONGEST_IN_CONTROL))
        needed = self.needed.get(place, 0.0)
        return max(LEAST, min(FACTOR * needed, needed + MOST_MORE))

    def brief(self, place: Place) -> float:
        """Seconds for a waiting that is brief: three times what the controls needed."""
        return max(BRIEF, 3 * self.needed.get(place, 0.0))

    def is_brief(self, step: str, operation: str) -> bool:
        """Whether enough waitings for the work of an operation have not ended in a step to prove it."""
        return self._in_vain[step, operation] >= ENOUGH

    def ended(self, place: Place, kind: PathKind, seconds: float) -> None:
        """A waiting ended so many seconds after the acceptance."""
        if kind == "control-old" and self.learning:
            self.needed[place] = max(seconds, self.needed.get(place, 0.0))

    def in_vain(self, step: str, operation: str) -> None:
        """A waiting for the work of an operation did not end within its bound."""
        self._in_vain[step, operation] += self.learning
