"""Looking into converted schemas: references followed, `allOf` merged into one flat mapping, writers closed.

All functions take a node and the `defs` it refers to. A flat node has no `$ref` and no `allOf`; where two parts
of a conjunction cannot be merged into one keyword, the second stays behind under `also`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from verifier.contracts.schema import Direction

Node = Any  # a schema: mapping or boolean
Defs = Mapping[str, Any]
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_BRANCHES = ("anyOf", "oneOf")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_ANNOTATIONS = ("default", "readOnly", "writeOnly", "$defs")
_REFERENCE = "#/$defs/"
FORMATS = frozenset(("date", "date-time", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4",
                     "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uri-template", "json-pointer",
                     "relative-json-pointer", "regex", "uuid"))  # fmt: skip
# The narrower format's every value belongs to the wider one: RFC 3987 3.1, RFC 3986 4.1, RFC 6531, RFC 5890.
_NARROWER = {
    "idn-email": ("email",),
    "idn-hostname": ("hostname",),
    "uri-reference": ("uri",),
    "iri": ("uri",),
    "iri-reference": ("uri", "uri-reference", "iri"),
}


def text_of(node: Node) -> str:
    """A schema as a key for caches: equal text, equal schema."""
    return json.dumps(node, sort_keys=True, default=str)


def defs_of(document: Node) -> Defs:
    return document.get("$defs", {}) if isinstance(document, dict) else {}


def follow(node: Node, defs: Defs) -> Node:
    """The node that a bare reference leads to; annotations beside it are kept. Circles end in a false schema."""
    seen: set[str] = set()
    outside: dict[str, Any] = {}
    while isinstance(node, dict) and "$ref" in node and set(node) <= {"$ref", *_ANNOTATIONS}:
        name = node["$ref"].removeprefix(_REFERENCE)
        if name in seen:
            return False
        seen.add(name)
        outside = {**{key: node[key] for key in _ANNOTATIONS[:3] if key in node}, **outside}
        node = defs.get(name, True)
    return {**node, **outside} if isinstance(node, dict) and outside else node


def flat(node: Node, defs: Defs, depth: int = 0) -> Node:
    """References followed and `allOf` merged, at this level only. `depth` bounds circles of `allOf`."""
    node = follow(node, defs)
    if not isinstance(node, dict) or depth > 32:
        return node
    parts = list(node.get("allOf", ()))
    if "$ref" in node:
        parts.insert(0, {"$ref": node["$ref"]})
    closed = node.get("unevaluatedProperties") is False
    merged: Node = {key: item for key, item in node.items() if key not in ("allOf", "$ref", "$defs")}
    if closed:
        del merged["unevaluatedProperties"]
    for part in parts:
        merged = conjunction(merged, flat(part, defs, depth + 1))
    if closed and isinstance(merged, dict):
        if _BRANCHES[0] in merged or _BRANCHES[1] in merged or "if" in merged:
            merged["unevaluatedProperties"] = False
        else:
            merged.setdefault("additionalProperties", False)
    return _integers(merged)


def _integers(node: Node) -> Node:
    if isinstance(node, dict) and "const" in node:
        node = dict(node)
        node["enum"] = [value for value in node.get("enum", [node["const"]]) if same(value, node["const"])]
        del node["const"]
    return node


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, but never true."""
    return text_of(left) == text_of(right) or (
        not isinstance(left, bool) and not isinstance(right, bool) and isinstance(left, int | float) and left == right
    )


def conjunction(left: Node, right: Node) -> Node:
    """Both at once, for two flat nodes."""
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
        or key in _ANNOTATIONS
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
    """`additionalProperties` of one part speaks about properties that only the other part names."""
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
    outside = {key: part[key] for part in (right, left) for key in _ANNOTATIONS[:3] if key in part}
    return {"allOf": [left, right], **outside}


def effective(node: Node, name: str) -> Node:
    """What a flat object schema demands of the property `name`."""
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
    """The JSON types a `type` keyword allows; number brings integer."""
    if kinds is None:
        return frozenset(TYPES)
    found = set(kinds if isinstance(kinds, list) else [kinds])
    return frozenset(found | ({"integer"} if "number" in found else set()))


def types(node: Node) -> frozenset[str]:
    """The JSON types a flat node allows by `type` and `enum`."""
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
    """The flat node for values of one type only."""
    made = {**node, "type": kind}
    if "enum" in node:
        made["enum"] = [value for value in node["enum"] if kind in type_names(value)]
    return made


