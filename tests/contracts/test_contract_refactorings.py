"""Random schemas against a brute-force reading of containment, and rewritings that must never change a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from verifier.contracts.closing import Closer, normal, widened
from verifier.contracts.compare import compare
from verifier.contracts.load import load
from verifier.contracts.shapes import flat
from verifier.contracts.subsume import decide
from verifier.contracts.verdicts import COLUMNS
from verifier.pointers import MISSING

NAMES = ("a", "b", "c")
LEAVES = st.one_of(
    st.just({"type": "integer"}),
    st.just({"type": "number"}),
    st.just({"type": "boolean"}),
    st.just({"type": "string", "nullable": True}),
    st.builds(lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size},
              st.integers(-3, 3), st.integers(0, 4)),
    st.builds(lambda least, size: {"type": "string", "minLength": least, "maxLength": least + size},
              st.integers(0, 2), st.integers(0, 2)),
    st.builds(lambda values: {"type": "string", "enum": sorted(values)}, st.sets(st.sampled_from("xyz"), min_size=1)),
)  # fmt: skip


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def build(properties: dict[str, Any], required: set[str], closed: bool) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required & set(properties):
            made["required"] = sorted(required & set(properties))
        if closed:
            made["additionalProperties"] = False
        return made

    return st.builds(
        build,
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        st.sets(st.sampled_from(NAMES)),
        st.booleans(),
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _objects(inner),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 1)),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
    ),
    max_leaves=5,
)
PROBES: tuple[Any, ...] = (None, True, -3, -1, 0, 1, 2, 3, 4, 7, 0.5, "", "x", "y", "z", "xx", "xxx", "xxxxx", [], {})
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=120)


def _values(depth: int = 2) -> list[Any]:
    values = list(PROBES)
    if depth:
        below = _values(depth - 1)[:: depth + 1]
        values += [[item] for item in below]
        values += [{name: item} for name in NAMES for item in below]
        values += [{"a": one, "b": other} for one in below[::4] for other in below[::5]]
    return values


VALUES = _values()


def _document(old: Any, version: str = "3.0.3", schemas: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {"application/json": {"schema": old}}
    answers = {"200": {"description": "ok", "content": content}}
    operation = {"requestBody": {"required": True, "content": content}, "responses": answers}
    made: dict[str, Any] = {
        "openapi": version,
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"post": operation}},
    }
    if schemas:
        made["components"] = {"schemas": schemas}
    return made


def _write(folder: Path, name: str, whole: dict[str, Any]) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


@QUIET
@given(SCHEMAS, SCHEMAS)
def test_decisions_agree_with_trying_values(tmp_path_factory: Any, old: Any, new: Any) -> None:
    folder = tmp_path_factory.mktemp("pair")
    one, other = (load(_write(folder, n, _document(s))) for n, s in (("old", old), ("new", new)))
    bodies = [contract.operations[0].body for contract in (one, other)]
    assert bodies[0] is not None and bodies[1] is not None
    sent, read = (body.media[0].schema.document for body in bodies if body and body.media[0].schema)
    writer, reader = normal(Closer("request").document(sent)), widened(normal(read))
    decision = decide(writer, reader)
    left, right = (Draft202012Validator(item, validate_formats=True) for item in (writer, reader))
    refused = [value for value in VALUES if left.is_valid(value) and not right.is_valid(value)]
    if refused:
        assert decision.verdict == "breaking", (refused[0], writer, reader)
    for item in decision.breaks:
        if item.witness is not MISSING:
            assert left.is_valid(item.witness) and not right.is_valid(item.witness)
    assert decision.verdict != "unknown"


def _inlined(schema: Any) -> tuple[Any, dict[str, Any]]:
    return {"$ref": "#/components/schemas/Moved"}, {"Moved": schema}


def _split(schema: Any) -> Any:
    """The same schema with properties and demands spread over an `allOf`, at every level."""
    if not isinstance(schema, dict):
        return schema
    made = {key: _split(item) if key in ("items",) else item for key, item in schema.items()}
    if "anyOf" in made:
        made["anyOf"] = [_split(item) for item in made["anyOf"]]
    if "properties" not in made or made.get("additionalProperties") is False:
        if "properties" in made:
            made["properties"] = {name: _split(item) for name, item in made["properties"].items()}
        return made
    parts = [{"type": "object", "properties": {name: _split(item)}} for name, item in made["properties"].items()]
    rest = {"required": made["required"]} if "required" in made else {}
    return {"allOf": [{"type": "object"}, *parts, *([rest] if rest else [])]}


def _reordered(schema: Any) -> Any:
    if isinstance(schema, list):
        return list(reversed([_reordered(item) for item in schema]))
    if isinstance(schema, dict):
        return {key: _reordered(item) for key, item in reversed(list(schema.items()))}
    return schema


@QUIET
@given(SCHEMAS, SCHEMAS)
def test_refactorings_never_change_a_verdict(tmp_path_factory: Any, old: Any, new: Any) -> None:
    folder = tmp_path_factory.mktemp("refactored")
    plain = compare(load(_write(folder, "old", _document(old))), load(_write(folder, "new", _document(new))))
    moved, schemas = _inlined(new)
    for name, whole in (
        ("moved", _document(moved, schemas=schemas)),
        ("split", _document(_split(new))),
        ("reordered", _document(_reordered(new))),
    ):
        refactored = compare(load(folder / "old.json"), load(_write(folder, name, whole)))
        assert refactored.columns == plain.columns, name


@QUIET
@given(SCHEMAS)
def test_an_equivalent_schema_is_compatible_both_ways(tmp_path_factory: Any, schema: Any) -> None:
    folder = tmp_path_factory.mktemp("equivalent")
    old = load(_write(folder, "old", _document(schema)))
    for name, other in (("split", _split(schema)), ("reordered", _reordered(schema))):
        result = compare(old, load(_write(folder, name, _document(other))))
        assert [result.columns[column] for column in COLUMNS] == ["compatible"] * 4, (name, result.findings)


def test_flat_merges_what_a_conjunction_says() -> None:
    node = {"allOf": [{"$ref": "#/$defs/A"}, {"required": ["b"], "properties": {"b": {"type": "integer"}}}]}
    merged = flat(node, {"A": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}})
    assert merged["required"] == ["a", "b"] and set(merged["properties"]) == {"a", "b"}
