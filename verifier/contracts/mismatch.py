"""What of a message a contract does not allow; of values of another type than a schema allows, the types."""

from __future__ import annotations

from dataclasses import dataclass

import jsonschema_rs

from verifier.contracts.shapes import type_names


@dataclass(frozen=True, slots=True)
class Mistyped:
    """JSON types: those that the schema allows, and the one that was found. Integers count as numbers."""

    allowed: frozenset[str]
    found: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`rule` is what was broken, `pointer` where in the message (`/body/id`, `/header/Location`, `/status`)."""

    rule: str
    operation: str
    pointer: str
    message: str
    mistyped: Mistyped | None = None  # where a value of another type than the schema allows is what is wrong


def mistyped(error: jsonschema_rs.ValidationError) -> Mistyped | None:
    """None for an error that is about something else than a type."""
    if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Type):
        return None
    allowed = frozenset("number" if name == "integer" else name for name in error.kind.types)
    return Mistyped(allowed, type_names(error.instance)[-1])
