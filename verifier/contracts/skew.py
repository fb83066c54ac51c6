"""Differences that pass every schema check and can still cause errors: changed defaults, and ignored fields.

It looks at everything that two schemas declare, with all their branches and parts, so that an equivalent schema gives
the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from verifier.contracts.breaks import Path
from verifier.contracts.schema import Direction
from verifier.contracts.shapes import Defs, Node, defs_of, effective, flat, follow, text_of

_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Skew:
    rule: str
    path: Path
    message: str


@dataclass(slots=True)
class _Declared:
    """What all parts of some nodes declare together. `free`: a map without named properties."""

    properties: dict[str, list[Node]] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    maps: list[Node] = field(default_factory=list)
    patterns: list[dict[str, Node]] = field(default_factory=list)
    always: set[str] | None = None  # properties that every alternative requires
    open: bool = False  # some alternative accepts properties that it does not name
    typed: bool = False  # some part defines the type of additional properties


def skews(writer: Node, reader: Node, direction: Direction) -> tuple[Skew, ...]:
    """Every skew between what a writer's schema document declares (not closed) and a reader's."""
    walk = _Walk(defs_of(writer), defs_of(reader), direction)
    return tuple(dict.fromkeys(walk.pairs([writer], [reader], (), 0)))


class _Walk:
    def __init__(self, wdefs: Defs, rdefs: Defs, direction: Direction) -> None:
        self.wdefs, self.rdefs, self.direction = wdefs, rdefs, direction
        self.never = "readOnly" if direction == "request" else "writeOnly"
        self.seen: set[tuple[str, str]] = set()

    def pairs(self, writers: list[Node], readers: list[Node], path: Path, depth: int) -> Iterator[Skew]:
        key = (text_of(writers), text_of(readers))
        if depth > _DEEPEST or key in self.seen:
            return
        self.seen.add(key)
        w, r = _declared(writers, self.wdefs), _declared(readers, self.rdefs)
        for name, mine in w.properties.items():
            if all(_flag(node, self.wdefs, self.never) for node in mine):
                continue
            at = (*path, "properties", name)
            theirs = _read(r, name)
            if theirs is None:
                if self.direction == "request" and r.properties and r.open:
                    yield Skew("dropped-property", at, f"does not know the property {name!r} and drops it")
                continue
            if self.direction == "request" and any(_flag(node, self.rdefs, "readOnly") for node in theirs):
                yield Skew("dropped-property", at, f"treats {name!r} as read-only and ignores it")
            if name not in (w.always or ()):
                yield from self._default(mine, theirs, at, f"the property {name!r}")
            yield from self.pairs(mine, theirs, at, depth + 1)
        if w.items and r.items:
            yield from self.pairs(w.items, r.items, (*path, "items"), depth + 1)
        if w.maps and r.maps:
            yield from self.pairs(w.maps, r.maps, (*path, "additionalProperties"), depth + 1)

    def _default(self, mine: list[Node], theirs: list[Node], at: Path, what: str) -> Iterator[Skew]:
        sent, read = _defaults(mine, self.wdefs), _defaults(theirs, self.rdefs)
        if [text_of(value) for value in sent] != [text_of(value) for value in read]:
            message = f"{what}, when left out, means {_said(read)} to the reader and {_said(sent)} to the writer"
            yield Skew("changed-default", at, message)


def default_skew(writer: Node, reader: Node, what: str) -> Skew | None:
    """The same question for a single optional value, such as a parameter."""
    walk = _Walk(defs_of(writer), defs_of(reader), "request")
    return next(walk._default([writer], [reader], (), what), None)


def _said(defaults: list[Any]) -> str:
    return " or ".join(text_of(value) for value in defaults) if defaults else "nothing declared"


def _read(reader: _Declared, name: str) -> list[Node] | None:
    """The reader's schemas for a property; None if the reader does not know it."""
    if name in reader.properties:
        return reader.properties[name]
    matched = [found for patterns in reader.patterns if (found := effective({"patternProperties": patterns}, name))]
    if [item for item in matched if item is not True]:
        return matched
    if reader.maps or reader.typed:
        return [item for item in reader.maps if item is not True] or [True]
    return None


def _declared(nodes: Iterable[Node], defs: Defs) -> _Declared:
    found = _Declared()
    for node in nodes:
        for shape in _alternatives(node, defs, 0):
            _collect(found, shape)
    return found


def _collect(found: _Declared, shape: dict[str, Any]) -> None:
    for name, below in shape.get("properties", {}).items():
        found.properties.setdefault(name, []).append(below)
    if "properties" in shape or "required" in shape:
        required = set(shape.get("required", ()))
        found.always = required if found.always is None else found.always & required
    if "items" in shape:
        found.items.append(shape["items"])
    found.items.extend(shape.get("prefixItems", ()))
    if "patternProperties" in shape:
        found.patterns.append(shape["patternProperties"])
    extra = shape.get("additionalProperties")
    found.open |= extra is not False and shape.get("unevaluatedProperties") is not False
    if isinstance(extra, dict) and extra:
        found.maps.append(extra)
        found.typed = True


def _alternatives(node: Node, defs: Defs, depth: int) -> Iterator[dict[str, Any]]:
    """The flat alternatives of a node: one for each branch of its `anyOf` and `oneOf`."""
    shape = flat(node, defs)
    if not isinstance(shape, dict) or depth > _DEEPEST:
        return
    for key in ("anyOf", "oneOf"):
        if key in shape:
            rest = {name: item for name, item in shape.items() if name != key}
            for branch in shape[key]:
                yield from _alternatives({"allOf": [rest, branch]} if rest else branch, defs, depth + 1)
            return
    yield shape


def _flag(node: Node, defs: Defs, keyword: str) -> bool:
    seen = follow(node, defs)
    return isinstance(seen, dict) and seen.get(keyword) is True


def _defaults(nodes: list[Node], defs: Defs) -> list[Any]:
    found = {}
    for node in nodes:
        shape = flat(node, defs)
        if isinstance(shape, dict) and "default" in shape:
            found[text_of(shape["default"])] = shape["default"]
    return [found[key] for key in sorted(found)]
