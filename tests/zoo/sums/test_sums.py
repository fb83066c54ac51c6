"""A job library as anybody would use it: nothing declared, and the workers of both releases on one queue."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse, told

HERE = Path(__file__).parent
NAMES = uuid.UUID("e4b3a8b2-5d0e-4c51-9c7b-08d1f5a6c3e7")
MATRIX = """
matrix: sums-{release}
services:
  sums:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, {release}, --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
faults: {faults}
rollout: {{strategy: rolling, rollback: {rollback}}}
traffic: [{{recording: old.har, client: "1"}}]
"""


def recorded() -> Iterator[Recorded]:
    for numbers in ([1, 2, 39], [500, 6, 1]):
        job = str(uuid.uuid5(NAMES, str(numbers)))
        queued: dict[str, Any] = {"id": job, "state": "queued", "sum": None}
        yield Recorded("POST", "/jobs", {"numbers": numbers}, 202, {"id": job})
        for shown in (queued, queued, {"id": job, "state": "done", "sum": sum(numbers)}):
            yield Recorded("GET", f"/jobs/{job}", None, 200, shown, pause=0.1)


def rehearsed(folder: Path, release: str, faults: str, rollback: str, seed: int = 0) -> dict[str, Any]:
    matrix = filled(MATRIX, HERE / "sums.py", release=release, faults=faults, rollback=rollback)
    return rehearse(folder, matrix, har("sums:8000", recorded()), seed)


@pytest.mark.slow
def test_the_same_code_on_both_sides_is_silent(tmp_path: Path) -> None:
    """But for what the library does with old alone: it closes its port at SIGTERM, and a job ends with its worker."""
    verdict = rehearsed(tmp_path, "same", "all", "every-state")
    assert verdict["verdict"] == "pass"
    assert {entry["attribution"] for entry in verdict["violations"]} <= {"pre-existing"}


@pytest.mark.slow
def test_work_under_a_name_that_old_workers_throw_away_does_not_complete(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "renamed", "none", "none")
    assert ("completes", "mixed", "POST /jobs") in told(verdict)
    causes = [entry["cause"] for entry in verdict["causes"]]
    assert causes == ["work that sums accepted with POST /jobs does not end"], (
        "what reads show of it is no other defect"
    )
