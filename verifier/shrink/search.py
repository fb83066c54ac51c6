"""The search for the smallest reproduction: first the fewest states, then the fewest exchanges and faults.

Every candidate is tried several times, beside its controls. It counts as showing the violation if it does so at least
half as often as the replays that the search began with, so that a rare chance is not taken for a reproduction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from verifier.plan.model import Plan
from verifier.shrink.ddmin import ddmin, with_needed
from verifier.shrink.sought import Sighting
from verifier.shrink.trial import Bench, Candidate, States
from verifier.shrink.units import FAULT, guesses, items, needs

Say = Callable[[str], object]
MOST = 24  # candidates in one rehearsal


@dataclass(frozen=True, slots=True)
class Smallest:
    """What the search has found. `larger` are the parts that it came through, the last one first."""

    states: States
    candidate: Candidate
    sighting: Sighting
    minimal: bool  # False if the budget was used up before the search had ended
    larger: tuple[tuple[States, Candidate], ...] = ()


@dataclass(slots=True)
class Search:
    """One search. `budget` is in seconds; a trial that would not end within it is not begun."""

    bench: Bench
    budget: float
    say: Say
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _longest: float = 0.0
    _needed: float = 0.0  # the rate of sightings that makes a candidate one that shows the violation
    _found: list[tuple[States, Candidate, Sighting]] = field(default_factory=list)
    _hidden: list[Candidate] = field(default_factory=list)  # they did not show it in the states that did

    def run(self, steps: Sequence[str]) -> Smallest | None:
        """The smallest part of what showed the violation in these `steps`; None if nothing shows it again."""
        self._began = self.clock()
        whole = tuple(items(self.bench.replays))
        if not self._begin(whole, self._stages(steps)):
            return None
        minimal = self._fewer_items() and self._fewer_states(steps)
        (states, candidate, sighting), *larger = reversed(self._found)
        return Smallest(states, candidate, sighting, minimal, tuple((entry[0], entry[1]) for entry in larger))

    def _stages(self, steps: Sequence[str]) -> list[States]:
        """The states to begin with: those of the evidence, then all before them, then with live traffic too."""
        before = tuple(earlier(self.bench.plan, steps))
        stages = [States(tuple(steps)), States(before), States(tuple(steps), live=True), States(before, live=True)]
        return list(dict.fromkeys(stages))

    def _begin(self, whole: Candidate, stages: Sequence[States]) -> bool:
        """Find states in which the replays, or a part of them that is likely to, show the violation again."""
        wanted = needs(self.bench.replays)
        parts = [tuple(item for item in whole if item in with_needed(part, wanted)) for part in
                 guesses(self.bench.replays)]  # fmt: skip
        candidates = sorted(dict.fromkeys((*parts, whole)), key=size)
        for states in stages:
            if self._late():
                return False
            shown = self._try(states, candidates)
            best = max(sighting.rate for sighting in shown)
            if (at := _first(shown, best / 2)) is not None:
                self._needed = best / 2
                self._found.append((states, candidates[at], shown[at]))
                self._hidden = candidates[:at]
                return True
        return False

    def _fewer_items(self) -> bool:
        """Leave out exchanges and faults. Returns whether the search came to its end."""
        states, current, _ = self._found[-1]
        search, answer = ddmin(current, needs(self.bench.replays), hidden=self._hidden), None
        try:
            while True:
                candidates = search.send(answer)
                answer = None
                for at in range(0, len(candidates), MOST):
                    if self._late():
                        return False
                    batch = candidates[at : at + MOST]
                    shown = self._try(states, batch)
                    if (first := _first(shown, self._needed)) is not None:
                        answer = at + first
                        self._found.append((states, batch[first], shown[first]))
                        break
        except StopIteration:
            return True

    def _fewer_states(self, steps: Sequence[str]) -> bool:
        """Leave out states, where the evidence alone was too little to begin with, or may be too much."""
        states, candidate, _ = self._found[-1]
        search, answer = ddmin(states.kept, {}), None
        try:
            while True:
                kept = search.send(answer)
                answer = None
                for at, names in enumerate(kept):
                    if self._late():
                        return False
                    fewer = States(names, states.live)
                    (sighting,) = self._try(fewer, [candidate])
                    if _first([sighting], self._needed) is not None:
                        answer = at
                        self._found.append((fewer, candidate, sighting))
                        break
        except StopIteration:
            return True

    def _try(self, states: States, candidates: Sequence[Candidate]) -> list[Sighting]:
        began = self.clock()
        shown = self.bench.sightings(states, candidates)
        took = self.clock() - began
        self._longest = max(self._longest, took)
        at = _first(shown, self._needed)
        told = f"{told_size(candidates[at])} show it in {shown[at]}" if at is not None else "none shows it"
        count = f"{len(candidates)} candidate{'s' if len(candidates) > 1 else ''}"
        where = f"{len(states.kept)} state{'s' if len(states.kept) > 1 else ''}"
        where += " with live traffic" if states.live else ""
        self.say(f"trial {self.bench.runs}: {count} in {where}, {took:.1f} s: {told}")
        return shown

    def _late(self) -> bool:
        late = self.clock() - self._began + self._longest > self.budget
        if late:
            self.say("the budget is used up")
        return late


def size(candidate: Candidate) -> tuple[int, int]:
    """By what candidates are compared: exchanges, then faults."""
    faults = sum(at == FAULT for _, at in candidate)
    return len(candidate) - faults, faults


def told_size(candidate: Candidate) -> str:
    """`2 exchanges and 1 fault`."""
    exchanges, faults = size(candidate)
    return f"{exchanges} exchange{'' if exchanges == 1 else 's'} and {faults or 'no'} fault{'' if faults == 1 else 's'}"


def earlier(plan: Plan, steps: Sequence[str]) -> list[str]:
    """These steps with all before them on their paths."""
    found: list[str] = []
    for path in plan.paths:
        at = [number for number, step in enumerate(path.steps) if step.id in steps]
        found += [step.id for step in path.steps[: at[-1] + 1]] if at else []
    return found


def _first(shown: Sequence[Sighting], needed: float) -> int | None:
    """The first candidate that shows the violation, and at this rate."""
    return next((at for at, sighting in enumerate(shown) if sighting.shown and sighting.rate >= needed), None)
