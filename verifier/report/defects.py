"""Violations as defects: all that follows from one cause is one defect, and the gravest defect comes first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from verifier.checks.registered import SEVERITY
from verifier.checks.verdict import Judgement, Violation
from verifier.report import phrasing as words

AGAIN = {True: 0, None: 1, False: 2}  # seen again when tried again, not tried again, not seen again


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect: the violation that is its cause or else the gravest one, and its further consequences."""

    shown: Violation
    others: tuple[Violation, ...] = ()

    @property
    def every(self) -> tuple[Violation, ...]:
        return (self.shown, *self.others)

    @property
    def gravest(self) -> Violation:
        return min(self.every, key=_severity)

    @property
    def title(self) -> str:
        """The cause, or what is violated where nothing else follows from it."""
        return self.shown.cause or f"{self.shown.guarantee} · {words.subject(self.shown)}"

    @property
    def count(self) -> int:
        return sum(entry.count for entry in self.every)


def defects(judgement: Judgement, found: Iterable[Violation]) -> list[Defect]:
    """Violations grouped by cause. A violation without a known cause is a defect of its own.

    The gravest comes first: by the severity of the guarantees, then what was confirmed, then the earliest step.
    """
    groups: dict[object, list[Violation]] = {}
    for number, violation in enumerate(found):
        groups.setdefault(violation.cause or number, []).append(violation)
    position = {step.id: number for number, step in enumerate(judgement.steps)}

    def gravity(defect: Defect) -> tuple[int, int, int]:
        earliest = min(position.get(entry.first, len(position)) for entry in defect.every)
        return (_severity(defect.gravest), min(AGAIN[entry.confirmed] for entry in defect.every), earliest)

    return sorted((_defect(group) for group in groups.values()), key=gravity)


def _defect(group: list[Violation]) -> Defect:
    shown = min(group, key=lambda violation: (not violation.leads, _severity(violation)))
    return Defect(shown, tuple(other for other in group if other is not shown))


def _severity(violation: Violation) -> int:
    """Sort key: the most severe violation comes first. Lasting damage is more severe than what a retry repairs."""
    return -SEVERITY.get(violation.guarantee, 0)


def added(judgement: Judgement) -> list[Defect]:
    """What the deployment adds. Only this fails it."""
    return defects(judgement, words.added(judgement))


def earlier(judgement: Judgement) -> list[Defect]:
    """What the old version shows too."""
    return defects(judgement, words.earlier(judgement))


def unconfirmed(judgement: Judgement) -> list[Defect]:
    """What was not seen again, without the further consequences of what fails the run."""
    failing = {violation.cause for violation in words.added(judgement)} - {""}
    return defects(judgement, (entry for entry in words.unconfirmed(judgement) if entry.cause not in failing))


def further(defect: Defect) -> str:
    """How many other violations a defect explains, in a sentence without a full stop; "" if none."""
    if not defect.others:
        return ""
    times = words.counted(sum(other.count for other in defect.others), "time")
    return f"It has {words.counted(len(defect.others), 'further consequence')}, seen {times}"
