"""What a guarantee is to everything that folds over the list in `registered.py`: one value for each.

A new guarantee is one module that makes such a value, and one line in that list. Judging, the reading of
`guarantees.yaml`, the column of the reports and the order of gravity follow from the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from verifier.checks.context import Context
from verifier.checks.verdict import CheckResult
from verifier.contracts.guarantees import Declaration, OperationGuarantees
from verifier.plan.model import Plan

LASTING = 40  # the severity from which on what is violated stays wrong, whatever is retried or reloaded


def _never(promised: OperationGuarantees) -> bool:
    return False


def _nothing(context: Context, plan: Plan) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Guarantee:
    """`name` is what reports and `verdict.json` call it, `head` its column head there: at most 7 characters.

    `severity` says how grave a violation is; a higher number is graver. What stays wrong ranks above what a retry or a
    reload puts right. Of several violations with one cause, reports show the gravest.

    `check` is a pure function. It says on which operations it ran and returns every counterexample, each with the
    sentences that reports print. When it raises an exception, this guarantee alone is unknown.

    `promised` says whether the declarations of an operation promise this guarantee. A guarantee that is promised
    and that no operation tested keeps the run from passing. `unknowns` yields further sentences that do so.

    `declaration` reads a key of `guarantees.yaml` that only this guarantee uses. The keys that other parts of the
    verifier read as well are part of `OperationGuarantees`.
    """

    name: str
    head: str
    severity: int
    check: Callable[[Context, Plan], CheckResult]
    promised: Callable[[OperationGuarantees], bool] = _never
    unknowns: Callable[[Context, Plan], Iterator[str]] = _nothing
    declaration: Declaration[Any] | None = None

    @property
    def lasting(self) -> bool:
        """Whether a violation stays wrong: something was lost or doubled. Then one sighting is enough to fail a run."""
        return self.severity >= LASTING
