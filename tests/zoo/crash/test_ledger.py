"""A replica that is killed beside a migration and started again: it recovers, and two others do not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse

HERE = Path(__file__).parent
NAMES = uuid.UUID("5a0c4c57-6a4e-4c3e-9f0d-6d7b1f3e2a10")
MATRIX = """
matrix: ledger
services:
  ledger:
    port: 8000
    ready: {{http: /healthz, within: 10s}}
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {service}, "{old}", --port, "{{port}}"]}}
      "2":
        command: [{python}, {service}, "{new}", --port, "{{port}}"]
        migrate:
          expand: [{python}, {service}, "{new}", --stage, expand]
          contract: [{python}, {service}, "{new}", --stage, contract]
stores: {{db: {{process: sqlite}}}}
faults: none
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


def recorded() -> Iterator[Recorded]:
    entry = {"id": str(uuid.uuid5(NAMES, "entry")), "text": "what a client has written"}
    yield Recorded("POST", "/entries", {"text": entry["text"]}, 201, entry)
    yield Recorded("GET", f"/entries/{entry['id']}", None, 200, entry)


def rehearsed(folder: Path, old: str, new: str) -> dict[str, Any]:
    matrix = filled(MATRIX, HERE / "ledger.py", old=old, new=new)
    return rehearse(folder, matrix, har("ledger:8000", recorded()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "version", "attributions"),
    [("1-brittle", "2", "1", {"migration"}), ("1", "2-brittle", "2", {"new-version", "upgrade", "mixed"})],
)
def test_a_replica_that_does_not_recover_beside_a_migration_is_found(
    tmp_path: Path, old: str, new: str, version: str, attributions: set[str]
) -> None:
    verdict = rehearsed(tmp_path, old, new)
    assert verdict["verdict"] == "fail"
    failed = [step for step in verdict["steps"] if step["error"]]
    assert {step["kind"] for step in failed} == {"crash"}, "the rollout itself does not show it"
    assert all(f"ledger {version} did not become ready" in step["error"] for step in failed)
    assert {entry["attribution"] for entry in verdict["causes"]} <= attributions


@pytest.mark.slow
def test_replicas_that_recover_pass(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "1", "2")
    assert verdict["violations"] == []
    assert verdict["verdict"] == "pass"
    assert [step["id"] for step in verdict["steps"] if step["kind"] == "crash"]
