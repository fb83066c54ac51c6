"""Values that travel as text: every pair of common parameter schemas against trying texts."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from verifier.contracts.compare import compare
from verifier.contracts.load import load
from verifier.contracts.wire import readings

SCHEMAS: tuple[dict[str, Any], ...] = (
    {"type": "integer"},
    {"type": "integer", "minimum": 0},
    {"type": "integer", "minimum": 1, "maximum": 9},
    {"type": "integer", "maximum": 5},
    {"type": "number"},
    {"type": "number", "minimum": 0.5},
    {"type": "boolean"},
    {"type": "string"},
    {"type": "string", "minLength": 1},
    {"type": "string", "pattern": "^[0-9]+$"},
    {"type": "string", "enum": ["1", "true", "x"]},
    {"enum": [1, 2]},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date"},
    {"anyOf": [{"type": "integer"}, {"enum": ["all"]}]},
    {"type": ["boolean", "integer"]},
)
VALUES = ("", "0", "1", "-1", "2", "5", "6", "10", "0.5", "true", "false", "x", "all", "2024-01-01", "12345", "007",
          0, 1, 2, -1, 5, 6, 9, 10, 0.5, 1.5, True, False, 12345, -12345)  # fmt: skip


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _refused(writer: dict[str, Any], reader: dict[str, Any], value: Any) -> bool:
    sends, takes = (Draft202012Validator(item, validate_formats=True).is_valid for item in (writer, reader))
    texts = readings(_text(value))
    return any(map(sends, texts)) and not any(map(takes, texts))


@pytest.mark.parametrize("old", SCHEMAS, ids=json.dumps)
def test_every_pair_is_decided_as_trying_texts_says(tmp_path: Path, old: dict[str, Any]) -> None:
    for at, new in enumerate(SCHEMAS):
        paths = []
        for name, schema in (("old", old), ("new", new)):
            parameters = [{"name": "q", "in": "query", "schema": schema}]
            operation = {"parameters": parameters, "responses": {"200": {"description": "ok"}}}
            whole = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": operation}}}
            paths.append(tmp_path / f"{name}{at}.json")
            paths[-1].write_text(json.dumps(whole))
        result = compare(load(paths[0]), load(paths[1]))
        assert result.columns["request_old_to_new"] in ("compatible", "breaking"), new
        if any(_refused(old, new, value) for value in VALUES):
            assert result.columns["request_old_to_new"] == "breaking", new
        for item in result.findings:
            writer, reader = (old, new) if item.column == "request_old_to_new" else (new, old)
            assert _refused(writer, reader, item.witness), (item, writer, reader)


def test_there_are_pairs_of_both_kinds() -> None:
    kinds = {any(_refused(one, other, value) for value in VALUES) for one, other in product(SCHEMAS, SCHEMAS)}
    assert kinds == {True, False}
