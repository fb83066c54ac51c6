"""What a release does between the signal and the moment when the load balancer has noticed, end to end."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, har, rehearse

DESK = Path(__file__).parent / "desk.py"
NOTE = str(uuid.UUID("3d1c6a52-5a0e-4d3b-9d53-0f7e5a5f7c10"))
MATRIX = """
matrix: desk
services:
  desk:
    port: 8000
    ready: /healthz
    replicas: {replicas}
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {desk}, {old}, --port, "{{port}}"]}}
      "2": {{command: [{python}, {desk}, {new}, --port, "{{port}}"], environment: {{RELEASE: "2"}}}}
stores: {{db: {{process: sqlite}}}}
faults: {faults}
traffic: [{{recording: old.har}}]
"""
NOTES = har(
    "desk:8000",
    [
        Recorded("POST", "/notes", {"text": "buy milk"}, 201, {"id": NOTE, "text": "buy milk"}),
        Recorded("GET", f"/notes/{NOTE}", None, 200, {"id": NOTE, "text": "buy milk"}),
    ],
)
DROPS, REFUSES = "drops a request that it has in hand", "refuses requests when it is told to end"


def rehearsed(folder: Path, old: str, new: str, *, faults: str = "[late-removal]", replicas: int = 1) -> dict[str, Any]:
    python, desk = json.dumps(sys.executable), json.dumps(str(DESK))
    matrix = MATRIX.format(python=python, desk=desk, old=old, new=new, faults=faults, replicas=replicas)
    return rehearse(folder, matrix, NOTES)


def told(verdict: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Guarantee, attribution and which of the two sentences, of every violation."""
    found = set()
    for entry in verdict["violations"]:
        what = next((sentence for sentence in (DROPS, REFUSES) if sentence in entry["message"]), "")
        found.add((entry["guarantee"], entry["attribution"], what))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("new", "wanted"), [("exits", {DROPS, REFUSES}), ("closes", {REFUSES}), ("busy", {REFUSES})])
def test_a_release_that_does_not_serve_until_the_load_balancer_has_noticed(
    tmp_path: Path, new: str, wanted: set[str]
) -> None:
    verdict = rehearsed(tmp_path, "serves", new, replicas=2 if new == "busy" else 1)
    assert verdict["verdict"] == "fail"
    assert told(verdict) == {("available", "new-version", what) for what in wanted}
    for violation in verdict["violations"]:
        assert violation["versions"] == ["2"]
        assert violation["confirmed"] is True
        assert {step.partition(".")[0] for step in violation["steps"]} == {"control-new", "rollout"}
    assert len(verdict["causes"]) == 1


@pytest.mark.slow
def test_a_release_that_serves_on_passes(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "serves", "serves")
    assert (verdict["verdict"], verdict["violations"]) == ("pass", [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [("closes", "closes", {REFUSES}), ("exits", "serves", {DROPS, REFUSES}), ("exits", "exits", {DROPS, REFUSES})],
)
def test_what_the_old_release_does_as_well_is_no_news(tmp_path: Path, old: str, new: str, wanted: set[str]) -> None:
    verdict = rehearsed(tmp_path, old, new)
    assert verdict["verdict"] == "pass"
    assert told(verdict) == {("available", "pre-existing", what) for what in wanted}


@pytest.mark.slow
def test_in_order_it_ends_without_a_trace(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "serves", "exits", faults="[lost-answer]")
    assert (verdict["verdict"], verdict["violations"]) == ("pass", [])
