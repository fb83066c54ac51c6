"""One tiny service for each name of attribution: its defect is caught under exactly that name, under any strategy."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
VERIFIER = Path(sys.executable).with_name("verifier")
NAMES = uuid.UUID("3d0a4c1e-5b7f-49f2-8a6d-1c2e9b7f4d58")
MATRIX = """
matrix: archive-{release}
services:
  archive:
    port: 8000
    ready: /healthz
    replicas: 2
    {contract}
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {archive}, "1", --port, "{{port}}"]}}
      "2":
        command: [{python}, {archive}, {release}, --port, "{{port}}"]
        migrate: {{expand: [{python}, {archive}, {release}, --migrate]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-at-once]
rollout: {{strategy: {strategy}, rollback: every-state}}
traffic: [{{recording: old.har, client: "1"}}]
"""
CONTRACT = """
openapi: 3.0.3
info: {title: archive, version: "1"}
paths:
  /documents/{name}:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    put: {responses: {"200": {description: kept}}}
    get:
      responses:
        "200":
          description: what it says
          content: {application/json: {schema: {type: object, properties: {text: {type: integer}}}}}
  /receipts:
    post: {responses: {"201": {description: received}}}
"""


def recorded() -> Iterator[tuple[str, str, Any, int, Any, str]]:
    """Method, path, body, status, response and key of each exchange of one client."""
    document, receipt, key = (str(uuid.uuid5(NAMES, name)) for name in "drk")
    for word in ("first", "second"):
        shown = {"name": document, "text": f"{word} {document}"}
        yield "PUT", f"/documents/{document}", {"text": shown["text"]}, 200, shown, ""
        yield "GET", f"/documents/{document}", None, 200, shown, ""
    yield "POST", "/receipts", {}, 201, {"id": receipt}, key


def har() -> dict[str, Any]:
    entries = []
    for second, (method, path, sent, status, shown, key) in enumerate(recorded()):
        headers = [{"name": "Host", "value": "archive:8000"}]
        request: dict[str, Any] = {"method": method, "url": f"http://archive:8000{path}", "headers": headers}
        if key:
            headers.append({"name": "Idempotency-Key", "value": key})
        if sent is not None:
            headers.append({"name": "Content-Type", "value": "application/json"})
            request["postData"] = {"mimeType": "application/json", "text": json.dumps(sent)}
        content = {"mimeType": "application/json", "text": json.dumps(shown)}
        entries.append({
            "startedDateTime": f"2026-01-01T00:00:{second:02}.000Z",
            "time": 1,
            "request": request,
            "response": {"status": status, "headers": [], "content": content},
        })  # fmt: skip
    return {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": entries}}


def rehearse(folder: Path, release: str, strategy: str, declared: bool = False) -> dict[str, Any]:
    """Run the matrix of a release; the content of its `verdict.json`."""
    (folder / "old.har").write_text(json.dumps(har()), encoding="utf-8")
    (folder / "archive.yaml").write_text(CONTRACT, encoding="utf-8")
    python, archive = json.dumps(sys.executable), json.dumps(str(HERE / "archive.py"))
    contract = "contract: archive.yaml" if declared else ""
    text = MATRIX.format(release=release, strategy=strategy, python=python, archive=archive, contract=contract)
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    command = [VERIFIER, "run", "matrix.yaml", "--runtime", "process", "--out", "run"]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=400, stdin=subprocess.DEVNULL, check=False
    )
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads((folder / "run" / "verdict.json").read_text(encoding="utf-8"))
    assert ended.returncode == (1 if found["verdict"] == "fail" else 0), ended.stdout
    return found


def names(found: dict[str, Any]) -> set[str]:
    return {violation["attribution"] for violation in found["violations"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "strategy", "name"),
    [
        ("untold", "rolling", "new-version"),
        ("unfilled", "rolling", "upgrade"),
        ("dropped", "rolling", "migration"),
        ("lock", "rolling", "mixed"),
        ("gated", "rolling", "rollback"),
        ("unfilled", "recreate", "upgrade"),
        ("dropped", "recreate", "migration"),
        ("gated", "recreate", "rollback"),
        ("unfilled", "blue-green", "upgrade"),
        ("lock", "canary", "mixed"),
    ],
)
def test_a_defect_is_caught_under_exactly_its_name(release: str, strategy: str, name: str, tmp_path: Path) -> None:
    assert names(rehearse(tmp_path, release, strategy)) == {name}


@pytest.mark.slow
def test_what_both_versions_do_is_pre_existing_and_fails_nothing(tmp_path: Path) -> None:
    found = rehearse(tmp_path, "same", "rolling", declared=True)
    assert (found["verdict"], names(found)) == ("pass", {"pre-existing"})


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rolling", "recreate", "blue-green", "canary"])
def test_the_same_code_is_silent(strategy: str, tmp_path: Path) -> None:
    found = rehearse(tmp_path, "same", strategy)
    assert (found["verdict"], found["violations"]) == ("pass", [])
