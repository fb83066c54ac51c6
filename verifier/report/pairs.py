"""Several pairs of versions in one report: the values, the verdict of the whole, the compatibility table, the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifier.checks.verdict import Verdict
from verifier.printable import one_line
from verifier.report.phrasing import SYMBOLS, counted, shortened
from verifier.report.text import WIDTH, grid, wrapped

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class PairResult:
    """One pair. `document` is its `verdict.json`, decoded, and `reports` its other reports by the name of the format.

    `document` is None if the pair has no verdict; then `reason` says why.
    """

    old: str
    new: str
    name: str
    directory: str  # relative to the run directory
    document: Mapping[str, Any] | None
    reports: Mapping[str, str]
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.old} → {self.new}"

    @property
    def verdict(self) -> str:
        return NOT_RUN if self.document is None else str(self.document["verdict"])

    @property
    def attribution(self) -> str:
        """That of the gravest defect; "" if there is none."""
        return str(self.document["causes"][0]["attribution"]) if self.document and self.document["causes"] else ""

    @property
    def cause(self) -> str:
        """The gravest defect, or else the first reason for no pass, in one line; "" for a pass."""
        if self.document is None:
            return one_line(self.reason)
        told = [entry["cause"] for entry in self.document["causes"]] or self.document["unknowns"]
        return one_line(told[0]) if told else ""


@dataclass(frozen=True, slots=True)
class PairsRun:
    """A run of several pairs. `versions` are the rows and columns of the table, oldest first."""

    matrix: str
    seed: int
    runtime: str
    tool: str
    versions: tuple[str, ...]
    results: tuple[PairResult, ...]

    @property
    def verdict(self) -> Verdict:
        """Fail if one pair fails, else unknown if one is not a pass: what was not run is no pass."""
        found = {result.verdict for result in self.results}
        return "fail" if "fail" in found else "pass" if found == {"pass"} else "unknown"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table: rows are upgraded from, columns to. `verdict` is "" if the column is not newer."""

    verdict: str
    text: str
    result: PairResult | None = None


def cells(run: PairsRun) -> list[tuple[str, list[Cell]]]:
    """The rows of the compatibility table: each version but the newest, with a cell for each version but the oldest."""
    found = {(result.old, result.new): result for result in run.results}
    return [
        (old, [_cell(found.get((old, new)), column > row) for column, new in enumerate(run.versions) if column])
        for row, old in enumerate(run.versions[:-1])
    ]


def _cell(result: PairResult | None, newer: bool) -> Cell:
    if result is None:
        return Cell(NOT_RUN, NOT_RUN) if newer else Cell("", "")
    return Cell(result.verdict, " · ".join(filter(None, (result.verdict, result.attribution, result.cause))), result)


def headline(run: PairsRun) -> str:
    """How many pairs there are, and how many of each verdict."""
    verdicts = [result.verdict for result in run.results]
    told = [
        f"{verdicts.count(name)} {what}"
        for name, what in (("fail", "failed"), ("unknown", "unknown"), (NOT_RUN, NOT_RUN), ("pass", "passed"))
        if name in verdicts
    ]
    return f"{counted(len(verdicts), 'pair')} of versions: {', '.join(told)}."


def _shown(cell: Cell, width: int) -> str:
    return f"{SYMBOLS.get(cell.verdict, '–')} {shortened(cell.text, width - 2)}" if cell.text else ""


def text(run: PairsRun) -> str:
    """The table, a line for each pair, and the report of each pair. Ends with a newline."""
    columns = len(run.versions) - 1
    width = max(16, (WIDTH - 12) // columns - 2)
    body = [[old, *(_shown(cell, width) for cell in row)] for old, row in cells(run)]
    head = f"{run.verdict.upper()}  {one_line(run.matrix)} · {run.runtime} runtime · seed {run.seed}"
    lines = [head, headline(run), "", *grid(body, ["from \\ to", *run.versions[1:]]), ""]
    for result in run.results:
        told = " · ".join(filter(None, (f"{result}: {result.verdict}", result.attribution, result.cause)))
        lines += wrapped(f"{told} ({result.directory})", "")
    for result in run.results:
        if result.document is not None:
            lines += ["", "═" * WIDTH, one_line(f"pair {result}"), "", result.reports["text"].rstrip("\n")]
    return "\n".join(lines) + "\n"
