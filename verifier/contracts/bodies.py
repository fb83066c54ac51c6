"""Compares a schema of the writer with one of the reader. The findings are breaks, open questions and skew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from verifier.contracts import samples
from verifier.contracts.breaks import Break, Decision, Path, open_break
from verifier.contracts.closing import Closer, Made, normal, widened
from verifier.contracts.effort import TooMuch, at_most
from verifier.contracts.engine import Document, document
from verifier.contracts.model import Schema
from verifier.contracts.proofs import Proofs
from verifier.contracts.schema import Direction
from verifier.contracts.schemathesis_engine import generated
from verifier.contracts.shapes import Defs, Node, bare, defs_of, flat, follow, text_of
from verifier.contracts.skew import Skew, skews
from verifier.contracts.string_encoded import textual
from verifier.contracts.subsume import decide
from verifier.contracts.variants import alternatives
from verifier.contracts.verdicts import MEANING, Column, ContractDifference
from verifier.contracts.wire import readings
from verifier.pointers import MISSING, escape


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What readers accept although their contract does not declare it.

    `error_statuses`: an undocumented 4xx or 5xx is treated as its class (RFC 9110, 15). `enum_values`: readers of
    responses and events accept values that their enumerations do not list. `unknown_properties`: readers of responses
    accept additional properties even with `additionalProperties: false`.
    """

    error_statuses: bool = False
    enum_values: bool = False
    unknown_properties: bool = False


STRICT = Tolerance()
_GENERATED = 60
_WORK = 400_000  # units of `effort.spend` that one pair of schemas may take
WORK_OF_ALL = 300_000  # that two contracts may take
WORK_OF_EACH = 1_000  # and more for each of their operations and messages
_WORK_LEFT = 2_000  # that each may take when those are gone


@dataclass(frozen=True, slots=True)
class BodyPlace:
    """The place of a comparison: a column, an operation or message, and a part of it."""

    column: Column
    operation: str
    part: str
    media: str = ""
    tolerance: Tolerance = STRICT
    seed: int = 0

    @property
    def direction(self) -> Direction:
        return "request" if self.column.startswith("request") else "response"

    @property
    def reader(self) -> str:
        return MEANING[self.column][1]

    @property
    def writer(self) -> str:
        return MEANING[self.column][0]

    def breaking(self, rule: str, pointer: str, message: str) -> ContractDifference:
        return ContractDifference(
            self.column, "breaking", rule, self.operation, pointer, message, part=self.part, media=self.media
        )

    def skewed(self, rule: str, pointer: str, message: str) -> ContractDifference:
        return ContractDifference(
            self.column, "skew", rule, self.operation, pointer, message, part=self.part, media=self.media
        )


@dataclass(slots=True)
class Memory:
    """What is decided already. Real documents share most of their schemas."""

    decisions: dict[tuple[Any, ...], Decision] = field(default_factory=dict)
    skews: dict[tuple[str, str, Direction], tuple[Skew, ...]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)  # by identity; the contracts keep the schemas alive
    made: Made = field(default_factory=Made)
    proofs: dict[tuple[Any, ...], Proofs] = field(default_factory=dict)
    work: float = WORK_OF_ALL

    def text(self, schema: Schema | None) -> str:
        if schema is None:
            return "true"
        key = id(schema)
        if key not in self.texts:
            self.texts[key] = text_of(schema.document)
        return self.texts[key]

    def proofs_of(self, place: BodyPlace) -> Proofs:
        """The proofs of a column: there the names of definitions always mean the same two contracts."""
        key = (place.column, place.tolerance, place.seed)
        if key not in self.proofs:
            self.proofs[key] = Proofs()
        return self.proofs[key]

    @contextmanager
    def effort(self) -> Iterator[None]:
        """Bound the work of one question. The more the questions before have taken, the less is left for it."""
        with at_most(max(_WORK_LEFT, min(_WORK, self.work))) as spent:
            try:
                yield
            finally:
                self.work -= spent()


def schema_findings(
    writer: Schema | None, reader: Schema | None, place: BodyPlace, memory: Memory, *, as_text: bool = False
) -> Iterator[ContractDifference]:
    """The findings of a pair. A reader without a schema accepts anything; a writer without one may send anything.

    `as_text`: the value travels as text (parameters, headers), so the text 5 can also be read as a string.
    """
    if reader is None or memory.text(writer) == memory.text(reader):
        return
    decision = _decided(writer, reader, place, memory, as_text)
    for item in decision.breaks:
        verdict: Literal["breaking", "unknown"] = "breaking" if decision.verdict == "breaking" else "unknown"
        message = f"{place.reader} {item.message}" if item.rule != "undecided" else f"{place.reader}: {item.message}"
        yield ContractDifference(place.column, verdict, item.rule, place.operation, _pointer_of(item, reader), message,
                      item.witness, place.part, place.media)  # fmt: skip
    if writer is not None and not as_text:
        for skew in _skews(writer, reader, place, memory):
            yield place.skewed(skew.rule, reader.pointer + _pointer(skew.path), f"{place.reader}: {skew.message}")


def _skews(writer: Schema, reader: Schema, place: BodyPlace, memory: Memory) -> tuple[Skew, ...]:
    key = (memory.text(writer), memory.text(reader), place.direction)
    if key not in memory.skews:
        memory.skews[key] = ()
        with suppress(TooMuch), memory.effort():  # what is not told as skew is told as undecided
            memory.skews[key] = skews(writer.document, reader.document, place.direction)
    return memory.skews[key]


