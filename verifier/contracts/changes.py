"""Differences by what was changed: a component that many operations share is told once, with all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verifier.contracts.verdicts import Column, Comparison, ContractDifference, worst

WHOLE = ("operation", "base-path")  # rules of which each operation is a case, with nothing that they share


@dataclass(frozen=True, slots=True)
class Change:
    """One change, with the worst verdict of all its directions and operations, and the case that shows it best.

    `columns`, `operations` and `parts` are where it matters, in the order of the findings.
    """

    shown: ContractDifference
    columns: tuple[Column, ...]
    operations: tuple[str, ...]
    parts: tuple[str, ...]
    count: int


def changes(comparison: Comparison) -> tuple[Change, ...]:
    """The findings by rule and place, the gravest first, and among equals those that touch most operations."""
    found: dict[tuple[str, str], list[ContractDifference]] = {}
    for item in comparison.findings:
        place = item.column if item.rule in WHOLE else item.pointer
        found.setdefault((item.rule, place), []).append(item)
    made = [_change(items) for items in found.values()]
    order = ("breaking", "unknown", "skew")
    return tuple(sorted(made, key=lambda item: (order.index(item.shown.verdict), -item.count)))


def _change(items: list[ContractDifference]) -> Change:
    gravest = worst(item.verdict for item in items)
    shown = next(item for item in items if item.verdict == gravest)
    return Change(
        shown,
        _distinct(item.column for item in items),
        _distinct(item.operation for item in items),
        _distinct(item.part for item in items if item.part),
        len(items),
    )


def _distinct(items: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))
