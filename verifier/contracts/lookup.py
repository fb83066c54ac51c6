"""Finds the operation that a request addresses. It is fast even though ids make nearly every path a new one.

The result equals that of `Contract.match`; property tests verify this. The lookup uses one regular expression for each
version and method, built from the templates of the contract. Fixed segments take precedence over variables, as in the
routes. Unusual templates and targets are left to the contracts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from verifier.contracts.model import Contract, ContractOperation
from verifier.http.message import Request
from verifier.paths import VARIABLE

_FIXED = re.compile(r"[!\"$&-.0->@-z|~]+")  # printable ASCII except # % / ? and braces, so nothing to decode or split
_ANY = r"/[!\"$&-.0->@-~]+"
_END = r"(?=\?|\Z)"
HOLE = "~_~hole~_~"  # stands in a target for unreserved characters of RFC 3986, one or more
Tree = dict[str, "Tree | ContractOperation"]  # by segment; the operation that ends here is under _HERE
_HERE = "/"


class Finder:
    """The operations of one contract and one method, by the target of a request."""

    __slots__ = ("_bases", "_match", "_operations", "_tree")

    def __init__(self, tree: Tree, bases: Sequence[str]) -> None:
        self._operations: list[ContractOperation] = []
        self._tree, self._bases = tree, tuple(bases)
        prefix = "".join(f"{re.escape(base)}|" for base in sorted(bases, key=len, reverse=True))
        self._match = re.compile(f"(?:{prefix})" + self._pattern(tree)).match

    def _pattern(self, tree: Tree) -> str:
        ways = []
        for segment, below in sorted(tree.items(), key=lambda item: item[0] == "{}"):  # a variable comes last
            if isinstance(below, ContractOperation):
                self._operations.append(below)
                ways.append(f"{_END}()")
            else:
                ways.append((_ANY if segment == "{}" else f"/{re.escape(segment)}") + self._pattern(below))
        return f"(?:{'|'.join(ways)})"

    def find(self, target: str) -> ContractOperation | None:
        """The operation; None if the contract must decide."""
        found = self._match(target)
        return self._operations[found.lastindex - 1] if found is not None and found.lastindex is not None else None

    def settled(self, target: str) -> ContractOperation | None:
        """The operation of all targets that differ from this one only in their holes; None if it may vary."""
        path = target.partition("?")[0]
        segments = path.split("/")
        # A hole where a base path may begin: its value decides whether there is a base path at all.
        if any(HOLE in segment for base in self._bases for segment in segments[: len(base.split("/"))]):
            return None
        paths = [path, *(path[len(base) :] for base in self._bases if path.startswith(base))]
        if any(_differs(self._tree, one.split("/")[1:]) for one in paths):
            return None
        return self.find(target.replace(HOLE, "0"))


def _differs(tree: Tree, segments: list[str]) -> bool:
    """Whether the value in a hole can select another operation, because a fixed segment is possible there."""
    if not segments:
        return False
    first, *rest = segments
    fixed = [segment for segment in tree if segment not in ("{}", _HERE)]
    if HOLE in first and fixed:
        return True
    below = [tree.get(first), tree.get("{}")]
    return any(isinstance(node, dict) and _differs(node, rest) for node in below)


def finders(contract: Contract) -> dict[str, Finder]:
    """Finders by method; none if a template or a base path is unusual."""
    trees: dict[str, Tree] = {}
    bases = [base for base in set(contract.bases) if base.strip("/")]
    for operation in contract.operations:
        segments = _segments(operation.path)
        if segments is None:
            return {}
        node = trees.setdefault(operation.method.upper(), {})
        for segment in segments:
            node = _below(node, segment)
        node.setdefault(_HERE, operation)
    if any(None in [_FIXED.fullmatch(segment) for segment in base.split("/")[1:]] or base[0] != "/" for base in bases):
        return {}
    return {method: Finder(tree, bases) for method, tree in trees.items()}


def _below(node: Tree, segment: str) -> Tree:
    found = node.setdefault(segment, {})
    assert isinstance(found, dict)  # an operation is stored under a key that no segment can have
    return found


def _segments(template: str) -> list[str] | None:
    """The segments with variables as {}; None if a segment is neither plain fixed text nor one variable."""
    first, *segments = template.split("/")
    found = ["{}" if VARIABLE.fullmatch(segment) else segment for segment in segments]
    *before, last = found or [""]
    plain = all(segment == "{}" or _FIXED.fullmatch(segment) for segment in before)
    return found if not first and found and plain and (last in ("", "{}") or _FIXED.fullmatch(last)) else None


class ServiceLookup:
    """The contracts of one service by version. The first contract of a version counts."""

    __slots__ = ("_every", "_finders", "_own")

    def __init__(self, contracts: Iterable[tuple[str, Contract | None]]) -> None:
        self._own: dict[str, Contract | None] = {}
        for version, contract in contracts:
            self._own.setdefault(version, contract)
        self._every = tuple(contract for contract in self._own.values() if contract is not None)
        self._finders = {
            (version, method): finder
            for version, contract in self._own.items()
            if contract is not None
            for method, finder in finders(contract).items()
        }

    def settled(self, version: str, method: str, target: str) -> tuple[bool, ContractOperation | None]:
        """Whether `called` is the same for all targets that differ only in their holes, and its result."""
        if not self._every:
            return True, None
        finder = self._finders.get((version, method))
        found = finder.settled(target) if finder is not None else None
        return found is not None, found

    def called(self, version: str, request: Request) -> ContractOperation | None:
        """The operation that a request addresses."""
        method = request.method
        finder = self._finders.get((version, method))
        if finder is not None and (found := finder.find(request.target)) is not None:
            return found
        return self.operation(version, method, request.path) if self._every else None

    def operation(self, version: str, method: str, path: str) -> ContractOperation | None:
        """The operation by the contract of the version, or by any other of the service. A query is ignored."""
        own = self._own.get(version)
        others = [contract for contract in self._every if contract is not own]
        for contract in (own, *others):
            if contract is not None and (found := contract.match(method, path)) is not None:
                return found
        return None
