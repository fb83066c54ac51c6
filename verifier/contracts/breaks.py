"""Reasons why a reader rejects what a writer may send, each with a witness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from verifier.contracts.engine import Document
from verifier.contracts.shapes import text_of
from verifier.pointers import MISSING
from verifier.printable import abridged

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """One reason why the reader rejects or may reject. `path` leads through the keywords of the reader's schema.

    `witness` is a value of the whole schema, or MISSING. `certain` is false if the question stays open. `origin` is the
    innermost definition of the reader on the way, with the path in it; () if there is none.
    """

    rule: str
    path: Path
    message: str
    witness: Any
    certain: bool
    origin: tuple[str, Path] | tuple[()] = ()

    def inside(self, path: Path) -> Break:
        """The same break seen from further outside."""
        return replace(self, path=(*path, *self.path)) if path else self


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a comparison. `breaks` is empty if and only if containment is proved."""

    breaks: tuple[Break, ...]

    @property
    def verdict(self) -> str:
        if not self.breaks:
            return "compatible"
        return "breaking" if any(item.certain for item in self.breaks) else "unknown"


def open_break(path: Path) -> Break:
    return Break(
        "undecided", path, "could not be decided, and no generated value distinguishes the two", MISSING, False
    )


def short(value: Any) -> str:
    text = text_of(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def explained(reader: Document, value: Any, path: Path) -> Break:
    """The reason that the reader's schema gives for rejecting a value."""
    errors = list(reader.validator.iter_errors(value)) if reader.validator is not None else []
    if not errors:
        return Break("schema", path, f"rejects {short(value)}", value, True)
    error = min(errors, key=lambda item: len(item.instance_path))
    rule = {"constant": "const", "falseSchema": "additionalProperties"}.get(error.kind.name, error.kind.name)
    if value is None and not error.instance_path and rule in ("type", "enum", "anyOf", "oneOf", "oneOfNotValid"):
        rule = "nullable"
    below = tuple(part for name in error.instance_path for part in _step(name))
    return Break(rule, (*path, *below), f"rejects {short(value)}: {abridged(error.message, 1000)}", value, True)


def _step(name: str | int) -> tuple[str, ...]:
    return ("items",) if isinstance(name, int) else ("properties", name)


def distinct(items: Iterable[Break]) -> list[Break]:
    """The breaks without those of the same rule at the same place. A definition is one place wherever it is used."""
    found: dict[tuple[Any, ...], Break] = {}
    for item in items:
        key = (item.rule, item.origin or item.path)
        if key not in found or _better(item, found[key]):
            found[key] = item
    return list(found.values())


def _better(item: Break, other: Break) -> bool:
    return (item.certain, item.witness is not MISSING) > (other.certain, other.witness is not MISSING)
