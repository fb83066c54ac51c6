"""A worker is killed or paused in the middle of work: an errand that nobody takes up again is found."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, har, rehearse, told

HERE = Path(__file__).parent
NAMES = uuid.UUID("5d7a90f2-22b6-4c39-8c5a-0e7c3f1b6a44")
MATRIX = """
matrix: errands-{release}
services:
  errands:
    port: 8000
    ready: /healthz
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    versions:
      "1": {{command: [{python}, {errands}, web, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {errands}, web, "2", --port, "{{port}}"]}}
  worker:
    kind: worker
    ready: {{log: working}}
    stop: {{wait: {wait}}}
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    replicas: 2
    versions:
      "1": {{command: [{python}, {errands}, worker, {old}]}}
      "2": {{command: [{python}, {errands}, worker, {release}], environment: {{RELEASED: today}}}}
stores: {{db: {{process: sqlite}}}}
faults: [{faults}]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


def client() -> Iterator[Recorded]:
    """Asks for an errand and looks until it is done."""
    errand = str(uuid.uuid5(NAMES, "errand"))
    yield Recorded("POST", "/errands", {"what": "bread"}, 202, {"id": errand, "state": "queued"})
    for state in ("queued", "running", "running", "done"):
        yield Recorded("GET", f"/errands/{errand}", None, 200, {"id": errand, "state": state}, pause=0.1)


def rehearsed(
    folder: Path, release: str, old: str = "1", faults: str = "kill, pause", wait: str = "0s"
) -> dict[str, Any]:
    written = {"python": sys.executable, "errands": str(HERE / "errands.py"), "release": release, "old": old}
    quoted = {name: json.dumps(value) for name, value in written.items()}
    return rehearse(folder, MATRIX.format(**quoted, faults=faults, wait=wait), har("errands:8000", client()))


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "run" / "history" / "replicas.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_an_errand_that_nobody_takes_up_again_after_a_kill_is_found(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "lost")
    assert told(verdict) == {("recovers", "new-version", "POST /errands")}
    (violation,) = verdict["violations"]
    assert "×worker 2 was killed in the middle of work and replaced" in violation["message"]
    assert violation["confirmed"]
    assert verdict["verdict"] == "fail"


@pytest.mark.slow
@pytest.mark.parametrize("release", ["2", "start"])
def test_an_errand_that_is_taken_up_again_passes(release: str, tmp_path: Path) -> None:
    """When its lease has expired, or when a worker starts."""
    verdict = rehearsed(tmp_path, release)
    assert (verdict["verdict"], verdict["violations"]) == ("pass", [])
    hit = [event for event in events(tmp_path) if event["what"] == "killed"]
    assert {event["version"] for event in hit} == {"1", "2"}
    assert {(event["service"], event["detail"]) for event in hit} == {("worker", "by a fault")}


@pytest.mark.slow
def test_what_old_does_not_take_up_again_either_is_its_own(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "lost", old="lost", faults="kill")
    assert told(verdict) == {("recovers", "pre-existing", "POST /errands")}
    assert verdict["verdict"] == "pass"


@pytest.mark.slow
def test_an_errand_that_is_lost_between_two_releases_is_the_mixture_s(tmp_path: Path) -> None:
    """The lease of the old worker expires before its successor starts, and the new one gives its errand up."""
    verdict = rehearsed(tmp_path, "drops", faults="kill", wait="1s")
    assert ("recovers", "mixed", "POST /errands") in told(verdict)
    assert {attribution for _, attribution, _ in told(verdict)} == {"mixed"}
