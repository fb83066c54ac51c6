"""Remembers what was computed for a value by the value's identity.

Bodies are decoded once, and equal entries of long lists are one object (`contracts/shared_json.py`). What a function
says about an entry is therefore computed once, however many responses list the entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
MOST = 1 << 15


class ByIdentity(Generic[T]):
    """Results of a pure function of values that nobody changes. At most `MOST` are kept, each with its value, so that
    no other value can have its identity meanwhile.
    """

    __slots__ = ("_compute", "_known")

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[T, Any]] = {}

    def __call__(self, value: Any) -> T:
        known = self._known.get(id(value))
        if known is None:
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[id(value)] = (self._compute(value), value)
        return known[0]


class Seen:
    """Objects and lists that were seen, not too long ago. `add` says whether a value is new; texts and numbers always
    are.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}

    def __contains__(self, value: object) -> bool:
        return id(value) in self._known

    def add(self, value: Any) -> bool:
        if not isinstance(value, dict | list):
            return True
        if id(value) in self._known:
            return False
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[id(value)] = value
        return True
