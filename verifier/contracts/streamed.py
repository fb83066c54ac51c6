"""Event streams against a schema. OpenAPI before 3.2 does not say what it describes, so every usual meaning counts:

the whole text, the list of all events' data, the data of each event, or each event with its fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from verifier.contracts import wire
from verifier.contracts.mismatch import Mistyped, mistyped
from verifier.http.eventstream import Event, events


def misfits(validator: jsonschema_rs.Validator, text: str) -> Iterator[tuple[str, str, Mistyped | None]]:
    """Mismatches with every meaning, as (pointer below the body, message, types where those are what is wrong).

    A truncated event is ignored. Data that are not JSON are accepted if other events have JSON, because streams contain
    sentinels (`[DONE]`) and pings.
    """
    if validator.is_valid(text):
        return
    found = events(text.encode())
    read = [_json(event) for event in found]
    if any(read) and validator.is_valid([value for values in read for value in values]):
        return
    # If nothing is required, any object matches, and the fields of an event prove nothing about its data.
    telling = not validator.is_valid({})
    for number, (event, values) in enumerate(zip(found, read, strict=True)):
        ways = (*values, *_with_fields(event, values)) if telling else values
        if values and not any(validator.is_valid(way) for way in ways):
            for error in validator.iter_errors(values[0]):
                pointer = "".join(f"/{part}" for part in (number, *error.instance_path))
                yield pointer, error.message, mistyped(error)
    if found and not any(read) and not any(validator.is_valid(value) for value in _with_fields(found[0], [])):
        yield "/0", f"the data of no event are JSON, as {found[0]['data'][:80]!r}", None


def _json(event: Event) -> list[Any]:
    """The values of the data; empty if they are not JSON."""
    try:
        return [wire.decode_json(event["data"])]
    except wire.Undecodable:
        return []


def _with_fields(event: Event, values: list[Any]) -> list[Any]:
    fields = {name: text.decode("utf-8", "replace") for name, text in event.items()}
    return [fields, *({**fields, "data": value} for value in values)]
