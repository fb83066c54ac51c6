"""Estimates what schemas cost: work for jsonschema-rs, and how many of them apply to one and the same value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from verifier.contracts.shapes import BRANCHES, REFERENCE, Node, bare, defs_of, is_reference

_MOST = 10**9  # no count goes beyond it
_HEAVY_ALTERNATIVES = 32
_HEAVY_PATTERNS = 1_000  # characters times alternatives
_HEAVY_NODES = 2_000
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")
_VALUES = ("enum", "const", "default", "required", "dependentRequired")


@dataclass(frozen=True, slots=True)
class Weight:
    """`alternatives` of the widest value, characters of all `patterns`, and `nodes`: schemas, references replaced."""

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
        return 20 + min(self.nodes, _HEAVY_NODES) + min(self.alternatives, _HEAVY_ALTERNATIVES) ** 2 * 10


def weight_of(document: Node) -> Weight:
    """The weight of a self-contained document."""
    nodes = list(inner(document))
    patterns = sum(
        len(text) for node in nodes for text in (node.get("pattern", ""), *node.get("patternProperties", ()))
    )
    defs = dict(defs_of(document))
    many, expanded = Count(defs, _alternatives), Count(defs, _expanded)
    return Weight(max((many.of(node) for node in nodes), default=1), patterns, expanded.of(bare(document)))


class Count:
    """A count over a schema and those inside it, with references replaced by what they lead to. A circle counts once.

    `count` gets a schema and the function that counts one inside it.
    """

    def __init__(self, defs: dict[str, Any], count: Callable[[dict[str, Any], Callable[[Node], int]], int]) -> None:
        self.defs = defs
        self._count = count
        self._known: dict[str, int] = {}

    def of(self, node: Node) -> int:
        if not isinstance(node, dict):
            return 1
        if is_reference(node):
            return self._definition(node["$ref"].removeprefix(REFERENCE))
        return min(_MOST, self._count(node, self.of))

    def _definition(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = 1  # a circle finds this
            self._known[name] = self.of(self.defs.get(name, True))
        return self._known[name]


class Applied:
    """How many schemas apply to one value, or to one value inside it, with references followed. A circle counts once.

    A value has as many as its alternatives and parts have together; what they say of the same property applies together
    to the value of that property.
    """

    def __init__(self) -> None:
        self.defs: dict[str, Node] = {}
        self._known: dict[str, tuple[int, dict[str, int]]] = {}

    def of(self, node: Node) -> int:
        count, below = self._parts(node)
        return max(count, *below.values()) if below else count

    def _parts(self, node: Node) -> tuple[int, dict[str, int]]:
        """How many apply to the value, and to each value inside it, by where it is."""
        if not isinstance(node, dict):
            return 1, {}
        count = 1
        below: dict[str, int] = {}
        for place, item in _below(node):
            below[place] = min(_MOST, below.get(place, 0) + self.of(item))
        for item in _in_place(node):
            more, inside = self._definition(item["$ref"]) if is_reference(item) else self._parts(item)
            count = min(_MOST, count + more)
            for place, number in inside.items():
                below[place] = min(_MOST, below.get(place, 0) + number)
        return count, below

    def _definition(self, reference: str) -> tuple[int, dict[str, int]]:
        name = reference.removeprefix(REFERENCE)
        if name not in self._known:
            self._known[name] = (1, {})  # a circle finds this
            self._known[name] = self._parts(self.defs.get(name, True))
        return self._known[name]


def _below(node: dict[str, Any]) -> Iterator[tuple[str, Node]]:
    """The schemas of values inside a value, each with its place."""
    for key in ("properties", "patternProperties"):
        for name, item in node.get(key, {}).items():
            yield f"{key} {name}", item
    for key in ("items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "contains"):
        if isinstance(node.get(key), dict):
            yield "items" if key == "contains" else key, node[key]
    for at, item in enumerate(node.get("prefixItems", ())):
        yield f"prefixItems {at}", item


def _expanded(node: dict[str, Any], of: Callable[[Node], int]) -> int:
    return 1 + sum(of(item) for item in _in_place(node)) + sum(of(item) for _, item in _below(node))


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
    """The schemas inside a schema that apply to the same value."""
    for key in ("allOf", *BRANCHES):
        yield from node.get(key, ())
    for key in ("not", "if", "then", "else"):
        if key in node:
            yield node[key]
    yield from node.get("dependentSchemas", {}).values()
    if "propertyNames" in node:
        yield node["propertyNames"]
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
