"""Mismatches of a message with a contract, with the JSON types if a value has the wrong type."""

from __future__ import annotations

from dataclasses import dataclass

import jsonschema_rs

from verifier.contracts.shapes import type_names


@dataclass(frozen=True, slots=True)
class Mistyped:
    """The JSON types that a schema permits, and the type that was found. Integers count as numbers."""

    allowed: frozenset[str]
    found: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`rule` is what was broken, `pointer` where in the message (`/body/id`, `/header/Location`, `/status`)."""

    rule: str
    operation: str
    pointer: str
    message: str
    mistyped: Mistyped | None = None  # set if the value has the wrong type


def mistyped(error: jsonschema_rs.ValidationError) -> Mistyped | None:
    """The types of a type error; None for other errors."""
    if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Type):
        return None
    allowed = frozenset("number" if name == "integer" else name for name in error.kind.types)
    return Mistyped(allowed, type_names(error.instance)[-1])
