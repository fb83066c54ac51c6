"""Work that one version accepts and the other has to do: done, thrown away, ticked off unsent, and done twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse, told

HERE = Path(__file__).parent
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
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, "{release}", --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
partners: {{hook: {{}}}}
faults: [{faults}]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


def recorded() -> Iterator[Recorded]:
    """One client that sends a letter and asks until it was sent."""
    letter, reference = (str(uuid.uuid5(NAMES, name)) for name in ("letter", "reference"))
    yield Recorded("POST", "/letters", {"reference": reference}, 202, {"id": letter, "state": "queued"})
    for state in ("queued", "queued", "sent"):
        yield Recorded("GET", f"/letters/{letter}", None, 200, {"id": letter, "state": state}, pause=0.1)


def rehearsed(folder: Path, release: str, faults: str) -> dict[str, Any]:
    matrix = filled(MATRIX, HERE / "letters.py", release=release, faults=faults)
    return rehearse(folder, matrix, har("letters:8000", recorded()))


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
    found = told(rehearsed(tmp_path, release, "handover"))
    assert expected in {(guarantee, attribution) for guarantee, attribution, _ in found}


@pytest.mark.slow
def test_a_handover_that_works_passes(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "2", "handover, lost-answer")
    assert verdict["violations"] == []
    assert verdict["verdict"] == "pass"
