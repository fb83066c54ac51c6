"""The two errors that end a command without a verdict: bad input (status 2) and a broken environment (status 4)."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from verifier.printable import abridged, printable

MOST_LINES = 100  # problems that are shown


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with an input file.

    `line` counts from 1; 0 means the file as a whole. `key` is a dotted path such as
    `services.orders.port`, or a JSON pointer in an OpenAPI document; "" means the whole document.
    """

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        file, key, message = _line(self.file, 500), _line(self.key, 300), _line(self.message, 1500)
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {key}: {message}" if key else f"{place}: {message}"


def _line(text: str, most: int) -> str:
    """What may come from a hostile file, as a part of one line of bounded length."""
    return printable(abridged(text, most)).replace("\n", r"\x0a")


class BadInput(Exception):
    """The matrix, a contract, a recording or a flag is invalid. Carries every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """One line for each of the first problems, and one for the number of further ones."""
        found = [str(problem) for problem in self.problems[:MOST_LINES]]
        more = len(self.problems) - MOST_LINES
        return [*found, f"and {more} more problems"] if more > 0 else found

    @classmethod
    def one(cls, file: str | Path, message: str, *, line: int = 0, key: str = "") -> BadInput:
        return cls([Problem(str(file), line, key, message)])


class BrokenEnvironment(Exception):
    """The engine, an image or a control failed. This is neither a violation nor a pass."""


_SHORTAGES = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EMFILE: "the verifier may not open more files (see `ulimit -n`)",
    errno.ENFILE: "the machine cannot open more files",
    errno.ENOMEM: "no memory is left",
    errno.EAGAIN: "the machine cannot start more processes",
    errno.ENOBUFS: "the machine has no buffers for sockets left",
    errno.EADDRNOTAVAIL: "the machine has no free local port left",
}

_NO_FOLDER = "No usable temporary directory"  # as `tempfile` says it; the reasons of each folder are lost


def shortage(error: BaseException) -> str:
    """What the machine has run out of, as a sentence without a full stop; "" if the error says nothing of that kind."""
    if isinstance(error, MemoryError):
        return "no memory is left"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "the machine cannot start more threads"
    if isinstance(error, FileNotFoundError) and error.filename is None and _NO_FOLDER in str(error):
        return "no folder for temporary files can be written"
    if not isinstance(error, OSError) or error.errno not in _SHORTAGES:
        return ""
    place = f" ({error.filename})" if error.filename else ""
    return f"{_SHORTAGES[error.errno]}{place}"
