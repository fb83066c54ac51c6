"""Handles `oneOf` of objects that overlap only because objects are open.

Strictly, a value that matches two variants of a `oneOf` is invalid. If the variants are open objects that nothing
distinguishes, this would reject nearly everything, even the writer's own values: {"claws": 1} matches a cat, and also a
dog with a property that dogs do not name. Real writers and readers treat the variants as alternatives. Such a `oneOf`
is therefore read as `anyOf`, on both sides. Variants that exclude each other, and those that are not objects, do not
change.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from verifier.contracts import engine
from verifier.contracts.closing import Made
from verifier.contracts.shapes import Defs, Node, bare, defs_of, effective, flat, types

_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs")
_VALUES = ("enum", "const", "default", "required", "dependentRequired")


def alternatives(document: Node, made: Made | None = None) -> Node:
    """The document with every such `oneOf` replaced by `anyOf`."""
    defs = defs_of(document)
    if not defs:
        return _walk(document, defs)
    below = (made or Made()).each("alternatives", defs, lambda item: _walk(item, defs))
    return {**_walk(bare(document), defs), "$defs": below}


def _walk(node: Any, defs: Defs) -> Any:
    if isinstance(node, list):
        return [_walk(item, defs) for item in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, item in node.items():
        if key in _MAPS:
            made[key] = {name: _walk(below, defs) for name, below in item.items()}
        else:
            made[key] = item if key in _VALUES else _walk(item, defs)
    variants = node.get("oneOf")
    if variants and "anyOf" not in node and any(_overlap(*pair, defs) for pair in combinations(variants, 2)):
        made["anyOf"] = made.pop("oneOf")
    return made


def _overlap(one: Node, other: Node, defs: Defs) -> bool:
    """Whether two variants are objects, at least one of them open, that nothing is known to distinguish."""
    left, right = flat(one, defs), flat(other, defs)
    if not isinstance(left, dict) or not isinstance(right, dict):
        return False
    if types(left) != {"object"} or types(right) != {"object"}:
        return False
    if left.get("additionalProperties") is False and right.get("additionalProperties") is False:
        return False
    for name in {*left.get("required", ()), *right.get("required", ())}:
        parts = [engine.document(effective(shape, name), defs) for shape in (left, right)]
        if engine.disjoint(*parts):
            return False
    return not engine.disjoint(engine.document(one, defs), engine.document(other, defs))
