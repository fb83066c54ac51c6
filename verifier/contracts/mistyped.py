"""Values of another type than a schema allows, read from a validator's error."""

from __future__ import annotations

from dataclasses import dataclass

import jsonschema_rs

from verifier.contracts.shapes import type_names


@dataclass(frozen=True, slots=True)
class Mistyped:
    """JSON types: those that the schema allows, and the one that was found. Integers count as numbers."""

    allowed: frozenset[str]
    found: str


def mistyped(error: jsonschema_rs.ValidationError) -> Mistyped | None:
    """None for an error that is about something else than a type."""
    if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Type):
        return None
    allowed = frozenset("number" if name == "integer" else name for name in error.kind.types)
    return Mistyped(allowed, type_names(error.instance)[-1])
