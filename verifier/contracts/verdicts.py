"""The result of a comparison: findings in four columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from verifier.pointers import MISSING

Column = Literal["request_old_to_new", "request_new_to_old", "response_old_to_new", "response_new_to_old"]
Verdict = Literal["compatible", "breaking", "skew", "unknown"]
COLUMNS: Final[tuple[Column, ...]] = (
    "request_old_to_new",
    "request_new_to_old",
    "response_old_to_new",
    "response_new_to_old",
)
MEANING: Final[dict[Column, tuple[str, str]]] = {
    "request_old_to_new": ("an old client", "the new service"),
    "request_new_to_old": ("a new client", "the old service"),
    "response_old_to_new": ("the old service", "a new reader"),
    "response_new_to_old": ("the new service", "an old reader"),
}
_MIRROR: Final[dict[Column, Column]] = {
    "request_old_to_new": "request_new_to_old",
    "request_new_to_old": "request_old_to_new",
    "response_old_to_new": "response_new_to_old",
    "response_new_to_old": "response_old_to_new",
}
_WORST: Final = ("compatible", "skew", "unknown", "breaking")


@dataclass(frozen=True, slots=True)
class ContractDifference:
    """One difference in one column.

    `rule` is a stable word, `operation` the operation id, and `pointer` the place in the reader's document (or the
    writer's, if the reader has none). `witness` is MISSING or a value that the writer may send and the reader rejects.
    `part` names the part of the message: "body", "query limit", "header Location", or "".
    """

    column: Column
    verdict: Literal["breaking", "skew", "unknown"]
    rule: str
    operation: str
    pointer: str
    message: str
    witness: Any = MISSING
    part: str = ""
    media: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two contracts. Findings are sorted by column, then in document order."""

    old: str
    new: str
    findings: tuple[ContractDifference, ...]

    def column(self, column: Column) -> Verdict:
        return worst(item.verdict for item in self.findings if item.column == column)

    @property
    def columns(self) -> dict[Column, Verdict]:
        return {column: self.column(column) for column in COLUMNS}

    @property
    def verdict(self) -> Literal["compatible", "breaking", "unknown"]:
        """The worst verdict of the findings, except skew."""
        found = worst(item.verdict for item in self.findings if item.verdict != "skew")
        return "breaking" if found == "breaking" else "unknown" if found == "unknown" else "compatible"


def worst(verdicts: Iterable[str]) -> Verdict:
    """The worst verdict: breaking, then unknown, then skew, then compatible."""
    found = max((_WORST.index(verdict) for verdict in verdicts), default=0)
    return _WORST[found]


def mirrored(column: Column) -> Column:
    """The column with old and new exchanged."""
    return _MIRROR[column]
