"""One change of a release is one defect, named by its cause, whatever follows from it; two changes are two."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
VERIFIER = Path(sys.executable).with_name("verifier")
NAMES = uuid.UUID("9b1de5ab-1f43-4f5b-9d5e-8a0a3f2c6e71")
MATRIX = """
matrix: notebook-{release}
services:
  notebook:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {notebook}, "1", --port, "{{port}}"]}}
      "2":
        command: [{python}, {notebook}, {release}, --port, "{{port}}"]
        migrate: {{expand: [{python}, {notebook}, {release}, --migrate]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-at-once]
rollout: {{strategy: rolling, rollback: every-state}}
traffic: [{{recording: old.har, client: "1"}}]
"""


def recorded() -> Iterator[tuple[str, str, Any, Any]]:
    """Method, path, body and response of each exchange of one client."""
    notes = []
    for word in ("first", "second"):
        name = str(uuid.uuid5(NAMES, word))
        notes.append({"name": name, "text": f"{word} {name}"})
        yield "PUT", f"/notes/{name}", {"text": notes[-1]["text"]}, notes[-1]
        yield "GET", f"/notes/{name}", None, notes[-1]
    yield "GET", "/notes", None, {"notes": notes}
    yield "GET", "/about", None, {"title": "a notebook"}


def har() -> dict[str, Any]:
    entries = []
    for second, (method, path, sent, shown) in enumerate(recorded()):
        headers = [{"name": "Host", "value": "notebook:8000"}]
        request: dict[str, Any] = {"method": method, "url": f"http://notebook:8000{path}", "headers": headers}
        if sent is not None:
            headers.append({"name": "Content-Type", "value": "application/json"})
            request["postData"] = {"mimeType": "application/json", "text": json.dumps(sent)}
        content = {"mimeType": "application/json", "text": json.dumps(shown)}
        entries.append({
            "startedDateTime": f"2026-01-01T00:00:{second:02}.000Z",
            "time": 1,
            "request": request,
            "response": {"status": 200, "headers": [], "content": content},
        })  # fmt: skip
    return {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": entries}}


def rehearse(folder: Path, release: str) -> tuple[dict[str, Any], str]:
    """Run the matrix of a release: the content of its `verdict.json`, and the report."""
    (folder / "old.har").write_text(json.dumps(har()), encoding="utf-8")
    python, notebook = json.dumps(sys.executable), json.dumps(str(HERE / "notebook.py"))
    text = MATRIX.format(release=release, python=python, notebook=notebook)
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    command = [VERIFIER, "run", "matrix.yaml", "--runtime", "process", "--out", "run"]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=400, stdin=subprocess.DEVNULL, check=False
    )
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    return json.loads((folder / "run" / "verdict.json").read_text(encoding="utf-8")), " ".join(ended.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "causes", "reason"),
    [
        ("stuck", ["notebook 2 does not become ready"], "RuntimeError: notes of release 1 are not understood"),
        ("failing", ["expand of notebook 2 fails"], "no such table: pages"),
        ("dying", ["notebook 2 ends by itself"], "fatal: a note of release 1"),
        ("dropped", ["expand of notebook 2 breaks notebook 1"], ""),
        ("removed+unread", ["notebook 1 answers requests for /notes with 500", "GET /about"], ""),
    ],
)
def test_every_cause_is_one_defect(release: str, causes: list[str], reason: str, tmp_path: Path) -> None:
    found, report = rehearse(tmp_path, release)
    titles = [entry["cause"] for entry in found["causes"]]
    assert len(titles) == len(causes), titles
    for title, wanted in zip(titles, causes, strict=True):
        assert wanted in title
    number = re.search(r"Do not deploy this way\. (\d+) defects? ", report)
    assert number is not None
    assert int(number[1]) == len(causes)
    assert reason in found["causes"][0]["reason"]
    assert reason in report


@pytest.mark.slow
def test_the_same_code_has_no_defect(tmp_path: Path) -> None:
    found, _ = rehearse(tmp_path, "same")
    assert (found["verdict"], found["causes"], found["violations"]) == ("pass", [], [])
