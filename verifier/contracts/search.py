"""Searches for a witness: a value that a writer may send and a reader rejects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from verifier.contracts import engine, samples
from verifier.contracts.breaks import Break, Path, explained, open_break
from verifier.contracts.engine import Document
from verifier.contracts.schemathesis_engine import generated
from verifier.contracts.shapes import Defs, Node, defs_of, effective, flat, size_within, types
from verifier.pointers import MISSING

_GENERATED = 60
_DRAWN = 2_000  # schemas of a document; drawing values of larger ones takes seconds


@dataclass(frozen=True, slots=True)
class Search:
    """The search for one pair of documents, given by their definitions."""

    wdefs: Defs
    rdefs: Defs
    seed: int

    def documents(self, writer: Node, reader: Node) -> tuple[Document, Document]:
        return engine.document(writer, self.wdefs), engine.document(reader, self.rdefs)

    def confirmed(self, item: Break, writer: Document, reader: Document) -> Break:
        """A break of a part, confirmed only if a whole value shows it."""
        if item.witness is not MISSING and engine.refusing(writer, reader, [item.witness]):
            return replace(item, certain=True)
        return replace(item, certain=False, witness=MISSING)

    def shown(self, writer: Document, reader: Document, path: Path = ()) -> Break | None:
        """Any value that shows a break: from the difference of the schemas, or generated from the writer."""
        return _first(writer, reader, self._candidates(writer, reader), path)

    def leaf(self, writer: Node, reader: Node, path: Path) -> Break:
        """The break of a pair that is not split further: shown by a value, decided by the engine, or open."""
        pair = self.documents(writer, reader)
        rest, _ = engine.difference(*pair)
        guesses: list[Iterable[Any]] = [samples.borders(flat(writer, self.wdefs), flat(reader, self.rdefs), self.wdefs)]
        if rest is not None:
            guesses.insert(0, _tried(rest, defs_of(rest)))
        found = _first(*pair, guesses, path)
        if found is not None:
            return found
        if engine.covers(pair[1], pair[0]) != "no":
            return self.shown(*pair, path) or open_break(path)
        drawn = generated(rest if rest is not None else pair[0].schema, 10, self.seed)
        unseen = Break("schema", path, "does not take every value that may come", MISSING, True)
        return _first(*pair, [drawn], path) or unseen

    def apart(self, w: Node, branch: Node) -> bool:
        """Whether it is known that no value of the writer's node matches the reader's."""
        one, two = self.documents(w, branch)
        if engine.disjoint(one, two):
            return True
        left, right = flat(w, self.wdefs), flat(branch, self.rdefs)
        if not isinstance(left, dict) or not isinstance(right, dict):
            return left is False or right is False
        if not types(left) & types(right):
            return True
        for key in ("anyOf", "oneOf"):
            if key in right:
                return all(self.apart(w, inner) for inner in right[key])
        if types(left) != {"object"}:
            return False
        return any(
            name in left.get("required", ())
            and engine.disjoint(*self.documents(effective(left, name), effective(right, name)))
            for name in {*left.get("properties", ()), *right.get("properties", ())}
        )

    def _candidates(self, writer: Document, reader: Document) -> Iterator[Iterable[Any]]:
        rest, surely = engine.difference(writer, reader)
        if rest is not None:
            yield _tried(rest, defs_of(rest))
        yield _tried(writer.schema, defs_of(writer.schema))
        if size_within(writer.schema, self.wdefs, _DRAWN):
            yield generated(writer.schema, _GENERATED, self.seed)
        if rest is not None and surely:  # searching an empty one would take long and find nothing
            yield generated(rest, 10, self.seed)


def _first(writer: Document, reader: Document, guesses: Iterable[Iterable[Any]], path: Path) -> Break | None:
    for values in guesses:
        for value in engine.refusing(writer, reader, values):
            return explained(reader, value, path)
    return None


def _tried(node: Node, defs: Defs) -> Iterator[Any]:
    wanted: tuple[dict[str, Any] | None, ...] = (None, {})
    for forced in wanted:
        try:
            yield samples.smallest(node, defs, forced)
        except (samples.Impossible, RecursionError):
            continue
    shape = flat(node, defs)
    if isinstance(shape, dict):
        yield from samples.borders(shape, shape, defs)
