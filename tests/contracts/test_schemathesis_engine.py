"""The one internal function of schemathesis that is called is still there, and still does what it did."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from verifier.contracts.schemathesis_engine import generated


def test_the_internal_function_has_not_moved() -> None:
    from schemathesis.core.errors import SchemathesisError
    from schemathesis.generation.jsonschema.builder import build
    from schemathesis.specs.openapi.formats import get_default_format_strategies

    assert {"draft", "formats"} <= set(inspect.signature(build).parameters)
    assert "uuid" in get_default_format_strategies()
    assert issubclass(SchemathesisError, Exception)


@pytest.mark.parametrize(
    ("document", "shape"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 4}, "[34]"),
        ({"type": "string", "pattern": "^[ab]{2}$"}, "'[ab]{2}'"),
        ({"type": "string", "format": "date"}, r"'\d{4}-\d\d-\d\d'"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": 7}}}, "7"),
    ],
)
def test_values_are_of_their_schema_and_equal_for_equal_seeds(document: dict[str, Any], shape: str) -> None:
    drawn = generated(document, 5, 1)
    assert drawn and drawn == generated(document, 5, 1)
    assert all(re.fullmatch(shape, repr(value)) for value in drawn), drawn


def test_a_schema_without_values_has_none() -> None:
    assert generated(False, 5, 1) == ()
