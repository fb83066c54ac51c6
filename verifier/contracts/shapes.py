"""Reads converted schemas: follows references and merges `allOf` into one flat mapping.

All functions take a node and the `defs` that it refers to. A flat node has no `$ref` and no `allOf`. If two parts of a
conjunction cannot be merged into one keyword, the second one is stored under `also`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from verifier.contracts.effort import spend

Node = Any  # a schema: mapping or boolean
Defs = Mapping[str, Any]
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
BRANCHES = ("anyOf", "oneOf")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
ANNOTATIONS = ("default", "readOnly", "writeOnly", "$defs")
REFERENCE = "#/$defs/"


def text_of(node: Node) -> str:
    """A schema as a cache key. Equal texts mean equal schemas."""
    return json.dumps(node, sort_keys=True, default=str)


def defs_of(document: Node) -> Defs:
    return document.get("$defs", {}) if isinstance(document, dict) else {}


def is_reference(node: Node) -> bool:
    """Whether a node is a reference and nothing else."""
    return isinstance(node, dict) and node.keys() == {"$ref"}


def bare(document: Node) -> Node:
    """The document without its definitions."""
    return {key: item for key, item in document.items() if key != "$defs"} if isinstance(document, dict) else document


def follow(node: Node, defs: Defs) -> Node:
    """The node that a reference leads to, with the annotations beside it. A circle ends in a false schema."""
    return _followed(node, defs)[0]


def _followed(node: Node, defs: Defs) -> tuple[Node, set[str]]:
    """The same with the names of the definitions on the way."""
    seen: set[str] = set()
    outside: dict[str, Any] = {}
    while isinstance(node, dict) and "$ref" in node and set(node) <= {"$ref", *ANNOTATIONS}:
        name = node["$ref"].removeprefix(REFERENCE)
        if name in seen:
            return False, seen
        seen.add(name)
        outside = {**{key: node[key] for key in ANNOTATIONS[:3] if key in node}, **outside}
        node = defs.get(name, True)
    return ({**node, **outside} if isinstance(node, dict) and outside else node), seen


def flat(node: Node, defs: Defs) -> Node:
    """Follow references and merge `allOf` at this level. Raises TooMuch."""
    return _flat(node, defs, frozenset(), set())


def _flat(node: Node, defs: Defs, above: frozenset[str], merged: set[str]) -> Node:
    """`merged` are the definitions that the conjunction around has already; no conjunct has to be taken twice."""
    spend()
    node, names = _followed(node, defs)
    if names & (merged | above):
        return {key: node[key] for key in ANNOTATIONS[:3] if key in node} if isinstance(node, dict) else True
    if not isinstance(node, dict):
        return node
    merged |= names
    if not _compound(node):
        return _integers(node)
    above |= names
    closed = node.get("unevaluatedProperties") is False
    whole: Node = {key: item for key, item in node.items() if key not in ("allOf", "$ref", "$defs")}
    if closed:
        del whole["unevaluatedProperties"]
        merged = set()  # what is closed here are the properties of the parts here
    conjuncts = [{"$ref": node["$ref"]}] if "$ref" in node else []
    for part in (*conjuncts, *node.get("allOf", ())):
        whole = conjunction(whole, _flat(part, defs, above, merged))
    if closed and isinstance(whole, dict):
        if BRANCHES[0] in whole or BRANCHES[1] in whole or "if" in whole:
            whole["unevaluatedProperties"] = False
        else:
            whole.setdefault("additionalProperties", False)
    return _integers(whole)


def _compound(node: dict[str, Any]) -> bool:
    return "allOf" in node or "$ref" in node or "$defs" in node or "unevaluatedProperties" in node


def _integers(node: Node) -> Node:
    if isinstance(node, dict) and "const" in node:
        node = dict(node)
        node["enum"] = [value for value in node.get("enum", [node["const"]]) if same(value, node["const"])]
        del node["const"]
    return node


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, but not true."""
    return text_of(left) == text_of(right) or (
        not isinstance(left, bool) and not isinstance(right, bool) and isinstance(left, int | float) and left == right
    )


def conjunction(left: Node, right: Node) -> Node:
    """The conjunction of two flat nodes."""
    if left is True or left == {}:
        return right
    if right is True or right == {}:
        return left
    if left is False or right is False:
        return False
    left, right = _integers(left), _integers(right)
    made = {**right, **left}
    _merge_objects(made, left, right)
    for key in set(left) & set(right):
        if not _merge_keyword(made, key, left[key], right[key]):
            made["also"] = [*made.get("also", ()), {key: right[key]}]
    also = [*left.get("also", ()), *right.get("also", ())]
    if also:
        made["also"] = [*also, *[item for item in made.get("also", ()) if item not in also]]
    return made


