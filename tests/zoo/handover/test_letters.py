"""Work that one version accepts and the other has to do: done, thrown away, ticked off unsent, and done twice."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
VERIFIER = Path(sys.executable).with_name("verifier")
NAMES = uuid.UUID("0b54e1a4-7c1f-4f0e-8d5b-2f6f4e7d9a11")
MATRIX = """
matrix: letters-{release}
services:
  letters:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}", HOOK_URL: "http://hook:9090"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {letters}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {letters}, "{release}", --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
partners: {{hook: {{}}}}
faults: [{faults}]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


def har() -> dict[str, Any]:
    """One client that sends a letter and asks until it was sent."""
    letter, reference = (str(uuid.uuid5(NAMES, name)) for name in ("letter", "reference"))
    exchanges = [("POST", "/letters", {"reference": reference}, 202, "queued")]
    exchanges += [("GET", f"/letters/{letter}", None, 200, state) for state in ("queued", "queued", "sent")]
    entries = []
    for number, (method, path, sent, status, state) in enumerate(exchanges):
        request: dict[str, Any] = {"method": method, "url": f"http://letters:8000{path}"}
        request["headers"] = [{"name": "Host", "value": "letters:8000"}]
        if sent is not None:
            request["headers"].append({"name": "Content-Type", "value": "application/json"})
            request["postData"] = {"mimeType": "application/json", "text": json.dumps(sent)}
        content = {"mimeType": "application/json", "text": json.dumps({"id": letter, "state": state})}
        entries.append({
            "startedDateTime": f"2026-01-01T00:00:00.{number}00Z",
            "time": 1,
            "request": request,
            "response": {"status": status, "headers": [], "content": content},
        })  # fmt: skip
    return {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": entries}}


def rehearse(folder: Path, release: str, faults: str) -> dict[str, Any]:
    """Run the matrix of a release; the content of its `verdict.json`."""
    (folder / "old.har").write_text(json.dumps(har()), encoding="utf-8")
    text = MATRIX.format(
        release=release, faults=faults, python=json.dumps(sys.executable), letters=json.dumps(str(HERE / "letters.py"))
    )
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    command = [VERIFIER, "run", "matrix.yaml", "--runtime", "process", "--out", "run"]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False
    )
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads((folder / "run" / "verdict.json").read_text(encoding="utf-8"))
    return found


def told(verdict: dict[str, Any]) -> set[tuple[str, str]]:
    return {(entry["guarantee"], entry["attribution"]) for entry in verdict["violations"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("lost", ("completes", "mixed")),
        ("silent", ("honest completion", "mixed")),
        ("twice", ("exactly-once effect", "mixed")),
    ],
)
def test_work_that_does_not_survive_a_handover_is_found(
    tmp_path: Path, release: str, expected: tuple[str, str]
) -> None:
    assert expected in told(rehearse(tmp_path, release, "handover"))


@pytest.mark.slow
def test_a_handover_that_works_passes(tmp_path: Path) -> None:
    verdict = rehearse(tmp_path, "2", "handover, lost-answer")
    assert verdict["violations"] == []
    assert verdict["verdict"] == "pass"
