"""The life of one request as a drawing: from its first attempt over calls, effects and reads to its visible completion.

Only geometry. Lengths along the time axis are percent, so that the drawing fits any width; heights are CSS pixels. The
axis is not to scale: a long time without an event is shortened, by the logarithm of its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log1p

from verifier.checks.verdict import Violation
from verifier.history.model import End, History, Operation, ServiceInfo
from verifier.history.outcome import SAFE
from verifier.report.drawing import tone
from verifier.report.evidence import Evidence, answer
from verifier.report.phrasing import shortened

ROW = 32  # of one bar with its label
STEP_ROW = 20  # of a line that names a step
FOOT = 18  # of the axis
MOST = 16  # bars
LONGEST = 90  # characters of a label; a narrow page cuts its end off
THINNEST = 1.2  # percent of the width
LONG_WORD = re.compile(r"[0-9A-Za-z%_.~-]{16,}")  # such as an id in a path


@dataclass(frozen=True, slots=True)
class Bar:
    """One operation, or all reads of one waiting. `x` and `width` are percent. The label begins with when it began."""

    y: int
    x: float
    width: float
    label: str
    tone: str
    bad: bool
    title: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """Where another step begins."""

    y: int
    name: str


@dataclass(frozen=True, slots=True)
class Completion:
    """When the work was visibly complete (`x` percent), or that it was not."""

    x: float
    text: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    height: int
    bars: tuple[Bar, ...]
    steps: tuple[StepLine, ...]
    completions: tuple[Completion, ...]
    lasted: str
    more: int  # operations that are not drawn


@dataclass(frozen=True, slots=True)
class _Shown:
    """Operations that are one bar: one, or the reads of a waiting."""

    operations: tuple[Operation, ...]

    @property
    def started(self) -> float:
        return self.operations[0].started

    @property
    def ended(self) -> float:
        return max(operation.ended for operation in self.operations)


@dataclass(slots=True)
class Timelines:
    """Draws the timelines of one history, which is indexed once."""

    evidence: Evidence
    history: History
    services: Mapping[str, ServiceInfo] = field(init=False)
    _children: dict[str, list[Operation]] = field(init=False)
    _writes: dict[tuple[str, str], list[Operation]] = field(init=False)  # by step and replay
    _ends: dict[str, list[End]] = field(init=False)

    def __post_init__(self) -> None:
        self.services = {service.name: service for service in self.history.run.services}
        self._children, self._ends, self._writes = {}, {}, {}
        for operation in self.history.operations:
            if operation.source in ("replay", "live") and operation.request.method not in SAFE:
                self._writes.setdefault((operation.step, operation.replay), []).append(operation)
            if operation.parent and operation.source != "sweep":
                self._children.setdefault(operation.parent, []).append(operation)
        for end in self.history.ends:
            self._ends.setdefault(end.operation, []).append(end)

    def draw(self, violation: Violation) -> Timeline | None:
        """The life of the requests that prove a violation; None if no request does."""
        proving = [self.evidence.operations[name] for name in violation.evidence if name in self.evidence.operations]
        if not proving:
            return None
        every = self._lives([*proving, *self._written_before(proving)])
        ids = {operation.id for operation in proving}
        merged = sorted(_merged(every, ids), key=lambda shown: (shown.started, shown.operations[0].id))
        kept = sorted(merged, key=lambda shown: _rank(shown, ids))[:MOST]
        kept.sort(key=lambda shown: (shown.started, shown.operations[0].id))
        ends = [end for shown in kept for entry in shown.operations for end in self._ends.get(entry.id, ())]
        return self._drawn(kept, ends, len(merged) - len(kept))

    def _lives(self, proving: Iterable[Operation]) -> list[Operation]:
        """The operations with those that they repeat or belong to, and all that these have caused."""
        found: dict[str, Operation] = {}
        waiting = [self._first(operation) for operation in proving] + list(proving)
        while waiting:
            operation = waiting.pop()
            if operation.id not in found:
                found[operation.id] = operation
                waiting += self._children.get(operation.id, ())
        return list(found.values())

    def _written_before(self, proving: Iterable[Operation]) -> Iterator[Operation]:
        """What the same replays wrote before: without it nobody sees what a read was to show."""
        for operation in proving:
            first = self._first(operation)
            for write in self._writes.get((first.step, first.replay), ()):
                if write.index <= first.index:
                    yield write

    def _first(self, operation: Operation) -> Operation:
        seen = {operation.id}
        while operation.parent in self.evidence.operations and operation.parent not in seen:
            operation = self.evidence.operations[operation.parent]
            seen.add(operation.id)
        return operation

    def _drawn(self, kept: Sequence[_Shown], ends: Sequence[End], more: int) -> Timeline:
        moments = {moment for shown in kept for moment in (shown.started, shown.ended)}
        moments |= {end.at for end in ends}
        axis = _axis(moments)
        began = min(moments)
        bars: list[Bar] = []
        steps: list[StepLine] = []
        y, step = 0, ""
        for shown in kept:
            if shown.operations[0].step != step:
                step = shown.operations[0].step
                steps.append(StepLine(y, step))
                y += STEP_ROW
            x = axis[shown.started]
            width = max(THINNEST, axis[shown.ended] - x)
            bars.append(self._bar(shown, y, min(x, 100 - width), width, seconds(shown.started - began)))
            y += ROW
        marks = tuple(Completion(axis[end.at], _completion(end), end.how != "ended") for end in ends)
        return Timeline(y + FOOT, tuple(bars), tuple(steps), marks, seconds(max(moments) - began), more)

    def _bar(self, shown: _Shown, y: int, x: float, width: float, after: str) -> Bar:
        last = shown.operations[-1]
        service = self.services.get(last.service)
        count = len(shown.operations)
        who = f"{last.caller} {last.caller_version} calls ".lstrip() if last.caller else ""
        what = f"{last.request.method} {_brief(last.request.target)}"
        times = f"{count} × " if count > 1 else ""
        effect = f", {last.effect}" if last.effect else ""
        fault = f", {last.fault}" if last.fault else ""
        served = f"{last.service} {last.version}".strip()
        label = f"{after}  {times}{what} → {served}: {answer(last)}{effect}{fault}"
        bad = last.outcome in ("fail", "info")
        kind = tone(service, last.version) if service is not None else "partner"
        return Bar(y, round(x, 2), round(width, 2), shortened(label, LONGEST), kind, bad, f"{who}{label}")


def _merged(operations: Iterable[Operation], proving: set[str]) -> Iterator[_Shown]:
    """The reads of one waiting together, but for those that prove something."""
    reads: dict[str, list[Operation]] = {}
    for operation in sorted(operations, key=lambda entry: (entry.started, entry.id)):
        if operation.source == "poll" and operation.id not in proving:
            reads.setdefault(operation.parent, []).append(operation)
        else:
            yield _Shown((operation,))
    yield from (_Shown(tuple(found)) for found in reads.values())


def _rank(shown: _Shown, proving: set[str]) -> int:
    """What is drawn first where not all can be: the proof, then what clients wrote, then the rest."""
    if any(entry.id in proving for entry in shown.operations):
        return 0
    return 1 if shown.operations[0].source in ("replay", "live") else 2


def _axis(moments: set[float]) -> dict[float, float]:
    """Where each moment is on the axis, from 0 to 100."""
    ordered = sorted(moments)
    at, total = {ordered[0]: 0.0}, 0.0
    for before, moment in pairwise(ordered):
        total += log1p(1000 * (moment - before))
        at[moment] = total
    return {moment: 100 * place / total if total else 0.0 for moment, place in at.items()}


def seconds(length: float) -> str:
    """`12 ms` or `3.4 s`."""
    return f"{1000 * length:.0f} ms" if length < 1 else f"{length:.1f} s"


def _completion(end: End) -> str:
    what = f"{end.name} through {end.service} {end.version}"
    shown = shortened(end.shown, 60)
    if end.how == "ended":
        return f"{what}: visibly complete {seconds(end.waited)} after it was accepted ({shown})"
    if end.how == "open":
        return f"{what}: not complete {seconds(end.waited)} after it was accepted ({shown})"
    return f"{what}: nothing could be read for {seconds(end.waited)} ({shown})"


def _brief(target: str) -> str:
    """A request target with long ids shortened."""
    return LONG_WORD.sub(lambda found: f"{found[0][:6]}…", target)