def normal(node: Node) -> Node:
    """Reader and writer alike: formats that nobody defined go, format families are spelled out."""
    if isinstance(node, list):
        return [normal(item) for item in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, item in node.items():
        if key in ("properties", "patternProperties", "dependentSchemas", "$defs"):
            made[key] = {name: normal(below) for name, below in item.items()}
        elif key in ("enum", "const", "default", "required", "dependentRequired"):
            made[key] = item
        elif key != "format" or item in FORMATS:
            made[key] = normal(item)
    return made


def widened(node: Node) -> Node:
    """A reader that takes a wide format takes the narrower ones too; the engine does not know this by itself."""
    if isinstance(node, list):
        return [widened(item) for item in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, item in node.items():
        if key in ("properties", "patternProperties", "dependentSchemas", "$defs"):
            made[key] = {name: widened(below) for name, below in item.items()}
        elif key in ("enum", "const", "default", "required", "dependentRequired"):
            made[key] = item
        else:
            made[key] = widened(item)
    if made.get("format") in _NARROWER:
        wide = made.pop("format")
        choice = {"anyOf": [{"format": name} for name in (wide, *_NARROWER[wide])]}
        made["allOf"] = [*made.get("allOf", ()), choice]
    return made


def recursive(schema: dict[str, Any] | bool) -> bool:
    """Whether a definition reaches itself."""
    defs = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    return any(name in reached(defs[name], defs) for name in defs)


def reached(node: Node, defs: Defs) -> set[str]:
    found: set[str] = set()
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            reference = item.get("$ref")
            if isinstance(reference, str) and reference.startswith(_REFERENCE):
                name = reference.removeprefix(_REFERENCE)
                if name not in found and name in defs:
                    found.add(name)
                    waiting.append(defs[name])
            waiting.extend(below for key, below in item.items() if key != "$defs")
        elif isinstance(item, list):
            waiting.extend(item)
    return found


class Closer:
    """Turns what a writer declares into what it sends: nothing beyond the properties it names.

    An object that names none stays a free map, and so does one that says itself that it is open. `readOnly`
    properties are never part of a request, `writeOnly` ones never part of an answer.
    """

    def __init__(self, direction: Direction) -> None:
        self._never = "readOnly" if direction == "request" else "writeOnly"
        self._closed: dict[str, Node] = {}

    def document(self, document: Node) -> Node:
        if not isinstance(document, dict):
            return document
        defs = defs_of(document)
        self._closed = {}
        closed = self._whole({key: item for key, item in document.items() if key != "$defs"}, defs)
        if defs:
            parts = {name: self._part(item, defs) for name, item in defs.items()}
            closed = {**closed, "$defs": {**parts, **self._closed}}
        return closed

    def _whole(self, node: Node, defs: Defs) -> Node:
        """A node at which a value begins: its in-place parts together say which properties there are."""
        if not isinstance(node, dict):
            return node
        if "$ref" in node and set(node) <= {"$ref", *_ANNOTATIONS}:
            return {**node, "$ref": self._reference(node["$ref"], defs)}
        made = self._part(node, defs)
        if "additionalProperties" in made or "unevaluatedProperties" in made or not _names_any(node, defs):
            return made
        in_place = ("allOf", "$ref", "if", "dependentSchemas", *_BRANCHES)
        if any(key in made for key in in_place):
            made = _open_branches(made, node, defs)
            return {**made, "unevaluatedProperties": False}
        return {**made, "additionalProperties": False}

    def _reference(self, reference: str, defs: Defs) -> str:
        """A definition at which values begin has a closed twin; recursive ones would otherwise never end."""
        name = reference.removeprefix(_REFERENCE)
        twin = f"{name}.closed"
        if twin not in self._closed:
            self._closed[twin] = True
            self._closed[twin] = self._whole(defs.get(name, True), defs)
        return _REFERENCE + twin

    def _part(self, node: Node, defs: Defs) -> Node:
        """A node applied in place: only what lies below it begins a value of its own."""
        if not isinstance(node, dict):
            return node
        made = dict(node)
        for key in ("properties", "patternProperties"):
            if key in node:
                made[key] = {name: self._property(item, defs) for name, item in node[key].items()}
        for key in ("items", "additionalProperties", "contains"):
            if key in node:
                made[key] = self._whole(node[key], defs)
        if "prefixItems" in node:
            made["prefixItems"] = [self._whole(item, defs) for item in node["prefixItems"]]
        for key in ("allOf", *_BRANCHES):
            if key in node:
                made[key] = [self._part(item, defs) for item in node[key]]
        for key in ("then", "else"):
            if key in node:
                made[key] = self._part(node[key], defs)
        if "dependentSchemas" in node:
            made["dependentSchemas"] = {name: self._part(item, defs) for name, item in node["dependentSchemas"].items()}
        return made

    def _property(self, node: Node, defs: Defs) -> Node:
        seen = follow(node, defs)
        if isinstance(seen, dict) and seen.get(self._never) is True:
            return False
        return self._whole(node, defs)


def _names_any(node: Node, defs: Defs, depth: int = 0) -> bool:
    """Whether the in-place parts of a node name a property."""
    if not isinstance(node, dict) or depth > 16:
        return False
    if node.get("properties") or node.get("patternProperties"):
        return True
    inner = [*node.get("allOf", ()), *node.get("anyOf", ()), *node.get("oneOf", ())]
    inner += [node[key] for key in ("then", "else") if key in node]
    inner += list(node.get("dependentSchemas", {}).values())
    if "$ref" in node:
        inner.append(defs.get(node["$ref"].removeprefix(_REFERENCE), True))
    return any(_names_any(item, defs, depth + 1) for item in inner)


def _open_branches(made: dict[str, Any], node: dict[str, Any], defs: Defs) -> dict[str, Any]:
    """Beside a branch that names properties, one that names none is still a free map."""
    beside = {key: item for key, item in node.items() if key not in _BRANCHES}
    if _names_any(beside, defs):
        return made
    for key in _BRANCHES:
        if key in node:
            made = {**made, key: [_opened(part, raw, defs) for part, raw in zip(made[key], node[key], strict=True)]}
    return made


def _opened(part: Node, raw: Node, defs: Defs) -> Node:
    if _names_any(raw, defs):
        return part
    shape = flat(raw, defs)
    if isinstance(shape, dict) and "object" in types(shape) and "enum" not in shape:
        return {"allOf": [part, {"additionalProperties": True}]}
    return part if isinstance(part, dict) else ({"additionalProperties": True} if part else False)
