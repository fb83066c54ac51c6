"""Keeps what a replica logged when it answered a request with 5xx, or left it unanswered.

The history gets a ReplicaEvent `logged` for such an operation: the last lines from before the response, and those that
follow at once, because some frameworks log an error only after they have answered it.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from verifier.checks.available import cut_on_purpose
from verifier.history.model import Operation, ReplicaEvent
from verifier.history.store import Record
from verifier.http.framing import UNREADABLE
from verifier.runtime.logs import size

FOLLOWING = 0.1  # seconds after the response
LINES = 6  # from before the response, and as many from after it
WIDTH = 400  # characters of a line
MOST = 100  # operations of one replica
BYTES = 8192
UNANSWERED = UNREADABLE | {"closed", "reset"}


class LoggedLines:
    """A `record` function. It passes on every record, and adds what was logged. Call `flush` when no more come."""

    def __init__(self, folder: Path, record: Callable[[Record], None], clock: Callable[[], float]) -> None:
        self._folder, self._record, self._clock = folder, record, clock
        self._marks: dict[str, list[tuple[float, int]]] = defaultdict(list)  # by replica: when its log had which size
        self._taken: dict[str, int] = defaultdict(int)
        self._pending: dict[str, tuple[Operation, int, int, asyncio.TimerHandle]] = {}

    def __call__(self, record: Record) -> None:
        self._record(record)
        if isinstance(record, Operation):
            if record.replica and _failed(record) and self._taken[record.replica] < MOST:
                self._note(record)
        elif isinstance(record, ReplicaEvent) and record.what == "ready":
            self._mark(record.replica)  # what it logged while it started says nothing about requests

    def flush(self) -> None:
        """Take what is still waited for."""
        for name in list(self._pending):
            self._take(name)

    def _mark(self, replica: str) -> int:
        found = size(self._log(replica))
        self._marks[replica].append((self._clock(), found))
        return found

    def _note(self, operation: Operation) -> None:
        marks = self._marks[operation.replica]
        earlier = bisect_right(marks, operation.started, key=lambda mark: mark[0])
        begin = marks[earlier - 1][1] if earlier else 0
        here = self._mark(operation.replica)
        self._taken[operation.replica] += 1
        timer = asyncio.get_running_loop().call_later(FOLLOWING, self._take, operation.id)
        self._pending[operation.id] = (operation, begin, here, timer)

    def _take(self, name: str) -> None:
        operation, begin, here, timer = self._pending.pop(name)
        timer.cancel()
        log = self._log(operation.replica)
        lines = [*_lines(log, max(begin, here - BYTES), here), *_lines(log, here, min(size(log), here + BYTES))]
        if lines:
            event = ReplicaEvent(
                operation.step,
                operation.replica,
                operation.service,
                operation.version,
                "logged",
                self._clock(),
                operation.id,
                "\n".join(lines),
            )
            self._record(event)

    def _log(self, replica: str) -> Path:
        return self._folder / f"{replica}.log"


def _failed(operation: Operation) -> bool:
    if operation.response is not None:
        return operation.response.status >= 500
    return operation.error in UNANSWERED and not cut_on_purpose(operation)


def _lines(log: Path, begin: int, end: int) -> list[str]:
    """The last lines between two positions (bytes) that say something; a first one that is cut off is left out."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, begin - 1))
            text = file.read(end - max(0, begin - 1)).decode("utf-8", "replace")
    except OSError:
        return []
    if begin:
        text = text.partition("\n")[2] if not text.startswith("\n") else text[1:]
    return [line.rstrip()[:WIDTH] for line in text.splitlines() if line.strip()][-LINES:]
