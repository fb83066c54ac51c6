"""Which operation of a service a request addresses, found again and again: ids make nearly every path a new one.

What this module answers is what `Contract.match` answers, only sooner; property tests hold the two equal. It answers
from one regular expression for each version and method, made of the contract's templates: a fixed segment before a
variable one, as in the routes. Templates or targets that are not plain are left to the contracts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from verifier.contracts.model import Contract, ContractOperation
from verifier.http.message import Request
from verifier.paths import VARIABLE

_FIXED = re.compile(r"[!\"$&-.0->@-z|~]+")  # printable ASCII but for # % / ? and braces: what nothing decodes or splits
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
        for segment, below in sorted(tree.items(), key=lambda item: item[0] == "{}"):  # the variable comes last
            if isinstance(below, ContractOperation):
                self._operations.append(below)
                ways.append(f"{_END}()")
            else:
                ways.append((_ANY if segment == "{}" else f"/{re.escape(segment)}") + self._pattern(below))
        return f"(?:{'|'.join(ways)})"

    def find(self, target: str) -> ContractOperation | None:
        """The operation; None where the contract has to be asked."""
        found = self._match(target)
        return self._operations[found.lastindex - 1] if found is not None and found.lastindex is not None else None

    def settled(self, target: str) -> ContractOperation | None:
        """The operation of all targets that are like this one but for their holes; None where it may differ."""
        path = target.partition("?")[0]
        if any(HOLE in path[: len(base)] for base in self._bases):
            return None
        paths = [path, *(path[len(base) :] for base in self._bases if path.startswith(base))]
        if any(_differs(self._tree, one.split("/")[1:]) for one in paths):
            return None
        return self.find(target.replace(HOLE, "0"))


def _differs(tree: Tree, segments: list[str]) -> bool:
    """Whether what stands in a hole can decide between operations: it may be a fixed segment as well."""
    if not segments:
        return False
    first, *rest = segments
    fixed = [segment for segment in tree if segment not in ("{}", _HERE)]
    if HOLE in first and fixed:
        return True
    below = [tree.get(first), tree.get("{}")]
    return any(isinstance(node, dict) and _differs(node, rest) for node in below)


def finders(contract: Contract) -> dict[str, Finder]:
    """By method; none where a template or a base path is not plain."""
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
    assert isinstance(found, dict)  # an operation stands only under what no segment can be
    return found


def _segments(template: str) -> list[str] | None:
    """The segments with variables as {}; None where one is neither fixed and plain nor one variable."""
    first, *segments = template.split("/")
    found = ["{}" if VARIABLE.fullmatch(segment) else segment for segment in segments]
    *before, last = found or [""]
    plain = all(segment == "{}" or _FIXED.fullmatch(segment) for segment in before)
    return found if not first and found and plain and (last in ("", "{}") or _FIXED.fullmatch(last)) else None


class ServiceLookup:
    """The contracts of one service, by version; of two for one version the first counts."""

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
        """Whether `called` is the same for all targets that are like this one but for their holes, and what it is."""
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
        """By the version's own contract, else by any other of the service. A query in the path is ignored."""
        own = self._own.get(version)
        others = [contract for contract in self._every if contract is not own]
        for contract in (own, *others):
            if contract is not None and (found := contract.match(method, path)) is not None:
                return found
        return None
