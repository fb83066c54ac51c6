"""What users would have seen: for each operation, whether it was late, duplicated or partial, and in which steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from verifier.checks import completes, effects, freshness, idempotent, kills
from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import History
from verifier.report import phrasing as words

MANNERS = ("late", "duplicated", "partial")
LATE = frozenset({completes.GUARANTEE, kills.RECOVERS, freshness.GUARANTEE})
DUPLICATED = frozenset({idempotent.GUARANTEE, effects.TIMES})
MOST = 40  # operations


@dataclass(frozen=True, slots=True)
class Felt:
    """One thing that users would have seen, in `steps`. `earlier`: the old version alone shows it too."""

    experience: str
    steps: tuple[str, ...]
    count: int
    earlier: bool


@dataclass(frozen=True, slots=True)
class ExperienceRow:
    """An operation of a service. `cells` has an entry for each of MANNERS."""

    service: str
    operation: str
    cells: tuple[tuple[Felt, ...], ...]


@dataclass(frozen=True, slots=True)
class Experiences:
    """`rows` are the operations with something to see, `usual` those without."""

    rows: tuple[ExperienceRow, ...]
    usual: tuple[str, ...]
    more: int  # operations with something to see that have no row


def manner(violation: Violation) -> str:
    """Whether what a violation shows is late, duplicated or partial: something missing, wrong or refused."""
    if violation.guarantee in LATE:
        return "late"
    return "duplicated" if violation.guarantee in DUPLICATED else "partial"


def experiences(judgement: Judgement, history: History) -> Experiences:
    """The table, with what the deployment adds first. Unconfirmed violations are left out."""
    shown = [*words.added(judgement), *words.earlier(judgement)]
    groups: dict[tuple[str, str], list[Violation]] = {}
    for violation in shown:
        groups.setdefault((violation.service, violation.operation), []).append(violation)
    rows = [ExperienceRow(*names, tuple(_felt(group, name) for name in MANNERS)) for names, group in groups.items()]
    tried = dict.fromkeys(
        (entry.service, entry.name) for entry in history.operations if entry.source in ("replay", "live")
    )
    usual = sorted(f"{operation} of {service}" for service, operation in tried if (service, operation) not in groups)
    return Experiences(tuple(rows[:MOST]), tuple(usual), max(0, len(rows) - MOST))


def _felt(group: Iterable[Violation], name: str) -> tuple[Felt, ...]:
    found: dict[tuple[str, bool], list[Violation]] = {}
    for violation in group:
        if manner(violation) == name:
            found.setdefault((violation.experience, not violation.fails), []).append(violation)
    return tuple(
        Felt(
            experience,
            tuple(dict.fromkeys(step for entry in entries for step in entry.steps)),
            sum(entry.count for entry in entries),
            earlier,
        )
        for (experience, earlier), entries in found.items()
    )
