"""Compiled schemas, and the values of bodies that they are asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from verifier.contracts import wire
from verifier.contracts.model import is_json

_MOST_VALID = 1 << 15  # bodies of one kind that are known to have no mismatch


@dataclass(frozen=True, slots=True)
class Check:
    """A compiled schema. `ok` is a fast check for the usual case. `valid`: JSON texts that are known to be valid."""

    validator: jsonschema_rs.Validator
    ok: Callable[[Any], bool]
    valid: set[bytes] = field(default_factory=set)


def remember(valid: set[bytes], body: bytes) -> None:
    """Note that a body has no mismatch. The oldest are forgotten where there are many."""
    if len(valid) >= _MOST_VALID:
        valid.clear()
    valid.add(body)


def compile_schema(document: dict[str, Any] | bool) -> Check | None:
    """A validator that checks formats; None if none can be built, such as for an unsupported regex."""
    try:
        validator = jsonschema_rs.Draft202012Validator(document, validate_formats=True, offline=True)
    except (ValueError, jsonschema_rs.ReferencingError):
        return None
    return Check(validator, validator.is_valid)


def content(sent: str, encoding: str | None, body: bytes, check: Check) -> tuple[Any, bool]:
    """The value of a body, and whether its media type can be decoded. Raises Undecodable."""
    if encoding:
        plain = wire.uncompressed(body, encoding)
        if plain is None:
            return None, False
        body = plain
    if is_json(sent):
        return wire.decode_json(body), True
    if sent.startswith("text/"):
        text = body.decode("utf-8", "replace")
        return next((value for value in wire.readings(text) if check.ok(value)), text), True
    if sent == "application/x-www-form-urlencoded":
        return _form(body, check), True
    return None, False


def _form(body: bytes, check: Check) -> dict[str, Any]:
    """A form in the first reading that fits: as text, with numbers and booleans, or with lists for repeated fields."""
    fields = wire.form_fields(body)
    plain: dict[str, Any] = {name: texts[0] if len(texts) == 1 else texts for name, texts in fields.items()}
    if check.ok(plain):
        return plain
    for name, texts in fields.items():
        for value in [wire.readings(texts[0])[-1], [wire.readings(text)[-1] for text in texts], texts]:
            trial = {**plain, name: value}
            if _fewer(check, trial, plain):
                plain = trial
    return plain


def _fewer(check: Check, trial: Any, before: Any) -> bool:
    return len(list(check.validator.iter_errors(trial))) < len(list(check.validator.iter_errors(before)))
