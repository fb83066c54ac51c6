"""A run leaves its run directory, and nothing else: not where it was called, and not among the temporary files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_matrix import MATRIX, VERIFIER, write


def contract(pattern: str) -> str:
    """Words whose text has a pattern. Only values that are made up can tell what another pattern refuses."""
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Word"}}}}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    responses = {"200": {"description": "the word", "content": {"application/json": {"schema": {"type": "object"}}}}}
    word: dict[str, Any] = {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string", "pattern": pattern, "minLength": 1}},
    }
    return json.dumps({
        "openapi": "3.0.3",
        "info": {"title": "words", "version": "1"},
        "paths": {
            "/words/{name}": {
                "parameters": [name],
                "put": {"operationId": "keep", "requestBody": {"required": True, **body}, "responses": responses},
                "get": {"operationId": "show", "responses": responses},
            }
        },
        "components": {"schemas": {"Word": word}},
    })  # fmt: skip


@pytest.mark.slow
def test_nothing_is_left_but_the_run_directory(tmp_path: Path) -> None:
    inputs, here, temporary, home = (tmp_path / name for name in ("inputs", "here", "temporary", "home"))
    for folder in (inputs, here, temporary, home):
        folder.mkdir()
    (inputs / "1.json").write_text(contract(r"^(?!\d)\w+$"))
    (inputs / "2.json").write_text(contract(r"^(?!\d|_)\w+$"))
    text = MATRIX
    for name in "12":
        text = text.replace(f'"{name}": {{', f'"{name}": {{environment: {{RELEASE: "{name}"}}, contract: {name}.json, ')
    matrix = write(inputs, text)
    given = {**os.environ, "TMPDIR": str(temporary), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    before = sorted(inputs.rglob("*"))
    done = subprocess.run(
        [VERIFIER, "run", matrix, "--runtime", "process"],
        cwd=here, env=given, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    assert "proof" in next((here / ".verifier").rglob("operations.jsonl")).read_text(), "were requests made up?"
    assert [entry.name for entry in here.iterdir()] == [".verifier"]
    assert len(list((here / ".verifier").iterdir())) == 1
    assert list(temporary.iterdir()) == []
    assert list(home.iterdir()) == []
    assert [entry for entry in sorted(inputs.rglob("*")) if entry not in before and "kept" not in entry.parts] == []
