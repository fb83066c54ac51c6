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

Paths that run side by side draw on one budget: what a step under way may still use is nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile

from verifier.history.model import Note
from verifier.plan.faults import Key, key
from verifier.plan.model import FOR_BUDGET, Fault, Path, Plan, PlannedStep, Replay

RESERVE = 0.15  # of the budget; a run may take this much longer
UNKNOWN_TAIL = 0.25  # of its share, for what the first step does after its replays


@dataclass(slots=True)
class Budget:
    """`seconds` of replaying for the paths of a plan; `clock` gives seconds."""

    seconds: float
    plan: Plan
    clock: Callable[[], float]
    spent: float = 0.0
    tried: set[Key] = field(default_factory=set)  # in a control with all old
    reserve: float = 0.0
    tail: float | None = None  # what the last step did after its replays
    _weights: dict[str, dict[str, float]] = field(init=False)  # by path and step, of those that have not begun
    _services: dict[tuple[str, int], str] = field(init=False)
    _held: dict[str, float] = field(default_factory=dict)  # the shares of the steps and paths under way

    def __post_init__(self) -> None:
        self.reserve = RESERVE * self.seconds
        faults = {step.id: _faulted(step) for step in self.plan.steps}
        usual = max(1.0, sum(faults.values()) / max(1, len(faults)))  # what a step does besides its faults
        self._weights = {path.id: {step.id: usual + faults[step.id] for step in path.steps} for path in self.plan.paths}
        self._services = {
            (session.id, index): exchange.service
            for session in self.plan.sessions
            for index, exchange in enumerate(session.exchanges)
        }

    def share(self, path: str, step: str) -> tuple[float, float]:
        """The seconds of a step that begins, and those of the reserve. Steps that its path has skipped lose theirs."""
        own = self._weights[path]
        for earlier in list(takewhile(lambda name: name != step, own)):
            del own[earlier]
        part = own[step] / sum(sum(weights.values()) for weights in self._weights.values())
        del own[step]
        left = self.seconds - self.spent - sum(self._held.values())
        self._held[step] = max(0.0, left) * part
        return self._held[step], self.reserve * part

    def portion(self, path: str) -> float:
        """The seconds of a path that runs elsewhere as a whole. `used` then takes its name and what it used."""
        own = sum(self._weights.pop(path).values())
        every = own + sum(sum(weights.values()) for weights in self._weights.values())
        left = self.seconds - self.spent - sum(self._held.values())
        self._held[path] = max(0.0, left) * own / every
        return self._held[path]

    def used(self, step: str, seconds: float) -> None:
        """A step has ended after so many seconds. What it has not used is the others'."""
        self.spent += seconds
        self._held.pop(step, None)

    def leave(self, path: str) -> None:
        """A path has ended: the steps that it never reached leave their shares to the others."""
        self._weights.pop(path, None)

    def was_tried(self, path: Path) -> None:
        """A path of the plan ran before, with all of its replays."""
        self.tried.update(
            self.key(replay, replay.fault)
            for step in path.steps
            if step.phase == "control-old"
            for replay in step.replays
            if replay.fault is not None
        )

    def key(self, replay: Replay, fault: Fault) -> Key:
        return key(self._services[replay.session, fault.index], fault)


@dataclass(slots=True)
class PathBudget:
    """What one path takes from the budget, step by step."""

    whole: Budget
    path: str
    _step: PlannedStep | None = None
    _began: float = 0.0
    _until: float = 0.0
    _replayed: float = 0.0
    _floor: float = 0.0  # seconds that the faults of the step have in any case
    _first: float | None = None  # when the first fault could start
    left_out: int = 0  # replays in all steps so far
    _skipped: int = 0
    _unmatched: int = 0

    def begin(self, step: PlannedStep) -> None:
        """The replaying of a step begins."""
        share, self._floor = self.whole.share(self.path, step.id)
        self._step, self._skipped, self._unmatched, self._first = step, 0, 0, None
        self._began = self._replayed = self.whole.clock()
        tail = self.whole.tail
        self._until = self._began + share - (share * UNKNOWN_TAIL if tail is None else tail)

    def admits(self, replay: Replay) -> bool:
        """Whether a replay may start. One that may not counts as left out."""
        fault, step = replay.fault, self._step
        if fault is None or step is None:
            return True
        now, kind, control = self.whole.clock(), self.whole.key(replay, fault), step.phase == "control-old"
        self._first = now if self._first is None else self._first
        unmatched = not control and kind not in self.whole.tried
        if unmatched or now >= max(self._until, self._first + self._floor):
            self._skipped += 1
            self._unmatched += unmatched
            return False
        if control:
            self.whole.tried.add(kind)
        return True

    def has_time(self) -> bool:
        """Whether the step has time for a replay that is not planned."""
        return self._step is None or self.whole.clock() < self._until

    def replayed(self) -> None:
        """The replays of the step have ended; open work, proofs and the read-back follow."""
        self._replayed = self.whole.clock()
        if self._first is not None:
            over = max(0.0, self._replayed - max(self._until, self._first))
            self.whole.reserve = max(0.0, self.whole.reserve - over)

    def leave(self) -> None:
        """The path has ended."""
        self.whole.leave(self.path)

    def end(self) -> Note | None:
        """The step has ended. The note says what was left out."""
        now, step = self.whole.clock(), self._step
        self._step = None
        if step is None:
            return None
        self.whole.used(step.id, now - self._began)
        self.whole.tail = now - self._replayed
        self.left_out += self._skipped
        if not self._skipped:
            return None
        told = f"{self._skipped} of {_faulted(step)} faulted replays were left out {FOR_BUDGET}"
        if self._unmatched:
            told += f"; {self._unmatched} of them are of a kind that no control with all old tried"
        return Note(step.id, "not-run", told)


def _faulted(step: PlannedStep) -> int:
    return sum(replay.fault is not None for replay in step.replays)
