"""Names of violations that stay the same from run to run and from release to release: they hold no version."""

from __future__ import annotations

import hashlib
from collections import Counter

from verifier.checks.verdict import Judgement, Violation
from verifier.errors import BadInput
from verifier.report import defects

LENGTH = 8  # hexadecimal digits


def ids(judgement: Judgement) -> list[str]:
    """The id of each violation, in the order of the judgement. Those with equal names are numbered."""
    taken: Counter[str] = Counter()
    found = []
    for violation in judgement.violations:
        name = digest(violation)
        taken[name] += 1
        found.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
    return found


def digest(violation: Violation) -> str:
    """What tells a violation from others: guarantee, attribution, service and operation."""
    names = (violation.guarantee, violation.attribution, violation.service, violation.operation)
    return hashlib.sha256("\0".join(names).encode("utf-8", "replace")).hexdigest()[:LENGTH]


def by_violation(judgement: Judgement) -> dict[int, str]:
    """The id of each violation of a judgement, by its `id()`."""
    return {id(entry): name for entry, name in zip(judgement.violations, ids(judgement), strict=True)}


def named(judgement: Judgement, wanted: str) -> Violation:
    """The violation with an id, or the one that leads the defect with a number, as the report counts them from 1.

    Raises BadInput, which lists what there is.
    """
    found = dict(zip(ids(judgement), judgement.violations, strict=True))
    if wanted in found:
        return found[wanted]
    added = defects.added(judgement)
    if wanted.isdecimal() and 0 < int(wanted) <= len(added):
        return added[int(wanted) - 1].shown
    known = [
        f"{name} ({entry.guarantee}, {entry.attribution}, {entry.operation or entry.service})"
        for name, entry in found.items()
    ]
    message = f"is no violation of this run; it has {', '.join(known)}" if known else "the run has no violation"
    raise BadInput.one(wanted, message)
