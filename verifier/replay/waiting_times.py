"""How long a client waits: bounds that are learned from the controls, and when waiting is cut short."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.plan.model import PathKind

Place = tuple[str, int]  # session, and index of the exchange that waits

LEAST = 5.0  # seconds
LEAST_IN_CONTROL = 40.0  # seconds: nothing is known yet, and leases of 30 s are common
LONGEST_IN_CONTROL = 120.0  # seconds: a recorded client may have come back after its lunch
FACTOR = 10.0  # times what the recording or a control needed
MOST_MORE = 30.0  # seconds beyond what a control needed: open work is followed later, too
BRIEF = 1.0  # seconds, where enough others have waited in vain
ENOUGH = 3  # waitings in a row at one place in one step that did not end


@dataclass(slots=True)
class WaitingTimes:
    """What the waitings of a run needed, by place. Controls come first in a plan, so later paths know of them."""

    needed: dict[Place, float] = field(default_factory=dict)  # seconds, the longest of a control of all old
    _in_vain: dict[tuple[str, Place], int] = field(default_factory=dict)
    _ended: set[tuple[str, Place]] = field(default_factory=set)

    def bound(self, place: Place, kind: PathKind, recorded: float) -> float:
        """Seconds that a client waits at a place; `recorded` is how long it did in the recording.

        Where no control of all old saw the waiting end, nothing says how long it takes.
        """
        if kind != "rollout":
            return max(LEAST_IN_CONTROL, min(FACTOR * recorded, LONGEST_IN_CONTROL))
        needed = self.needed.get(place, 0.0)
        return max(LEAST, min(FACTOR * needed, needed + MOST_MORE))

    def is_brief(self, step: str, place: Place) -> bool:
        """Whether enough waitings at a place did not end in a step, and none did, so that it is told by now."""
        at = (step, place)
        return at not in self._ended and self._in_vain.get(at, 0) >= ENOUGH

    def ended(self, step: str, place: Place, kind: PathKind, seconds: float) -> None:
        """A waiting ended so many seconds after the acceptance."""
        self._ended.add((step, place))
        if kind == "control-old":
            self.needed[place] = max(seconds, self.needed.get(place, 0.0))

    def in_vain(self, step: str, place: Place) -> None:
        """A waiting did not end within its bound."""
        self._in_vain[step, place] = self._in_vain.get((step, place), 0) + 1
