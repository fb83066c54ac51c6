"""What is known about pairs of nodes of two contracts: proved, broken, or assumed while it is being proved.

Recursive schemas are decided by assuming that a pair holds while it is examined (Amadio and Cardelli, Subtyping
Recursive Types, 1993). A pair is proved for good when everything that it relied on is. A break stays a break.
"""

from __future__ import annotations

from collections.abc import Callable

from verifier.contracts.breaks import Break
from verifier.contracts.closing import CLOSED
from verifier.contracts.shapes import REFERENCE, Defs, Node, is_reference, reached, text_of

Key = tuple[str, str]


class Proofs:
    """Proofs for the writer and the reader of one column, whose definitions it learns."""

    def __init__(self) -> None:
        self._proved: set[Key] = set()
        self._broken: dict[Key, list[Break]] = {}
        self._open: dict[Key, int] = {}  # with the depth at which it is being examined
        self._waiting: dict[Key, int] = {}  # no break found, but it relies on the open pair of this depth
        self._lowest = _NONE
        self._wdefs: dict[str, Node] = {}
        self._rdefs: dict[str, Node] = {}
        self._texts: dict[int, str] = {}
        self._unchanged: dict[str, bool] = {}

    def learn(self, writer: Defs, reader: Defs) -> None:
        """The definitions of both sides as they stand in the contracts."""
        self._wdefs.update(writer)
        self._rdefs.update(reader)

    def same(self, writer: Node, reader: Node) -> bool:
        """Whether both nodes refer to a definition that is equal in both contracts, with all that it reaches."""
        if not (is_reference(writer) and is_reference(reader)):
            return False
        name = reader["$ref"].removeprefix(REFERENCE)
        return bool(writer["$ref"].removeprefix(REFERENCE).removesuffix(CLOSED) == name and self._equal(name))

    def _equal(self, name: str) -> bool:
        if name not in self._unchanged:
            if name not in self._wdefs or name not in self._rdefs:
                return False
            whole = {name, *reached(self._wdefs[name], self._wdefs)}
            equal = all(self._text(self._wdefs, item) == self._text(self._rdefs, item) for item in whole)
            self._unchanged.update(dict.fromkeys(whole, True) if equal else {name: False})
        return self._unchanged[name]

    def _text(self, defs: dict[str, Node], name: str) -> str:
        node = defs.get(name, True)
        if id(node) not in self._texts:
            self._texts[id(node)] = text_of(node)
        return self._texts[id(node)]

    def breaks(self, key: Key, examine: Callable[[], list[Break]]) -> list[Break]:
        """The breaks of a pair; `examine` finds them if they are not known yet."""
        if key in self._proved:
            return []
        if key in self._broken:
            return self._broken[key]
        if key in self._open or key in self._waiting:
            self._lowest = min(self._lowest, self._open.get(key, self._waiting.get(key, _NONE)))
            return []
        return self._examined(key, examine)

    def _examined(self, key: Key, examine: Callable[[], list[Break]]) -> list[Break]:
        depth, waiting = len(self._open), len(self._waiting)
        outer, self._lowest = self._lowest, _NONE
        self._open[key] = depth
        try:
            found = examine()
        except BaseException:
            self._forget(waiting)
            raise
        finally:
            del self._open[key]
            lowest, self._lowest = self._lowest, outer
        if found:
            self._forget(waiting)
            if not any(item.rule == "undecided" for item in found):
                self._broken[key] = found
        elif lowest < depth:
            self._lowest = min(outer, lowest)
            self._waiting.update({item: min(at, lowest) for item, at in self._since(waiting)})
            self._waiting[key] = lowest
        else:
            self._proved.update(item for item, _ in self._since(waiting))
            self._proved.add(key)
            self._forget(waiting)
        return found

    def _since(self, count: int) -> list[tuple[Key, int]]:
        return list(self._waiting.items())[count:]

    def _forget(self, count: int) -> None:
        for item, _ in self._since(count):
            del self._waiting[item]


_NONE = 1 << 30
