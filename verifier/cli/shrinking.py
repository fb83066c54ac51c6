"""The commands that find the smallest reproduction of what a run has found."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from verifier.printable import printable
from verifier.rehearsal.pairs import JudgedPair
from verifier.report import defects
from verifier.report.ids import by_violation

MOST = 5  # defects


def shrinking(pairs: Iterable[JudgedPair]) -> Iterator[str]:
    """A line with the command for each defect that fails a run. What contracts alone show has none."""
    for pair in pairs:
        if pair.judged is None:
            continue
        judgement = pair.judged[0]
        names = by_violation(judgement)
        for number, defect in enumerate(defects.added(judgement)[:MOST], 1):
            if defect.shown.evidence:
                words = ["verifier", "shrink", _place(pair.directory), names[id(defect.shown)]]
                yield printable(f"smallest reproduction of defect {number}: {shlex.join(words)}")


def _place(directory: Path) -> str:
    """The run directory, relative to the working directory if it is below it."""
    here = Path.cwd()
    return str(directory.relative_to(here)) if directory.is_relative_to(here) else str(directory)
