"""Decides whether a reader accepts everything that a writer may send: by a proof or by a counterexample.

The engine (jsonschema-rs) decides most pairs. This module takes a pair apart for three reasons: to find the place of
the break, to find a value that shows it, and to decide what the engine leaves open: recursive schemas (by assuming that
a pair under comparison holds, as in Amadio and Cardelli, Subtyping Recursive Types, 1993), regular expressions (by
automata), and alternatives that only hold part by part. The rest is tested with generated values. If they find nothing,
the question stays open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from verifier.contracts import engine, strings
from verifier.contracts.breaks import Break, Decision, Path, distinct, explained, open_break, short
from verifier.contracts.effort import spend
from verifier.contracts.proofs import Proofs
from verifier.contracts.search import Search
from verifier.contracts.shapes import (
    REFERENCE,
    Defs,
    Node,
    bare,
    conjunction,
    defs_of,
    effective,
    flat,
    is_reference,
    narrowed,
    size_within,
    text_of,
    types,
)
from verifier.contracts.witnesses import Builder
from verifier.pointers import MISSING

__all__ = ["decide"]

_DEPTH = 24
_SMALL = 64  # schemas of a document that the engine is asked about first; larger ones are taken apart
_BESIDE = ("not", "if", "then", "else", "also", "dependentSchemas", "dependentRequired", "propertyNames", "contains",
           "minProperties", "maxProperties", "minContains", "maxContains", "unevaluatedItems")  # fmt: skip


def decide(writer: Node, reader: Node, seed: int = 0, proofs: Proofs | None = None) -> Decision:
    """Whether the reader's document accepts everything that the closed writer's document permits.

    `proofs` are of documents with the same definitions. Raises TooMuch.
    """
    return _Subsumption(writer, reader, seed, proofs or Proofs()).decision()


class _Subsumption:
    def __init__(self, writer: Node, reader: Node, seed: int, proofs: Proofs) -> None:
        self.writer, self.reader = writer, reader
        self.wdefs: Defs = defs_of(writer)
        self.rdefs: Defs = defs_of(reader)
        self.build = Builder(self.wdefs, seed)
        self.search = Search(self.wdefs, self.rdefs, seed)
        self.proofs = proofs

    def decision(self) -> Decision:
        breaks = self.prove(bare(self.writer), bare(self.reader), (), 0)
        if not breaks:
            return Decision(())
        writer, reader = self.search.documents(self.writer, self.reader)
        found = distinct(self.search.confirmed(item, writer, reader) for item in breaks)
        if not any(item.certain for item in found):
            answer = engine.covers(reader, writer)
            if answer == "yes":
                return Decision(())
            shown = self.search.shown(writer, reader)
            if shown is not None:
                found = [shown]
            elif answer == "no":
                found = [replace(found[0], certain=True)]
        return Decision(tuple(item for item in found if item.certain) or tuple(found[:1]))

    def prove(self, writer: Node, reader: Node, path: Path, depth: int) -> list[Break]:
        """The breaks of a pair of nodes; [] only if the reader accepts every value of the writer's node."""
        if reader is True or reader == {} or writer is False or self.proofs.same(writer, reader):
            return []
        if is_reference(writer) and is_reference(reader):
            depth = 0  # there are finitely many such pairs, and each is examined once
        if depth > _DEPTH:
            return [open_break(path)]
        key = (text_of(writer), text_of(reader))
        if key[0] == key[1] and "$ref" not in key[0]:
            return []
        found = self.proofs.breaks(key, lambda: self._examined(writer, reader, depth))
        return [item.inside(path) for item in found]

    def _examined(self, writer: Node, reader: Node, depth: int) -> list[Break]:
        spend(10)
        answer = "unknown"
        if size_within(writer, self.wdefs, _SMALL) and size_within(reader, self.rdefs, _SMALL):
            pair = self.search.documents(writer, reader)
            answer = engine.covers(pair[1], pair[0])
        if answer == "yes":
            return []
        found = distinct(self._split(writer, reader, (), depth))
        if not found and answer == "no":
            found = [self.search.leaf(writer, reader, ())]
        if found and answer == "unknown" and not any(item.certain for item in found):
            pair = self.search.documents(writer, reader)
            if engine.covers(pair[1], pair[0]) == "yes":
                return []
        name = reader["$ref"].removeprefix(REFERENCE) if isinstance(reader, dict) and "$ref" in reader else ""
        return [replace(item, origin=(name, item.path)) if name and not item.origin else item for item in found]

    def _split(self, writer: Node, reader: Node, path: Path, depth: int) -> list[Break]:
        w, r = flat(writer, self.wdefs), flat(reader, self.rdefs)
        if w is False:
            return []
        if r is False or not isinstance(r, dict) or not isinstance(w, dict):
            return [] if r is True else [self.search.leaf(writer, reader, path)]
        parts = self._alternatives(w)
        if parts is not None:
            return [item for part in parts for item in self.prove(part, reader, path, depth + 1)]
        if "enum" in w:
            return self._values(w, r, path)
        for key in ("anyOf", "oneOf"):
            if key in r:
                return self._branches(w, r, key, path, depth)
        (kind,) = _kinds(w)
        if kind not in types(r) and not (kind == "number" and "integer" in types(r)):
            return [self.search.leaf(w, r, path)]
        if kind == "object":
            return self._object(w, r, path, depth)
        if kind == "array":
            return self._array(w, r, path, depth)
        if kind == "string":
            return self._string(w, r, path)
        return [self.search.leaf(w, r, path)]

    def _alternatives(self, w: dict[str, Any]) -> list[Node] | None:
        """The writer's node as separate alternatives; None if there is only one."""
        for key in ("anyOf", "oneOf"):
            if key in w:
                closed = w.get("unevaluatedProperties") is False
                rest = {name: item for name, item in w.items() if name not in (key, "unevaluatedProperties")}
                return [self._case(rest, branch, closed) for branch in w[key]]
        kinds = _kinds(w)
        if len(kinds) == 1:
            return None
        return [narrowed(w, kind) for kind in kinds]

    def _case(self, rest: dict[str, Any], branch: Node, closed: bool) -> Node:
        made = conjunction(rest, flat(branch, self.wdefs)) if rest else flat(branch, self.wdefs)
        if closed and isinstance(made, dict):
            made = dict(made)
            if "anyOf" in made or "oneOf" in made or "if" in made:
                made["unevaluatedProperties"] = False
            else:
                made.setdefault("additionalProperties", False)
        return made

    def _values(self, w: dict[str, Any], r: Node, path: Path) -> list[Break]:
        """Try every value of a finite writer."""
        writer, reader = self.search.documents(w, r)
        refused = [value for value in w["enum"] if engine.refusing(writer, reader, [value])]
        if any(reader.admits(value) is None for value in w["enum"]):
            return [open_break(path)]
        found = [explained(reader, value, path) for value in refused]
        merged = {item.rule: item for item in reversed(found)}
        if len(found) > 1 and len(merged) == 1:
            shown = ", ".join(short(value) for value in refused[:6])
            return [replace(found[0], message=f"{found[0].message} (and so for: {shown})")]
        return list(reversed(merged.values()))

    def _branches(self, w: dict[str, Any], r: dict[str, Any], key: str, path: Path, depth: int) -> list[Break]:
        rest = {name: item for name, item in r.items() if name != key}
        found = self.prove(w, rest, path, depth + 1) if set(rest) - {"default", "readOnly", "writeOnly"} else []
        tried = [(self.prove(w, branch, (*path, key, str(at)), depth + 1), at) for at, branch in enumerate(r[key])]
        taken = [at for breaks, at in tried if not breaks]
        if taken:
            others = [branch for at, branch in enumerate(r[key]) if at != taken[0]]
            if key == "anyOf" or all(self.search.apart(w, other) for other in others):
                return found
            return [*found, self.search.leaf(w, r, path)]
        pair = self.search.documents(w, r)
        near = min(tried, key=lambda item: (self.search.apart(w, r[key][item[1]]), len(item[0])))[0]
        shown = [self.search.confirmed(item, *pair) for item in near]
        certain = [item for item in shown if item.certain]
        return [*found, *(certain or [self.search.leaf(w, r, path)])]

    def _object(self, w: dict[str, Any], r: dict[str, Any], path: Path, depth: int) -> list[Break]:
        found: list[Break] = []
        for name in w.get("properties", ()):
            self._property(found, w, r, name, path, depth)
        self._others(found, w, r, path, depth)
        for name in r.get("required", ()):
            if name not in w.get("required", ()):
                at = (*path, "properties", name)
                message = f"requires the property {name!r}, which may be left out"
                found.append(Break("required", at, message, self.build.without(w, name), True))
        return [*found, *self._beside(w, r, path)]

    def _property(
        self, found: list[Break], w: dict[str, Any], r: dict[str, Any], name: str, path: Path, depth: int
    ) -> None:
        mine, theirs = effective(w, name), effective(r, name)
        at = (*path, "properties", name)
        if flat(mine, self.wdefs) is False or theirs is True:
            return
        if theirs is False:
            value = self.build.smallest(mine)
            witness = self.build.around(w, name, value) if value is not MISSING else MISSING
            found.append(Break("additionalProperties", at, f"does not allow the property {name!r}", witness, True))
            return
        self._below(found, self.prove(mine, theirs, at, depth + 1), w, name)

    def _below(self, found: list[Break], items: Iterable[Break], w: dict[str, Any], key: str) -> None:
        """Add the breaks of a property. What was found elsewhere in the same definition needs no second witness."""
        known = {(item.rule, item.origin) for item in found if item.origin and item.witness is not MISSING}
        found.extend(self.build.lifted(item, w, key) for item in items if (item.rule, item.origin) not in known)

    def _others(self, found: list[Break], w: dict[str, Any], r: dict[str, Any], path: Path, depth: int) -> None:
        """Compare properties that the writer does not name: those of a free or typed map, and of patterns."""
        for pattern, mine in w.get("patternProperties", {}).items():
            theirs = r.get("patternProperties", {}).get(pattern)
            if theirs is None and ("patternProperties" in r or strings.named_by(r, w, pattern)):
                found.append(self.search.leaf(w, r, path))
                return
            theirs = r.get("additionalProperties", True) if theirs is None else theirs
            at = (*path, "patternProperties", pattern)
            self._below(found, self.prove(mine, theirs, at, depth + 1), w, strings.key_for(pattern))
        extra = w.get("additionalProperties", True)
        if extra is False or w.get("unevaluatedProperties") is False:
            return
        for name in r.get("properties", ()):
            if name not in w.get("properties", ()):
                self._property(found, w, r, name, path, depth)
        for pattern, theirs in r.get("patternProperties", {}).items():
            at = (*path, "patternProperties", pattern)
            self._below(found, self.prove(extra, theirs, at, depth + 1), w, strings.key_for(pattern))
        theirs = r.get("additionalProperties", True)
        key = next(f"extra{i}" for i in range(99) if f"extra{i}" not in r.get("properties", ()))
        self._below(found, self.prove(extra, theirs, (*path, "additionalProperties"), depth + 1), w, key)

    def _beside(self, w: dict[str, Any], r: dict[str, Any], path: Path) -> list[Break]:
        """Keywords that apply to the object or array as a whole."""
        rest = {key: item for key, item in r.items() if key in _BESIDE}
        if r.get("unevaluatedProperties", True) is not True:
            rest = r
        if not rest:
            return []
        writer, reader = self.search.documents(w, rest)
        if engine.covers(reader, writer) == "yes":
            return []
        return [self.search.leaf(w, rest, path)]

    def _array(self, w: dict[str, Any], r: dict[str, Any], path: Path, depth: int) -> list[Break]:
        found: list[Break] = []
        mine, theirs = w.get("prefixItems", []), r.get("prefixItems", [])
        most = w.get("maxItems")
        fixed = max(len(mine), len(theirs))
        for at in range(fixed + 1):
            if most is not None and at >= most:
                break
            left = mine[at] if at < len(mine) else w.get("items", True)
            right = theirs[at] if at < len(theirs) else r.get("items", True)
            if left is False:
                break
            where = (*path, "prefixItems", str(at)) if at < len(theirs) else (*path, "items")
            found.extend(self.build.item(item, w, at) for item in self.prove(left, right, where, depth + 1))
        found.extend(self._lengths(w, r, path))
        if r.get("uniqueItems") is True and w.get("uniqueItems") is not True and (most is None or most > 1):
            found.append(self.search.leaf(w, {"type": "array", "uniqueItems": True}, path))
        return [*found, *self._beside(w, r, path)]

    def _lengths(self, w: dict[str, Any], r: dict[str, Any], path: Path) -> Iterator[Break]:
        least, most = w.get("minItems", 0), w.get("maxItems")
        if r.get("minItems", 0) > least:
            message = f"wants at least {r['minItems']} items, {least} may come"
            yield Break("minItems", path, message, self.build.of_length(w, least), True)
        if "maxItems" in r and (most is None or most > r["maxItems"]):
            message = f"accepts at most {r['maxItems']} items, but more may be sent"
            yield Break("maxItems", path, message, self.build.of_length(w, max(r["maxItems"] + 1, least)), True)

    def _string(self, w: dict[str, Any], r: dict[str, Any], path: Path) -> list[Break]:
        """Compare patterns and lengths with automata. The engine decides the other keywords."""
        try:
            value = strings.refused(w, r)
        except strings.Unsupported:
            return [self.search.leaf(w, r, path)]
        if value is None:
            return []
        writer, reader = self.search.documents(w, r)
        if engine.refusing(writer, reader, [value]):
            return [explained(reader, value, path)]
        return [self.search.leaf(w, r, path)]


def _kinds(w: dict[str, Any]) -> tuple[str, ...]:
    found = types(w)
    order = ("null", "boolean", "integer", "number", "string", "array", "object")
    return tuple(kind for kind in order if kind in found and not (kind == "integer" and "number" in found))
