"""Reads the log of a replica while it is being written."""

from __future__ import annotations

import re
from pathlib import Path

_TAIL_BYTES = 16_384


def tail(log: Path, lines: int = 20, start: int = 0) -> str:
    """The last lines of a log after `start` (bytes); "" if there are none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


class LineSearch:
    """Finds the first matching line. Each call continues where the last one stopped."""

    def __init__(self, log: Path, pattern: str, start: int = 0) -> None:
        self._log = log
        self._pattern = re.compile(pattern)
        self._position = start
        self._rest = b""

    def found(self) -> bool:
        try:
            with self._log.open("rb") as file:
                file.seek(self._position)
                fresh = file.read()
        except OSError:
            return False
        self._position += len(fresh)
        lines = (self._rest + fresh).split(b"\n")
        # The last line may still grow, so it is checked now and again later.
        self._rest = lines[-1]
        return any(self._pattern.search(line.decode("utf-8", "replace")) for line in lines)
