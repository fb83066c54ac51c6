"""Bounds the work that one question about schemas may take, so that hostile ones end.

The work is counted and not timed: a question that is too large on one machine is too large on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TooMuch(Exception):
    """The question needs more work than it may take."""


class _Account:
    left = float("inf")


def spend(amount: int = 1) -> None:
    """Count units of work, about 5 µs each. Raises TooMuch once the innermost bound is reached."""
    _Account.left -= amount
    if _Account.left < 0:
        raise TooMuch


@contextmanager
def at_most(amount: float) -> Iterator[Callable[[], float]]:
    """Bound the work of a block. What it takes also counts for the blocks around it.

    The value tells how much it has taken.
    """
    outer = _Account.left
    mine = min(outer, amount)
    _Account.left = mine
    try:
        yield lambda: mine - _Account.left
    finally:
        _Account.left = outer - (mine - _Account.left)
