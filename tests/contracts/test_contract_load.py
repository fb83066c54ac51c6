"""Reading contracts: dialects, references over files, places of what is wrong, guarantees with their lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verifier.contracts.load import load
from verifier.errors import BadInput

HEAD = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n"
OK = 'responses: {"200": {description: ok}}'


def _load(tmp_path: Path, text: str, name: str = "c.yaml") -> object:
    path = tmp_path / name
    path.write_text(text)
    return load(path)


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("a: 1\n", 0, "", "no `openapi`"),
        ("[1]\n", 0, "", "must be a mapping"),
        ("", 0, "", "is empty"),
        ("openapi: '4.0'\n", 1, "#/openapi", "4.0 is not known"),
        ("swagger: '1.2'\n", 1, "#/swagger", "1.2 is not known"),
        ("openapi: [\n", 2, "", "not valid YAML"),
        ("openapi: 3.0.3\nopenapi: 3.0.3\n", 2, "", "is repeated"),
        (HEAD + "paths: [a]\n", 3, "#/paths", "must be a mapping"),
        (HEAD + "paths:\n  a: {}\n", 4, "#/paths/a", "must begin with /"),
        (HEAD + f"paths:\n  /a:\n    get: {{{OK}, parameters: [{{name: x}}]}}\n", 5,
         "#/paths/~1a/get/parameters/0", "`in`"),
        (HEAD + "paths:\n  /a:\n    get:\n      responses: {99: {description: x}}\n", 6, "#/paths/~1a/get/responses/99",
         "no status"),
        (HEAD + "paths:\n  /a:\n    get:\n      responses: {$ref: '#/nowhere'}\n", 6, "", ""),
    ],
)  # fmt: skip
def test_bad_documents_name_their_place(tmp_path: Path, text: str, line: int, key: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        _load(tmp_path, text)
    (problem,) = caught.value.problems
    assert problem.file.endswith("c.yaml") and message in problem.message
    if key or not line:
        assert (problem.line, problem.key) == (line, key)


SCHEMA = (
    HEAD + 'paths:\n  /a:\n    get:\n      responses:\n        "200":\n          description: ok\n          content:\n'
)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{$ref: '#/components/schemas/Gone'}", "leads nowhere"),
        ("{$ref: 'gone.yaml#/A'}", "missing file gone.yaml"),
        ("{$ref: 'https://example.com/a.json'}", "network"),
        ("{type: text}", "unknown type 'text'"),
        ("{enum: a}", "enum must be a list"),
        ("{required: a}", "required must be a list of names"),
        ("{minLength: -1}", "not negative"),
        ("{pattern: 1}", "pattern must be text"),
        ("{minimum: low}", "minimum must be a number"),
        ("{format: {}}", "format must be text"),
        ("{allOf: {}}", "allOf must be a list"),
        ("{properties: {a: 1}}", "a schema must be a mapping"),
    ],
)
def test_bad_schemas_name_their_place(tmp_path: Path, schema: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        _load(tmp_path, SCHEMA + f"            application/json:\n              schema: {schema}\n")
    (problem,) = caught.value.problems
    assert message in problem.message and problem.line == 11
    assert problem.key.startswith("#/paths/~1a/get/responses/200/content/application~1json/schema")


def test_a_missing_or_broken_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "b.json").write_text('{"openapi": ')
    with pytest.raises(BadInput, match="not valid JSON"):
        load(tmp_path / "b.json")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(BadInput, match="not UTF-8"):
        load(tmp_path / "latin.yaml")


def test_circles_of_references_end(tmp_path: Path) -> None:
    circle = HEAD + f"paths:\n  /a:\n    get: {{{OK}, parameters: [{{$ref: '#/components/parameters/A'}}]}}\n"
    circle += (
        "components: {parameters: {A: {$ref: '#/components/parameters/B'}, B: {$ref: '#/components/parameters/A'}}}\n"
    )
    with pytest.raises(BadInput, match="leads back to itself"):
        _load(tmp_path, circle)


def test_references_cross_files(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(
        "Thing: {type: object, properties: {part: {$ref: '#/Part'}}}\nPart: {type: integer}\n"
    )
    text = SCHEMA + "            application/json:\n              schema: {$ref: 'shared.yaml#/Thing'}\n"
    contract = load_contract(tmp_path, text)
    schema = contract.operations[0].answers[0].media[0].schema
    assert schema is not None
    assert schema.document["$defs"] == {  # type: ignore[index]
        "Thing": {"type": "object", "properties": {"part": {"$ref": "#/$defs/Part"}}},
        "Part": {"type": "integer"},
    }


def load_contract(tmp_path: Path, text: str, name: str = "c.yaml"):  # type: ignore[no-untyped-def]
    path = tmp_path / name
    path.write_text(text)
    return load(path)


def test_yaml_words_stay_what_they_are_in_json(tmp_path: Path) -> None:
    contract = load_contract(
        tmp_path, "type: object\nproperties:\n  no: {enum: [on, 2024-01-01, 012, 1e3, ~, true]}\n  y: {}\n"
    )
    schema = contract.documents[0].schema.document
    assert set(schema["properties"]) == {"no", "y"}
    assert schema["properties"]["no"]["enum"] == ["on", "2024-01-01", 12, 1000.0, None, True]


def test_guarantees_keep_their_lines(tmp_path: Path) -> None:
    text = HEAD + "x-guarantees: {service: a}\npaths:\n  /a:\n    get:\n      operationId: a\n      x-guarantees:\n"
    text += f"        idempotent: {{key: $request.header.Key}}\n      {OK}\n"
    contract = load_contract(tmp_path, text)
    found = contract.operations[0].guarantees
    assert contract.guarantees is not None and contract.guarantees.line == 3
    assert found is not None and found.plain() == {"idempotent": {"key": "$request.header.Key"}}
    assert found.value["idempotent"].line == 9


def test_equal_files_are_equal_contracts(tmp_path: Path) -> None:
    whole = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"responses": {}}}}}
    (tmp_path / "a.json").write_text(json.dumps(whole))
    assert load(tmp_path / "a.json") == load(tmp_path / "a.json")
    assert load(tmp_path / "a.json").operations[0].id == "GET /a"
