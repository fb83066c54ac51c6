"""Several pairs of versions in one report: the values, and the verdict of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifier.checks.verdict import Verdict
from verifier.printable import one_line
from verifier.report.phrasing import counted

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
    attempt: str = ""  # migrations in a wrong order, which were tried on request

    def __str__(self) -> str:
        return f"{self.old} → {self.new}" + (f" ({self.attempt})" if self.attempt else "")

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
class ContractsOnly:
    """A pair that was not run, but has contracts: what comparing them says, in one line."""

    old: str
    new: str
    told: str


@dataclass(frozen=True, slots=True)
class PairsRun:
    """A run of several pairs. `versions` are the rows and columns of the compatibility matrix, oldest first."""

    matrix: str
    seed: int
    runtime: str
    tool: str
    versions: tuple[str, ...]
    results: tuple[PairResult, ...]
    contracts: tuple[ContractsOnly, ...] = ()  # of pairs that were not run
    attempts: tuple[PairResult, ...] = ()  # they do not count for the verdict

    @property
    def verdict(self) -> Verdict:
        """Fail if one pair fails, else unknown if one is not a pass: what was not run is no pass."""
        found = {result.verdict for result in self.results}
        return "fail" if "fail" in found else "pass" if found == {"pass"} else "unknown"


def headline(run: PairsRun) -> str:
    """How many pairs there are, and how many of each verdict."""
    verdicts = [result.verdict for result in run.results]
    told = [
        f"{verdicts.count(name)} {what}"
        for name, what in (("fail", "failed"), ("unknown", "unknown"), (NOT_RUN, NOT_RUN), ("pass", "passed"))
        if name in verdicts
    ]
    return f"{counted(len(verdicts), 'pair')} of versions: {', '.join(told)}."


def tried(run: PairsRun) -> list[str]:
    """A sentence for each attempt: what a wrong order of migrations does."""
    found = []
    for entry in run.attempts:
        told = " · ".join(filter(None, (entry.verdict, entry.attribution, entry.cause)))
        found.append(f"{entry}: {told} ({entry.directory}/report.html)")
    return found
