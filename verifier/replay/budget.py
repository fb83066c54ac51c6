"""Keeps the replaying of a run within its time.

Undisturbed replays always run. The time that they leave goes to the replays with faults: every step has a share of what
is left of the budget, in proportion to its planned faults, and the controls come first. What a step does not use goes
to the later ones, and what it uses too much is taken from them. When a share is used up, the remaining faults of the
step are left out. They are the last in an order that is the same in all steps (`plan/planner.py`), so that a small
budget leaves out the same kinds of faults in the controls and in the later states. A later state never tries a kind of
fault that no control with all old has tried.

Waiting for work that never ends can use up more than a share before the first fault. A small reserve is therefore kept
for the faults of such a step and of those after it.

Starting and stopping replicas does not count. Replays under way and waiting that has begun are let end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile

from verifier.history.model import Note
from verifier.plan.faults import Key, key
from verifier.plan.model import FOR_BUDGET, Fault, Plan, PlannedStep, Replay

RESERVE = 0.15  # of the budget; a run may take this much longer
UNKNOWN_TAIL = 0.25  # of its share, for what the first step does after its replays


@dataclass(slots=True)
class Budget:
    """`seconds` of replaying for the paths of a plan; `clock` gives seconds."""

    seconds: float
    plan: Plan
    clock: Callable[[], float]
    spent: float = 0.0
    _weights: dict[str, float] = field(init=False)
    _services: dict[tuple[str, int], str] = field(init=False)
    _tried: set[Key] = field(default_factory=set)  # in a control with all old
    _step: PlannedStep | None = None
    _began: float = 0.0
    _until: float = 0.0
    _replayed: float = 0.0
    _tail: float | None = None
    _reserve: float = 0.0
    _floor: float = 0.0  # seconds that the faults of the step have in any case
    _first: float | None = None  # when the first fault could start
    _skipped: int = 0
    _unmatched: int = 0

    def __post_init__(self) -> None:
        self._reserve = RESERVE * self.seconds
        faults = {step.id: _faulted(step) for step in self.plan.steps}
        usual = max(1.0, sum(faults.values()) / max(1, len(faults)))  # what a step does besides its faults
        self._weights = {step: usual + count for step, count in faults.items()}
        self._services = {
            (session.id, index): exchange.service
            for session in self.plan.sessions
            for index, exchange in enumerate(session.exchanges)
        }

    def begin(self, step: PlannedStep) -> None:
        """The replaying of a step begins. Earlier steps that were never reached leave it their shares."""
        for earlier in list(takewhile(lambda name: name != step.id, self._weights)):
            del self._weights[earlier]
        part = self._weights[step.id] / sum(self._weights.values())
        share, self._floor, self._first = max(0.0, self.seconds - self.spent) * part, self._reserve * part, None
        del self._weights[step.id]
        self._step, self._skipped, self._unmatched = step, 0, 0
        self._began = self._replayed = self.clock()
        self._until = self._began + share - (share * UNKNOWN_TAIL if self._tail is None else self._tail)

    def admits(self, replay: Replay) -> bool:
        """Whether a replay may start. One that may not counts as left out."""
        fault, step = replay.fault, self._step
        if fault is None or step is None:
            return True
        now, kind, control = self.clock(), self._key(replay, fault), step.phase == "control-old"
        self._first = now if self._first is None else self._first
        unmatched = not control and kind not in self._tried
        if unmatched or now >= max(self._until, self._first + self._floor):
            self._skipped += 1
            self._unmatched += unmatched
            return False
        if control:
            self._tried.add(kind)
        return True

    def replayed(self) -> None:
        """The replays of the step have ended; open work, proofs and the read-back follow."""
        self._replayed = self.clock()
        if self._first is not None:
            self._reserve = max(0.0, self._reserve - max(0.0, self._replayed - max(self._until, self._first)))

    def end(self) -> Note | None:
        """The step has ended. The note says what was left out."""
        now, step = self.clock(), self._step
        self.spent += now - self._began
        self._tail, self._step = now - self._replayed, None
        if step is None or not self._skipped:
            return None
        told = f"{self._skipped} of {_faulted(step)} faulted replays were left out {FOR_BUDGET}"
        if self._unmatched:
            told += f"; {self._unmatched} of them are of a kind that no control with all old tried"
        return Note(step.id, "not-run", told)

    def _key(self, replay: Replay, fault: Fault) -> Key:
        return key(self._services[replay.session, fault.index], fault)


def _faulted(step: PlannedStep) -> int:
    return sum(replay.fault is not None for replay in step.replays)
