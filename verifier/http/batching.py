"""Requests that are written together, after the loop's callbacks have run.

A write wakes a service that waits, which costs more than the write itself. Together they wake it once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from verifier.http.state import CLOSED, CLOSING, WAITING, ConnectionState


class Sender(Protocol):
    """A connection. `started`: the clock before the first byte left. `stamp`: the same as text, made once for all
    requests of one batch.
    """

    state: ConnectionState
    started: float
    stamp: str
    write: Callable[[bytes], None]


class WriteBatcher(list[tuple[Sender, bytes]]):
    """Requests that wait to be written. Whoever adds the first one has the loop call `flush`."""

    __slots__ = ("_clock",)

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock

    def flush(self) -> None:
        waiting = self.copy()
        self.clear()
        now = self._clock()
        stamp = repr(now)
        for conn, data in waiting:
            conn.started = now
            conn.stamp = stamp
            if conn.state is WAITING or (conn.state is not CLOSED and conn.state is not CLOSING):
                conn.write(data)
