"""Prepares schemas for comparison: closes the writer to what it declares, widens the reader to what it accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verifier.contracts.schema import Direction
from verifier.contracts.shapes import ANNOTATIONS, BRANCHES, REFERENCE, Defs, Node, bare, defs_of, flat, follow, types

CLOSED = "!closed"  # behind the name of a definition; no name has such a mark
FORMATS = frozenset(("date", "date-time", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4",
                     "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uri-template", "json-pointer",
                     "relative-json-pointer", "regex", "uuid"))  # fmt: skip
# Every value of the narrower format is also one of the wider one: RFC 3987 3.1, RFC 3986 4.1, RFC 6531, RFC 5890.
_NARROWER = {
    "idn-email": ("email",),
    "idn-hostname": ("hostname",),
    "uri-reference": ("uri",),
    "iri": ("uri",),
    "iri-reference": ("uri", "uri-reference", "iri"),
}


def normal(node: Node) -> Node:
    """Normalise a schema of either side: drop undefined formats, and list the formats of a family."""
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
    """A reader that accepts a wide format also accepts the narrower ones. The engine does not know this."""
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


class Made:
    """What was made of definitions, so that each is prepared once however many operations use it.

    A definition means the same wherever it is used, so what is made of it depends on nothing else.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], tuple[Node, Node]] = {}  # with the definition, which keeps its identity alive

    def each(self, step: str, defs: Defs, make: Callable[[Node], Node]) -> dict[str, Node]:
        """What `make` makes of each definition, by name. `step` names what is made."""
        return {name: self._once(step, item, make) for name, item in defs.items()}

    def _once(self, step: str, item: Node, make: Callable[[Node], Node]) -> Node:
        key = (step, id(item))
        if key not in self._made:
            self._made[key] = (item, make(item))
        return self._made[key][1]


class Closer:
    """Turns what a writer declares into what it sends: nothing beyond the properties that it names.

    An object without named properties stays a free map, and so does one that is explicitly open. `readOnly` properties
    are never part of a request, and `writeOnly` properties are never part of a response.
    """

    def __init__(self, direction: Direction, made: Made | None = None) -> None:
        self._direction = direction
        self._never = "readOnly" if direction == "request" else "writeOnly"
        self._made = made if made is not None else Made()

    def document(self, document: Node) -> Node:
        """The closed document. Each definition stands in it twice: as a part of a value, and closed as a whole one."""
        if not isinstance(document, dict):
            return document
        defs = defs_of(document)
        closed = self._whole(bare(document), defs)
        if not defs:
            return closed
        twins = self._made.each(f"whole {self._direction}", defs, lambda item: self._whole(item, defs))
        return {
            **closed,
            "$defs": {
                **self._made.each(f"part {self._direction}", defs, lambda item: self._part(item, defs)),
                **{_twin(name): item for name, item in twins.items()},
            },
        }

    def _whole(self, node: Node, defs: Defs) -> Node:
        """Close a node at which a value begins. All its parts together define the properties."""
        if not isinstance(node, dict):
            return node
        if "$ref" in node and set(node) <= {"$ref", *ANNOTATIONS}:
            return {**node, "$ref": _twin(node["$ref"])}
        made = self._part(node, defs)
        if "additionalProperties" in made or "unevaluatedProperties" in made or not _names_any(node, defs):
            return made
        in_place = ("allOf", "$ref", "if", "dependentSchemas", *BRANCHES)
        if any(key in made for key in in_place):
            made = _open_branches(made, node, defs)
            return {**made, "unevaluatedProperties": False}
        return {**made, "additionalProperties": False}

    def _part(self, node: Node, defs: Defs) -> Node:
        """Close a part that applies to the same value. Only the nodes below it begin values of their own."""
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
        for key in ("allOf", *BRANCHES):
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


def _twin(name: str) -> str:
    """The name of a definition, or the reference to it, where it is closed as a whole value."""
    return f"{name}{CLOSED}"


def _names_any(node: Node, defs: Defs, seen: set[str] | None = None) -> bool:
    """Whether any part of a node names a property."""
    if not isinstance(node, dict):
        return False
    if node.get("properties") or node.get("patternProperties"):
        return True
    seen = set() if seen is None else seen
    inner = [*node.get("allOf", ()), *node.get("anyOf", ()), *node.get("oneOf", ())]
    inner += [node[key] for key in ("then", "else") if key in node]
    inner += list(node.get("dependentSchemas", {}).values())
    if "$ref" in node and node["$ref"] not in seen:
        seen.add(node["$ref"])
        inner.append(defs.get(node["$ref"].removeprefix(REFERENCE), True))
    return any(_names_any(item, defs, seen) for item in inner)


def _open_branches(made: dict[str, Any], node: dict[str, Any], defs: Defs) -> dict[str, Any]:
    """Keep a branch without named properties a free map, even beside a branch that names some."""
    beside = {key: item for key, item in node.items() if key not in BRANCHES}
    if _names_any(beside, defs):
        return made
    for key in BRANCHES:
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
