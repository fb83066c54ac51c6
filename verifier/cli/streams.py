"""Standard streams that a command can rely on: they are open, and it does not matter whether anybody reads them.

Libraries end a process with status 1 when the other end of a pipe is gone, which would be taken for a verdict.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def settle() -> None:
    """Open what the caller has closed, and let output that nobody reads any more go nowhere.

    A stream that somebody has replaced in this process is left alone.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # else the next file that is opened would get this number, and the output of children
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    if sys.stdout is sys.__stdout__:
        sys.stdout = _lenient(1, sys.stdout, line_buffering=False)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _lenient(2, sys.stderr, line_buffering=True)


class _Lenient(io.FileIO):
    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type] # any buffer, as it says itself
        except BrokenPipeError:
            return memoryview(data).nbytes  # type: ignore[arg-type]


def _lenient(descriptor: int, before: TextIO | None, *, line_buffering: bool) -> TextIO:
    raw = _Lenient(descriptor, "w", closefd=False)
    if before is not None:
        before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else "utf-8",
        errors=(before.errors if before is not None else None) or "backslashreplace",
        line_buffering=line_buffering or raw.isatty(),
    )
