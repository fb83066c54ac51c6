"""With nothing declared: releases that lose or double what was acknowledged, and one that only looks different."""

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
NAMES = uuid.UUID("6a1f2c57-93d4-4b8e-a0c6-5e7d18f92b34")
MATRIX = """
matrix: office-{release}
services:
  office:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {office}, "1", --port, "{{port}}"]}}
      "2":
        command: [{python}, {office}, {release}, --port, "{{port}}"]
        migrate: {{expand: [{python}, {office}, {release}, --migrate]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-at-once, lost-answer]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


def recorded() -> Iterator[tuple[str, str, Any, int, Any, str]]:
    """Method, path, body, status, response and key of each exchange of one client."""
    customer, bill, price, payment, key = (str(uuid.uuid5(NAMES, name)) for name in "cbpik")
    for email in ("one@example.org", "two@example.org"):
        shown = {"name": customer, "email": email}
        yield "PUT", f"/customers/{customer}", {"email": email}, 200, shown, ""
        yield "GET", f"/customers/{customer}", None, 200, shown, ""
    for method, path, amount, note in (("POST", "/bills", 40.25, "late"), ("PUT", f"/bills/{bill}", 20, "")):
        shown = {"id": bill, "amount": amount, "note": note or None}
        yield method, path, {"amount": amount, "note": note}, 201 if method == "POST" else 200, shown, ""
        yield "GET", f"/bills/{bill}", None, 200, shown, ""
        yield "GET", f"/bills/{bill}", None, 200, shown, ""
    for amount in ("1.10", "2.20"):
        yield "PUT", f"/prices/{price}", {"price": amount}, 200, {"name": price}, ""
        yield "GET", f"/prices/{price}", None, 200, {"name": price, "price": amount}, ""
    yield "GET", "/load", None, 200, {"active": 3}, ""
    yield "POST", "/payments", {}, 201, {"id": payment}, key


def har() -> dict[str, Any]:
    entries = []
    for second, (method, path, sent, status, shown, key) in enumerate(recorded()):
        headers = [{"name": "Host", "value": "office:8000"}]
        request: dict[str, Any] = {"method": method, "url": f"http://office:8000{path}", "headers": headers}
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


def rehearse(folder: Path, release: str) -> dict[str, Any]:
    """Run the matrix of a release; the content of its `verdict.json`."""
    (folder / "old.har").write_text(json.dumps(har()), encoding="utf-8")
    text = MATRIX.format(release=release, python=json.dumps(sys.executable), office=json.dumps(str(HERE / "office.py")))
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    command = [VERIFIER, "run", "matrix.yaml", "--runtime", "process", "--out", "run"]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False
    )
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads((folder / "run" / "verdict.json").read_text(encoding="utf-8"))
    return found


def told(verdict: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(entry["guarantee"], entry["attribution"], entry["operation"]) for entry in verdict["violations"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("split", ("no lost write", "mixed", "GET /customers/{}")),
        ("cents", ("no lost write", "mixed", "GET /bills/{}")),
        ("lock", ("idempotent", "mixed", "POST /payments")),
    ],
)
def test_what_was_acknowledged_is_compared(tmp_path: Path, release: str, expected: tuple[str, str, str]) -> None:
    found = told(rehearse(tmp_path, release))
    assert expected in found
    assert {operation for _, _, operation in found} == {expected[2]}


@pytest.mark.slow
def test_gauges_lag_and_renderings_are_tolerated_and_listed(tmp_path: Path) -> None:
    """Two replicas that believe a price for a while, a gauge, 20.0 for 20, and an empty text for null."""
    verdict = rehearse(tmp_path, "kind")
    assert verdict["violations"] == []
    assert verdict["verdict"] == "pass"
    assert any("/note" in entry["place"] for entry in verdict["tolerated"])
