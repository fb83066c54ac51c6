"""Processes that end while their leader lives on: beside a web process, and in a worker without a port."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, news, rehearse

HERE = Path(__file__).parent
NOTE = str(uuid.UUID("5f0f9d0a-8c1e-4b7d-9c45-2f6c1a0b7e33"))
MATRIX = """
matrix: crew-{new}-{kind}
services:
  notes:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [sh, -c, "echo before; exec {python} {service} web plain {kind} --port {{port}}"]}}
      "2": {{command: [{python}, {service}, web, {new}, {after}, --port, "{{port}}"]}}
  crew:
    kind: worker
    ready: {{log: "the crew is here"}}
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    versions:
      "1": {{command: [{python}, {service}, lead, {kind}]}}
stores: {{db: {{process: sqlite}}}}
faults: none
budget: 3s
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""
NOTES = har(
    "notes:8000",
    [
        Recorded("POST", "/notes", {"text": "buy milk"}, 201, {"id": NOTE, "text": "buy milk"}),
        Recorded("GET", f"/notes/{NOTE}", None, 200, {"id": NOTE, "text": "buy milk"}),
    ],
)


def rehearsed(folder: Path, new: str, kind: str, after: str) -> dict[str, Any]:
    matrix = filled(MATRIX, HERE / "crew.py", new=new, kind=kind, after=after)
    return rehearse(folder, matrix.replace('exec "', "exec ").replace('" "', " ").replace('" web', " web"), NOTES)


@pytest.mark.slow
def test_a_child_that_ends_while_its_leader_lives_on_is_found(tmp_path: Path) -> None:
    """Release 2 writes lines that the mailers of release 1 and of the crew do not survive. Every request succeeds."""
    verdict = rehearsed(tmp_path, "json", "trusting", "able")
    assert verdict["verdict"] == "fail"
    found = {(entry["service"], entry["guarantee"], entry["attribution"]) for entry in news(verdict)}
    assert found == {("notes", "available", "mixed"), ("crew", "available", "new-version")}
    for entry in news(verdict):
        assert "a child process of" in entry["message"]
        assert "crew.py mail trusting" in entry["message"]
        assert "not a line to mail" in entry["reason"]
        assert entry["confirmed"] is not False


@pytest.mark.slow
def test_children_that_are_replaced_or_have_one_thing_to_do_are_no_finding(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "plain", "busy", "busy")
    assert (verdict["verdict"], news(verdict)) == ("pass", [])
