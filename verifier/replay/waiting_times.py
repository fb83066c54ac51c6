"""How long a client waits: bounds that are learned from the controls, and when waiting is cut short."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from verifier.plan.faults import HANDOVER, IN_MID_WORK, KILL
from verifier.plan.model import Fault, PathKind

Missed = Literal["", "before", "after"]  # what a disturbance was to meet ended before it, or only when it was over
Place = tuple[str, int]  # session, and index of the exchange that waits

LEAST = 5.0  # seconds
LEAST_IN_CONTROL = 40.0  # seconds: nothing is known yet, and leases of 30 s are common
LONGEST_IN_CONTROL = 120.0  # seconds: a recorded client may have come back after its lunch
FACTOR = 10.0  # times what the recording or a control needed
MOST_MORE = 30.0  # seconds beyond what a control needed: open work is followed later, too
BRIEF = 0.25  # seconds, where enough others have waited in vain
ENOUGH = 3  # waitings of one kind of work in one step that have not ended
FIRST_RECOVERY = 10.0  # seconds after a kill, while no control has shown that the work is taken up again
TRIES = 6  # of a disturbance that has to meet work at a moment
TRIES_UNKNOWN = 2  # of a handover of work that no handover has met yet
RECOVERY = 15.0  # seconds after a kill, at least, once a control has: the other version may have a longer lease

# A waiting in vain takes its whole bound. Three of them prove as much as thirty, so the others of their step are brief:
# they are followed all the same, and count only where the work never ends on its path.


@dataclass(frozen=True, slots=True)
class StoredTimes:
    """The waiting times of a path that can be written and read; places are session and index."""

    needed: tuple[tuple[str, int, float], ...]
    recovered: tuple[tuple[str, int, float], ...]
    under_way: tuple[tuple[str, int, tuple[float, ...]], ...]
    lost: tuple[Fault, ...]
    never: tuple[tuple[str, str], ...]
    handed: tuple[str, ...] = ()


@dataclass(slots=True)
class WaitingTimes:
    """What the waitings of a path needed, by place. Controls with all old come first, so the others know of them."""

    needed: dict[Place, float] = field(default_factory=dict)  # seconds, the longest of a control of all old
    recovered: dict[Place, float] = field(default_factory=dict)  # the same after a kill, from when all were back
    fault: Fault | None = None  # that disturbs who could do the work; what happens meanwhile is not usual
    _under_way: dict[Place, list[float]] = field(default_factory=lambda: defaultdict(list))
    _in_vain: Counter[tuple[str, str]] = field(default_factory=Counter)  # by step and operation
    _lost: set[Fault] = field(default_factory=set)  # kills after which work was not taken up again
    _never: set[tuple[str, str]] = field(default_factory=set)  # the same with all old: operation, and who was killed
    _handed: set[str] = field(default_factory=set)  # operations whose work somebody else did while its acceptor paused

    @classmethod
    def of(cls, paths: Iterable[WaitingTimes]) -> WaitingTimes:
        """What these paths know together, for another one to begin with."""
        found = cls()
        for path in paths:
            for place, seconds in path.needed.items():
                found.needed[place] = max(seconds, found.needed.get(place, 0.0))
            for place, seconds in path.recovered.items():
                found.recovered[place] = max(seconds, found.recovered.get(place, 0.0))
            for place, several in path._under_way.items():
                found._under_way[place] += several
            found._lost |= path._lost
            found._never |= path._never
            found._handed |= path._handed
        return found

    def stored(self) -> StoredTimes:
        """What `WaitingTimes.of` takes from a path, as a plain value."""
        return StoredTimes(
            tuple((*place, seconds) for place, seconds in self.needed.items()),
            tuple((*place, seconds) for place, seconds in self.recovered.items()),
            tuple((*place, tuple(several)) for place, several in self._under_way.items()),
            tuple(sorted(self._lost, key=repr)),
            tuple(sorted(self._never)),
            tuple(sorted(self._handed)),
        )

    @classmethod
    def restored(cls, stored: StoredTimes) -> WaitingTimes:
        return cls(
            {(session, index): seconds for session, index, seconds in stored.needed},
            {(session, index): seconds for session, index, seconds in stored.recovered},
            _under_way=defaultdict(
                list, {(session, index): list(several) for session, index, several in stored.under_way}
            ),
            _lost=set(stored.lost),
            _never=set(stored.never),
            _handed=set(stored.handed),
        )

    @property
    def after_kill(self) -> bool:
        return self.fault is not None and self.fault.kind == KILL

    def bound(self, place: Place, kind: PathKind, recorded: float, recovers: float | None = None) -> float:
        """Seconds that a client waits at a place; `recorded` is how long it did in the recording.

        A control with all old waits longest, for nothing says yet how long the work takes. Later paths know. After a
        kill the seconds count from when all replicas are back; `recovers` is the time that is declared for this.
        """
        if self.after_kill:
            return self._recovery(place) if recovers is None else recovers
        if kind == "control-old":
            return max(LEAST_IN_CONTROL, min(FACTOR * recorded, LONGEST_IN_CONTROL))
        needed = self.needed.get(place, 0.0)
        return max(LEAST, min(FACTOR * needed, needed + MOST_MORE))

    def _recovery(self, place: Place) -> float:
        longest = self.recovered.get(place)
        if longest is None:
            return max(FIRST_RECOVERY, 3 * self.needed.get(place, 0.0))
        if self.fault is not None and _kill(self.fault) in self._lost:  # one long waiting has shown that it is in vain
            return max(LEAST, 3 * longest)
        return max(RECOVERY, min(FACTOR * longest, longest + MOST_MORE))

    def takes(self, session: str, index: int) -> float:
        """Seconds for which the work of an exchange is under way for certain, in most undisturbed replays."""
        places = [place for place in self._under_way if place[0] == session and place[1] >= index]
        seconds = sorted(self._under_way[min(places)]) if places else [0.0]
        return seconds[len(seconds) // 4]

    def brief(self, place: Place) -> float:
        """Seconds for a waiting that is brief: three times what the controls needed."""
        return max(BRIEF, 3 * self.needed.get(place, 0.0))

    def is_brief(self, step: str, operation: str) -> bool:
        """Whether enough waitings for the work of an operation have not ended in a step to prove it."""
        return self._in_vain[step, operation] >= ENOUGH

    def ended(self, place: Place, kind: PathKind, seconds: float, under_way: float | None = None) -> None:
        """A waiting ended so many seconds after the acceptance, or after a kill, from when all replicas were back.

        `under_way` are the seconds after which the work had not ended yet.
        """
        if kind != "control-old":
            return
        if self.fault is None:
            self.needed[place] = max(seconds, self.needed.get(place, 0.0))
            if under_way is not None:
                self._under_way[place].append(under_way)
        elif self.after_kill:
            self.recovered[place] = max(seconds, self.recovered.get(place, 0.0))

    def in_vain(self, step: str, operation: str, kind: PathKind = "rollout") -> None:
        """A waiting for the work of an operation did not end within its bound."""
        self._in_vain[step, operation] += self.fault is None
        if self.fault is not None and self.after_kill:
            self._lost.add(_kill(self.fault))
            if kind == "control-old":
                self._never.add((self.fault.name, self.fault.callee))

    def disturbed(self, fault: Fault, missed: Missed) -> None:
        """A replay with a fault on replicas has ended; the fault met its work, or missed it."""
        if fault.kind == HANDOVER and not missed:
            self._handed.add(fault.name)

    def worth_again(self, fault: Fault, missed: Missed, tries: int) -> bool:
        """Whether to try a disturbance once more after so many tries; the last one missed its work.

        Work that ended before took no time. Work that ended only when its acceptor went on has waited for the whole
        pause, so this is tried often only where the work is known to be handed over.
        """
        often = missed == "before" or fault.name in self._handed
        return bool(missed) and tries < (TRIES if often else TRIES_UNKNOWN)

    def no_news(self, step: str, fault: Fault) -> str:
        """Why a kill or a pause would prove nothing in a step; "" where it may."""
        if fault.kind in IN_MID_WORK and self._in_vain[step, fault.name]:
            return "such work does not end there anyway"
        if fault.kind == KILL and (fault.name, fault.callee) in self._never:
            return "with all old nobody takes such work up again either"
        return ""


def _kill(fault: Fault) -> Fault:
    """A kill at whatever moment."""
    return replace(fault, moment=0.0)
