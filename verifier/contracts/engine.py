"""Asks jsonschema-rs: does a value match a schema, does a schema cover another one, what is their difference.

Answers are cached. A question that may take very long is asked in a child process (`limited.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import jsonschema_rs
from jsonschema_rs import canonical

from verifier.contracts import limited
from verifier.contracts.effort import spend
from verifier.contracts.shapes import Defs, Node, reached, recursive, text_of
from verifier.contracts.weight import Weight, weight_of

Answer = Literal["yes", "no", "unknown"]
_SIZE = 4096


class Document:
    """A self-contained schema with its compiled forms, which are built on first use."""

    __slots__ = ("_canonical", "_validator", "_weight", "schema", "text")

    def __init__(self, schema: dict[str, Any] | bool, text: str) -> None:
        self.schema = schema
        self.text = text
        self._canonical: jsonschema_rs.CanonicalSchema | bool | None = False
        self._validator: jsonschema_rs.Validator | bool | None = False
        self._weight: Weight | None = None

    @property
    def weight(self) -> Weight:
        if self._weight is None:
            self._weight = weight_of(self.schema)
        return self._weight

    @property
    def canonical(self) -> jsonschema_rs.CanonicalSchema | None:
        if isinstance(self._canonical, bool):
            self._canonical = None
            if recursive(self.schema):
                return None  # the engine cannot decide these, and some of them overflow its stack
            try:
                self._canonical = jsonschema_rs.canonicalize(
                    self.schema, draft=jsonschema_rs.Draft202012, validate_formats=True, offline=True
                )
            except (ValueError, jsonschema_rs.ReferencingError):
                self._canonical = None
        return self._canonical

    @property
    def validator(self) -> jsonschema_rs.Validator | None:
        if isinstance(self._validator, bool):
            try:
                self._validator = jsonschema_rs.Draft202012Validator(self.schema, validate_formats=True, offline=True)
            except (ValueError, jsonschema_rs.ReferencingError):
                self._validator = None
        return self._validator

    def admits(self, value: Any) -> bool | None:
        """Whether a value matches; None if no validator could be built."""
        validator = self.validator
        try:
            return validator.is_valid(value) if validator is not None else None
        except ValueError:
            return None


_known: dict[str, Document] = {}


def forget() -> None:
    """Clear all caches, for benchmarks."""
    _known.clear()
    _covered.clear()
    _disjoint.clear()


def document(node: Node, defs: Defs) -> Document:
    """A document from a node and the definitions that it reaches."""
    names = reached(node, defs)
    whole = node
    if isinstance(node, dict):
        whole = {key: item for key, item in node.items() if key not in ("$defs", "also")}
        if "also" in node:
            whole["allOf"] = [*whole.get("allOf", ()), *node["also"]]
        if names:
            whole["$defs"] = {name: defs[name] for name in sorted(names)}
    text = text_of(whole)
    if text not in _known:
        if len(_known) > _SIZE:
            _known.clear()
        _known[text] = Document(whole, text)
    return _known[text]


_covered: dict[tuple[str, str], Answer] = {}


def covers(reader: Document, writer: Document) -> Answer:
    """Whether the reader accepts everything that the writer may send."""
    if writer.text == reader.text:
        return "yes"
    key = (reader.text, writer.text)
    if key not in _covered:
        if len(_covered) > _SIZE:
            _covered.clear()
        _covered[key] = _ask(reader, writer)
    return _covered[key]


def _ask(reader: Document, writer: Document) -> Answer:
    answer: Answer = _asked(writer, reader, _contained) or "unknown"
    return answer


def _contained(one: jsonschema_rs.CanonicalSchema, two: jsonschema_rs.CanonicalSchema) -> Answer:
    answer = two.covers(one)
    if answer is canonical.Containment.YES:
        return "yes"
    return "no" if answer is canonical.Containment.NO else "unknown"


def _rest(one: jsonschema_rs.CanonicalSchema, two: jsonschema_rs.CanonicalSchema) -> tuple[Any, bool]:
    rest = one.subtract(two)
    return rest.to_json_schema(), rest.satisfiability() is canonical.Satisfiability.YES


def _apart(one: jsonschema_rs.CanonicalSchema, two: jsonschema_rs.CanonicalSchema) -> bool:
    return one.intersect(two).satisfiability() is canonical.Satisfiability.NO


def _asked(left: Document, right: Document, question: Callable[[Any, Any], Any]) -> Any:
    """The answer for the canonical forms of two documents; None if the engine has none."""

    def asked() -> Any:
        one, two = left.canonical, right.canonical
        if one is None or two is None:
            return None
        try:
            return question(one, two)
        except (canonical.CanonicalizationError, ValueError):  # too large to be decided, such as eight alternatives
            return None

    weight = left.weight + right.weight
    spend(weight.work)
    return limited.answered(asked) if weight.heavy else asked()


def difference(writer: Document, reader: Document) -> tuple[dict[str, Any] | bool | None, bool]:
    """A schema of the values that the writer may send and the reader rejects, and whether it certainly has a value.

    The schema is None if it cannot be expressed.
    """
    schema, surely = _asked(writer, reader, _rest) or (None, False)
    return (schema, surely) if isinstance(schema, dict | bool) else (None, False)


_disjoint: dict[tuple[str, str], bool] = {}


def disjoint(left: Document, right: Document) -> bool:
    """True only if it is proved that no value matches both."""
    key = (left.text, right.text)
    if key not in _disjoint:
        if len(_disjoint) > _SIZE:
            _disjoint.clear()
        _disjoint[key] = _asked(left, right, _apart) is True
    return _disjoint[key]


def refusing(writer: Document, reader: Document, values: Iterable[Any]) -> tuple[Any, ...]:
    """The first of the values that the writer may send and the reader rejects, as a tuple of one; else ()."""
    for value in values:
        if writer.admits(value) is True and reader.admits(value) is False:
            return (value,)
    return ()
