"""The clock of a run."""

from __future__ import annotations

from collections.abc import Callable


def run_clock(clock: Callable[[], float], began: float) -> Callable[[], float]:
    """A clock: seconds since `began` in whole microseconds, as in the history. It is called often per request."""
    return lambda: int((clock() - began) * 1e6) / 1e6
