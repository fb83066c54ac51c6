"""Collects the entries of one file, whatever its format, into a recording or into all that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from verifier.errors import BadInput, Problem
from verifier.recording.entry import Entry
from verifier.recording.fields import EntryProblem, SkippedEntry
from verifier.recording.model import Recording
from verifier.recording.sessions import ParsedExchange, group

MOST_PROBLEMS = 20
_LISTED = 5
_T = TypeVar("_T")


class TooManyProblems(Exception):
    """Enough is wrong to stop reading; what was found is in the assembly."""


class Assembly:
    """Entries in file order go in; `recording` gives the sessions or raises BadInput."""

    def __init__(self, path: Path, session_header: str | None, prefix: str = "log.entries[{}]") -> None:
        self.path = path
        self.browser = False
        self.problems: list[Problem] = []
        self.numbers: list[int] = []  # of the entries that the problems are in
        self._session_header = session_header
        self._prefix = prefix
        self._found: list[ParsedExchange] = []
        self._warnings: dict[str, list[int]] = {}

    def take(self, number: int, entry: _T, parse: Callable[[_T, int], Entry], line: int = 0) -> None:
        """Parse entry `number` (from 1) that stands on `line`, 0 if unknown. Many problems end the reading."""
        try:
            parsed = parse(entry, number)
        except SkippedEntry as skip:
            self.warn(number, f"skipped: {skip}")
        except EntryProblem as wrong:
            self.wrong(number, wrong.key, wrong.message, line)
        else:
            self._found.append(parsed.found)
            if parsed.warning:
                self.warn(number, parsed.warning)

    def warn(self, number: int, message: str) -> None:
        self._warnings.setdefault(message, []).append(number)

    def wrong(self, number: int, key: str, message: str, line: int) -> None:
        whole = ".".join(part for part in (self._prefix.format(number - 1), key) if part)
        self.problems.append(Problem(str(self.path), line, whole, message))
        self.numbers.append(number)
        if len(self.problems) >= MOST_PROBLEMS:
            raise TooManyProblems

    def place(self, lines: Mapping[int, int]) -> None:
        """Give the problems the lines of their entries."""
        placed = zip(self.problems, self.numbers, strict=True)
        self.problems = [replace(problem, line=lines.get(number, 0)) for problem, number in placed]

    def recording(self) -> Recording:
        """Raises BadInput when anything was wrong or nothing was there."""
        if self.problems:
            raise BadInput(self.problems)
        if not self._found:
            skipped = sum(len(numbers) for numbers in self._warnings.values())
            detail = f" (all {skipped} entries were skipped)" if skipped else ""
            raise BadInput.one(self.path, f"a recording with no exchanges{detail}")
        ordered = sorted(self._found, key=lambda found: found.exchange.at)
        began = ordered[0].exchange.at
        shifted = [_shift(found, began, self.browser) for found in ordered]
        return Recording(str(self.path), group(shifted, self._session_header), began, self._warning_sentences())

    def _warning_sentences(self) -> tuple[str, ...]:
        told = []
        for message, numbers in self._warnings.items():
            listed = ", ".join(map(str, numbers[:_LISTED])) + (", ..." if len(numbers) > _LISTED else "")
            count = Counter(numbers).total()
            told.append(f"{'entry' if count == 1 else f'{count} entries'} {listed}: {message}")
        return tuple(told)


def _shift(found: ParsedExchange, began: float, browser: bool) -> ParsedExchange:
    exchange = replace(found.exchange, at=round(found.exchange.at - began, 6))
    return replace(found, exchange=exchange, browser=found.browser or browser)
