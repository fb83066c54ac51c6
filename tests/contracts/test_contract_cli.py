"""`verifier contract`: formats, exit statuses, the shape of its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from verifier.cli.contract import contract

BASE: dict[str, Any] = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}}


def _body(schema: dict[str, Any], **answers: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    operation = {"operationId": "o", "requestBody": {"required": True, "content": content},
                 "responses": {"200": {"description": "ok"}, **answers}}  # fmt: skip
    return {**BASE, "paths": {"/a": {"post": operation}}}


def _run(folder: Path, old: Any, new: Any, *options: str) -> Any:
    paths = [folder / "old.json", folder / "new.json"]
    for path, whole in zip(paths, (old, new), strict=True):
        path.write_text(whole if isinstance(whole, str) else json.dumps(whole))
    return CliRunner().invoke(contract, [*map(str, paths), *options])


PLAIN = _body({"type": "object", "properties": {"a": {"type": "string"}}})
MORE = _body({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
STRICT = _body({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}})


@pytest.mark.parametrize(
    ("old", "new", "status"), [(PLAIN, PLAIN, 0), (PLAIN, MORE, 0), (PLAIN, STRICT, 1), (STRICT, PLAIN, 1)]
)
def test_exit_status(tmp_path: Path, old: Any, new: Any, status: int) -> None:
    for form in ("text", "json", "markdown"):
        result = _run(tmp_path, old, new, "--format", form)
        assert result.exit_code == status, result.output


def test_an_open_question_is_status_3_and_never_compatible(tmp_path: Path) -> None:
    old = _body({"type": "string", "pattern": "^(?=a)[ab]$"})
    new = _body({"type": "string", "pattern": "^a(?!b)$"})
    result = _run(tmp_path, old, new, "--format", "json")
    whole = json.loads(result.output)
    assert result.exit_code == 3 and whole["verdict"] == "unknown"
    assert whole["columns"]["request_old_to_new"] == "unknown"


def test_json_has_the_promised_shape(tmp_path: Path) -> None:
    result = _run(tmp_path, PLAIN, STRICT, "--format", "json")
    whole = json.loads(result.output)
    assert (whole["schema"], whole["verdict"]) == (1, "breaking")
    assert whole["columns"] == {
        "request_old_to_new": "breaking",
        "request_new_to_old": "compatible",
        "response_old_to_new": "compatible",
        "response_new_to_old": "compatible",
    }
    (finding,) = whole["findings"]
    assert finding["witness"] == {} and finding["has_witness"] is True
    assert finding["pointer"] == "#/paths/~1a/post/requestBody/content/application~1json/schema/properties/a"
    assert {"column", "verdict", "rule", "operation", "pointer", "message", "witness"} <= set(finding)


def test_skew_is_shown_and_does_not_count(tmp_path: Path) -> None:
    result = _run(tmp_path, PLAIN, MORE)
    assert result.exit_code == 0 and "dropped-property" in result.output and "verdict: compatible" in result.output


def test_declared_tolerance_of_readers(tmp_path: Path) -> None:
    new = _body({"type": "object", "properties": {"a": {"type": "string"}}}, **{"409": {"description": "conflict"}})
    assert _run(tmp_path, PLAIN, new).exit_code == 1
    assert _run(tmp_path, PLAIN, new, "--tolerate", "error-statuses").exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{", PLAIN, "old.json:1: is not valid JSON"),
        (PLAIN, {"a": 1}, "is not a contract"),
        (PLAIN, {"type": "object"}, "they cannot be compared"),
        (PLAIN, _body({"$ref": "#/gone"}), "leads nowhere"),
    ],
)
def test_bad_input_is_status_2_with_one_clear_message(tmp_path: Path, old: Any, new: Any, message: str) -> None:
    result = _run(tmp_path, old, new)
    assert result.exit_code == 2 and message in result.output and "Traceback" not in result.output


def _shared(count: int, most: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Word"}}}
    operations = {
        f"/a{at}": {
            "get": {"operationId": f"read{at}", "responses": {"200": {"description": "ok", "content": content}}}
        }
        for at in range(count)
    }
    word = {"type": "object", "properties": {"text": {"type": "string", "maxLength": most}}}
    return {**BASE, "paths": operations, "components": {"schemas": {"Word": word}}}


def test_a_change_of_a_component_is_told_once_with_the_operations_that_it_touches(tmp_path: Path) -> None:
    result = json.loads(_run(tmp_path, _shared(40, 5), _shared(40, 7), "--format", "json").output)
    (change,) = result["changes"]
    assert change["pointer"] == "#/components/schemas/Word/properties/text"
    assert change["operations"] == [f"read{at}" for at in range(40)]
    assert (change["columns"], change["findings"]) == (["response_new_to_old"], 40)
    assert len(result["findings"]) == 40
    text = _run(tmp_path, _shared(40, 5), _shared(40, 7)).output
    assert text.count("maxLength") == 1 and "and 37" in text


def test_markdown_fits_a_comment_on_a_pull_request(tmp_path: Path) -> None:
    long = {f"/{'a' * 80}{at}": {"get": {"responses": {str(200 + at % 90): {"description": ""}}}} for at in range(600)}
    old, new = ({**BASE, "paths": paths} for paths in (long, {path: {"get": {"responses": {}}} for path in long}))
    output = _run(tmp_path, old, new, "--format", "markdown").output
    assert len(output) <= 60_000
    assert "changes are left out; `--format json` has them all." in output
    assert output.rstrip().endswith("**Verdict: breaking**")