def _decided(writer: Schema | None, reader: Schema, place: BodyPlace, memory: Memory, as_text: bool) -> Decision:
    texts = (memory.text(writer), memory.text(reader))
    key = (*texts, place.direction, place.tolerance, as_text, place.seed)
    if key not in memory.decisions:
        mine: Node = writer.document if writer is not None else {"type": "string"} if as_text else True
        try:
            with memory.effort():
                memory.decisions[key] = _decide(mine, reader.document, place, memory, as_text)
        except (TooMuch, RecursionError):
            memory.decisions[key] = Decision((open_break(()),))
    return memory.decisions[key]


def _decide(writer: Node, reader: Node, place: BodyPlace, memory: Memory, as_text: bool) -> Decision:
    made = memory.made
    closed = _each(Closer(place.direction, made).document(alternatives(writer, made)), "normal", made, normal)
    read = _each(alternatives(reader, made), "read", made, lambda node: widened(normal(node)))
    if place.direction == "response":
        read = _each(read, f"tolerant {place.tolerance}", made, lambda node: tolerant(node, place.tolerance))
    proofs = memory.proofs_of(place)
    proofs.learn(defs_of(writer), defs_of(reader))
    decision = decide(closed, read, place.seed, proofs)
    return _as_text(decision, closed, read, place.seed) if as_text else decision


def _each(document: Node, step: str, made: Made, make: Callable[[Node], Node]) -> Node:
    """A step of preparing a document, taken for the document and for each of its definitions."""
    defs = defs_of(document)
    return {**make(bare(document)), "$defs": made.each(step, defs, make)} if defs else make(document)


def _as_text(plain: Decision, closed: Node, read: Node, seed: int) -> Decision:
    """The decision for values that travel as text. A break counts if the reader rejects every reading of the text."""
    if not plain.breaks:
        return plain
    spelled = decide(textual(closed, writes=True), textual(read, writes=False), seed)
    if not spelled.breaks:
        return spelled
    writer, reader = (document(bare(node), defs_of(node)) for node in (closed, read))
    for decision in (plain, spelled):
        shown = tuple(item for item in decision.breaks if item.certain and _shows(item.witness, writer, reader))
        if shown:
            return Decision(shown)
    shape = flat(closed, defs_of(closed))
    for values in (samples.borders(shape, shape, defs_of(closed)), generated(writer.schema, _GENERATED, seed)):
        for value in values:
            if _shows(value, writer, reader) and not isinstance(value, dict | list):
                return Decision((Break("type", (), f"rejects every reading of the text {value!r}", value, True),))
    return Decision((open_break(()),))


def _shows(witness: Any, writer: Document, reader: Document) -> bool:
    """Whether the writer may send the text of a value, and the reader rejects every reading of it."""
    if witness is MISSING or isinstance(witness, dict | list):
        return witness is not MISSING
    values = readings(witness if isinstance(witness, str) else json.dumps(witness))
    return any(writer.admits(value) for value in values) and not any(reader.admits(value) for value in values)


def tolerant(node: Node, tolerance: Tolerance) -> Node:
    """The reader's schema, relaxed by the tolerance."""
    if tolerance == STRICT:
        return node
    if isinstance(node, list):
        return [tolerant(item, tolerance) for item in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, item in node.items():
        if key in ("properties", "patternProperties", "dependentSchemas", "$defs"):
            made[key] = {name: tolerant(below, tolerance) for name, below in item.items()}
        elif key in ("default", "required", "dependentRequired", "const"):
            made[key] = item
        elif key == "enum" and tolerance.enum_values and all(isinstance(value, str) for value in item):
            made.setdefault("type", "string")
        elif (
            key in ("additionalProperties", "unevaluatedProperties") and item is False and tolerance.unknown_properties
        ):
            continue
        else:
            made[key] = item if key == "enum" else tolerant(item, tolerance)
    return made


def _spelled(path: Path, node: Node, defs: Defs) -> Path:
    """The path as written in the document, where an `anyOf` may be a `oneOf`."""
    found = list(path)
    for at, part in enumerate(path):
        node = follow(node, defs)
        if isinstance(node, dict) and part == "anyOf" and part not in node and "oneOf" in node:
            found[at] = part = "oneOf"
        if isinstance(node, list):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else None
        else:
            node = node.get(part) if isinstance(node, dict) else None
    return tuple(found)


def _pointer_of(item: Break, reader: Schema) -> str:
    """Where the reader's contract declares what breaks: in a component, if it is part of one."""
    if item.origin and item.origin[0] in reader.places:
        name, path = item.origin
        definition = defs_of(reader.document).get(name, True)
        return reader.places[name] + _pointer(_spelled(path, definition, defs_of(reader.document)))
    return reader.pointer + _pointer(_spelled(item.path, reader.document, defs_of(reader.document)))


def _pointer(path: Path) -> str:
    return "".join(f"/{escape(part)}" for part in path)


def once(found: Iterable[ContractDifference]) -> Iterator[ContractDifference]:
    """The findings without duplicates. A witness may not be hashable."""
    seen = set()
    for item in found:
        key = (item.column, item.verdict, item.rule, item.operation, item.pointer, item.part, item.message)
        if key not in seen:
            seen.add(key)
            yield item
