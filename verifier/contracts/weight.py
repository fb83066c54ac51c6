"""Estimates what schemas cost: in work for jsonschema-rs, and in parts that apply to one and the same value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from verifier.contracts.shapes import BRANCHES, REFERENCE, Node, defs_of

_MOST = 10**9  # no count goes beyond it
_HEAVY_ALTERNATIVES = 32
_HEAVY_PATTERNS = 1_000  # characters times alternatives
_HEAVY_NODES = 20_000
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")
_VALUES = ("enum", "const", "default", "required", "dependentRequired")


@dataclass(frozen=True, slots=True)
class Weight:
    """`alternatives` of the widest value, characters of all `patterns`, and schemas (`nodes`)."""

    alternatives: int
    patterns: int
    nodes: int

    def __add__(self, other: Weight) -> Weight:
        return Weight(
            max(self.alternatives, other.alternatives), self.patterns + other.patterns, self.nodes + other.nodes
        )

    @property
    def heavy(self) -> bool:
        """Whether the engine may take more than about a second. It multiplies out alternatives and patterns."""
        return (
            self.alternatives > _HEAVY_ALTERNATIVES
            or self.alternatives * self.patterns > _HEAVY_PATTERNS
            or self.nodes > _HEAVY_NODES
        )

    @property
    def work(self) -> int:
        """Units of `effort.spend`."""
        return 20 + self.nodes + min(self.alternatives, _HEAVY_ALTERNATIVES) ** 2 * 10


def weight_of(document: Node) -> Weight:
    """The weight of a self-contained document."""
    nodes = list(inner(document))
    patterns = sum(
        len(text) for node in nodes for text in (node.get("pattern", ""), *node.get("patternProperties", ()))
    )
    many = InPlace(dict(defs_of(document)), _alternatives)
    return Weight(max((many.of(node) for node in nodes), default=1), patterns, len(nodes))


class InPlace:
    """A count over all schemas that apply to one value, with references followed. A circle counts once.

    `count` gets a schema and the function that counts one inside it.
    """

    def __init__(self, defs: dict[str, Any], count: Callable[[dict[str, Any], Callable[[Node], int]], int]) -> None:
        self.defs = defs
        self._count = count
        self._known: dict[str, int] = {}

    def of(self, node: Node) -> int:
        if not isinstance(node, dict):
            return 1
        if set(node) == {"$ref"}:
            return self._definition(node["$ref"].removeprefix(REFERENCE))
        return min(_MOST, self._count(node, self.of))

    def _definition(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = 1  # a circle finds this
            self._known[name] = self.of(self.defs.get(name, True))
        return self._known[name]


def parts(node: dict[str, Any], of: Callable[[Node], int]) -> int:
    """For `InPlace`: how many schemas apply to one value."""
    return 1 + sum(map(of, _in_place(node)))


def _alternatives(node: dict[str, Any], of: Callable[[Node], int]) -> int:
    found = 1
    for item in node.get("allOf", ()):
        found *= of(item)
    for key in BRANCHES:
        if key in node:
            found *= sum(map(of, node[key]))
    if "$ref" in node:
        found *= of({"$ref": node["$ref"]})
    for key in ("not", "if"):
        if key in node:
            found *= 2 * of(node[key])
    return found


def _in_place(node: dict[str, Any]) -> Iterator[Node]:
    for key in ("allOf", *BRANCHES):
        yield from node.get(key, ())
    for key in ("not", "if", "then", "else"):
        if key in node:
            yield node[key]
    yield from node.get("dependentSchemas", {}).values()
    if "$ref" in node:
        yield {"$ref": node["$ref"]}


def inner(document: Node) -> Iterator[dict[str, Any]]:
    """All schemas of a document, those of its definitions too."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        yield node
        for key, item in node.items():
            if key in _NAMED:
                waiting += item.values()
            elif isinstance(item, list) and key not in _VALUES:
                waiting += item
            elif isinstance(item, dict) and key not in _VALUES:
                waiting.append(item)