def _merge_keyword(made: dict[str, Any], key: str, left: Any, right: Any) -> bool:
    if (
        left == right
        or key in ANNOTATIONS
        or key in ("properties", "additionalProperties", "patternProperties", "also")
    ):
        return True
    if key == "type":
        made[key] = sorted(type_set(left) & type_set(right))
    elif key == "enum":
        made[key] = [value for value in left if any(same(value, other) for other in right)]
    elif key == "required":
        made[key] = list(dict.fromkeys([*left, *right]))
    elif key in _LOWER:
        made[key] = max(left, right)
    elif key in _UPPER:
        made[key] = min(left, right)
    elif key in ("items", "contains", "propertyNames") and key != "contains":
        made[key] = {"allOf": [left, right]}
    else:
        return False
    return True


def _merge_objects(made: dict[str, Any], left: dict[str, Any], right: dict[str, Any]) -> None:
    """Merge objects. `additionalProperties` of one part applies to properties that only the other part names."""
    names = dict.fromkeys([*left.get("properties", ()), *right.get("properties", ())])
    if names:
        made["properties"] = {name: both(effective(left, name), effective(right, name)) for name in names}
    if "patternProperties" in left and "patternProperties" in right:
        made["patternProperties"] = {**left["patternProperties"]}
        for pattern, item in right["patternProperties"].items():
            mine = left["patternProperties"].get(pattern)
            made["patternProperties"][pattern] = item if mine is None else both(mine, item)
    if "additionalProperties" in left and "additionalProperties" in right:
        made["additionalProperties"] = both(left["additionalProperties"], right["additionalProperties"])


def both(left: Node, right: Node) -> Node:
    if left is True or left == {} or left == right:
        return right
    if right is True or right == {}:
        return left
    if left is False or right is False:
        return False
    outside = {key: part[key] for part in (right, left) for key in ANNOTATIONS[:3] if key in part}
    return {"allOf": [left, right], **outside}


def effective(node: Node, name: str) -> Node:
    """The schema that a flat object schema applies to the property `name`."""
    if not isinstance(node, dict):
        return node
    found: Node = node.get("properties", {}).get(name, True)
    known = name in node.get("properties", {})
    for pattern, item in node.get("patternProperties", {}).items():
        if searches(pattern, name):
            found, known = both(found, item), True
    return found if known else node.get("additionalProperties", True)


def searches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def type_set(kinds: Any) -> frozenset[str]:
    """The JSON types that a `type` keyword permits; number includes integer."""
    if kinds is None:
        return frozenset(TYPES)
    found = set(kinds if isinstance(kinds, list) else [kinds])
    return frozenset(found | ({"integer"} if "number" in found else set()))


def types(node: Node) -> frozenset[str]:
    """The JSON types that a flat node permits by `type` and `enum`."""
    if not isinstance(node, dict):
        return frozenset(TYPES) if node else frozenset()
    allowed = type_set(node.get("type"))
    if "enum" in node:
        allowed &= frozenset(kind for value in node["enum"] for kind in type_names(value))
    return allowed


def type_names(value: Any) -> tuple[str, ...]:
    if value is None:
        return ("null",)
    if isinstance(value, bool):
        return ("boolean",)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return ("integer", "number")
    names: dict[type, str] = {float: "number", str: "string", list: "array", dict: "object"}
    return (names[type(value)],)


def narrowed(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """The flat node restricted to values of one type."""
    made = {**node, "type": kind}
    if "enum" in node:
        made["enum"] = [value for value in node["enum"] if kind in type_names(value)]
    return made


def reached(node: Node, defs: Defs) -> set[str]:
    found: set[str] = set()
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            reference = item.get("$ref")
            if isinstance(reference, str) and reference.startswith(REFERENCE):
                name = reference.removeprefix(REFERENCE)
                if name not in found and name in defs:
                    found.add(name)
                    waiting.append(defs[name])
            waiting.extend(below for key, below in item.items() if key != "$defs")
        elif isinstance(item, list):
            waiting.extend(item)
    return found


def size_within(node: Node, defs: Defs, most: int) -> bool:
    """Whether a node and all that it reaches are at most this many mappings."""
    found: set[str] = set()
    waiting, count = [node], 0
    while waiting and count <= most:
        item = waiting.pop()
        if isinstance(item, dict):
            count += 1
            reference = item.get("$ref")
            if isinstance(reference, str) and reference not in found:
                found.add(reference)
                waiting.append(defs.get(reference.removeprefix(REFERENCE), True))
            waiting.extend(below for key, below in item.items() if key != "$defs")
        elif isinstance(item, list):
            waiting.extend(item)
    return count <= most


def recursive(schema: dict[str, Any] | bool) -> bool:
    """Whether a definition reaches itself."""
    defs = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    return any(name in reached(defs[name], defs) for name in defs)
