"""When a `oneOf` is read as alternatives, and when not; skew only where something is really dropped."""

from __future__ import annotations

from typing import Any

import pytest

from verifier.contracts.closing import Closer
from verifier.contracts.skew import skews
from verifier.contracts.variants import alternatives

TEXT = {"type": "string"}


def _object(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "additionalProperties": False}


@pytest.mark.parametrize(
    ("variants", "key"),
    [
        ([_object(a=TEXT), _object(b=TEXT)], "anyOf"),
        ([_object(["a"], a=TEXT), _object(["b"], b=TEXT)], "anyOf"),
        ([_object(["k"], k={"const": "a"}), _object(["k"], k={"const": "b"})], "oneOf"),
        ([_object(["k"], k={"const": "a"}), _object(k={"const": "b"})], "oneOf"),
        ([_closed(_object(["a"], a=TEXT)), _closed(_object(["b"], b=TEXT))], "oneOf"),
        ([{"type": "integer"}, {"type": "integer", "minimum": 3}], "oneOf"),
        ([TEXT, _object(a=TEXT)], "oneOf"),
    ],
)
def test_only_open_objects_that_nothing_tells_apart_become_alternatives(variants: list[Any], key: str) -> None:
    assert alternatives({"properties": {"x": {"oneOf": variants}}}) == {"properties": {"x": {key: variants}}}


def test_properties_called_like_keywords_are_left_alone() -> None:
    node = {"properties": {"oneOf": TEXT}, "enum": [{"oneOf": [1]}]}
    assert alternatives(node) == node


def test_a_property_is_dropped_only_by_an_open_reader_that_names_others() -> None:
    writer = _object(a=TEXT, b=TEXT)
    (found,) = skews(writer, _object(a=TEXT), "request")
    assert (found.rule, found.path) == ("dropped-property", ("properties", "b"))
    assert skews(writer, _closed(_object(a=TEXT)), "request") == ()
    assert skews(writer, {"type": "object"}, "request") == ()
    assert skews(writer, {**_object(a=TEXT), "additionalProperties": TEXT}, "request") == ()
    assert skews(writer, _object(a=TEXT), "response") == ()


@pytest.mark.parametrize(
    ("node", "closed"),
    [
        (_object(a=TEXT), _closed(_object(a=TEXT))),
        ({"type": "object"}, {"type": "object"}),
        ({**_object(a=TEXT), "additionalProperties": True}, {**_object(a=TEXT), "additionalProperties": True}),
        ({"allOf": [_object(a=TEXT), _object(b=TEXT)]},
         {"allOf": [_object(a=TEXT), _object(b=TEXT)], "unevaluatedProperties": False}),
        ({"type": "array", "items": _object(a=TEXT)}, {"type": "array", "items": _closed(_object(a=TEXT))}),
        (_object(a={**TEXT, "readOnly": True}), _closed(_object(a=False))),
        (True, True),
    ],
)  # fmt: skip
def test_writers_are_closed_to_what_they_declare(node: Any, closed: Any) -> None:
    assert Closer("request").document(node) == closed
