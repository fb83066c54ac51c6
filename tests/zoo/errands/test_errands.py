"""A worker is killed or paused in the middle of work: an errand that nobody takes up again is found."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, har, rehearse, told

HERE = Path(__file__).resolve().parent
IMAGE = "verifier-tests/errands"
DECLARED = (
    f"\n    contract: {json.dumps(str(HERE / 'openapi.yaml'))}"  # with a bound for the recovery, which saves time
)
NAMES = uuid.UUID("5d7a90f2-22b6-4c39-8c5a-0e7c3f1b6a44")
MATRIX = """
matrix: errands-{release}
services:
  errands:
    port: 8000
    ready: /healthz
    image: {image}
    build: &build {{context: {folder}}}
    directory: {folder}
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}{contract}
    versions:
      "1": {{command: [python, errands.py, web, "1", --host, "{{host}}", --port, "{{port}}"]}}
{newer}  worker:
    kind: worker
    ready: {{log: working}}
    stop: {{wait: {wait}}}
    image: {image}
    build: *build
    directory: {folder}
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    replicas: {workers}
    versions:
      "1": {{command: [python, errands.py, worker, {old}]}}
      "2": {{command: [python, errands.py, worker, {release}], environment: {{RELEASED: today}}}}
stores: {{db: {{image: "postgres:15", process: sqlite}}}}
faults: [{faults}]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""
NEWER = '      "2": {command: [python, errands.py, web, "2", --host, "{host}", --port, "{port}"]}\n'


def client() -> Iterator[Recorded]:
    """Asks for an errand and looks until it is done."""
    errand = str(uuid.uuid5(NAMES, "errand"))
    yield Recorded("POST", "/errands", {"what": "bread"}, 202, {"id": errand, "state": "queued"})
    for state in ("queued", "running", "running", "done"):
        yield Recorded("GET", f"/errands/{errand}", None, 200, {"id": errand, "state": state}, pause=0.1)


def rehearsed(
    folder: Path, release: str, old: str = "1", faults: str = "kill, pause", wait: str = "0s", contract: str = ""
) -> dict[str, Any]:
    return _rehearsed(folder, release, old, faults=faults, wait=wait, workers=2, contract=contract, newer=NEWER)


def in_containers(folder: Path, release: str) -> dict[str, Any]:
    """The same on PostgreSQL, with one worker, which alone has a new version."""
    return _rehearsed(folder, release, "1", "docker", faults="kill", wait="0s", workers=1, contract=DECLARED, newer="")


def _rehearsed(folder: Path, release: str, old: str, runtime: str = "process", **values: object) -> dict[str, Any]:
    written = {"image": IMAGE, "folder": str(HERE), "release": release, "old": old}
    quoted = {name: json.dumps(value) for name, value in written.items()}
    return rehearse(folder, MATRIX.format(**quoted, **values), har("errands:8000", client()), runtime=runtime)


def killed(folder: Path) -> set[tuple[str, str, str]]:
    """Service, version and reason of every replica that was killed."""
    lines = (folder / "run" / "history" / "replicas.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return {(event["service"], event["version"], event["detail"]) for event in events if event["what"] == "killed"}


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
    assert killed(tmp_path) == {("worker", "1", "by a fault"), ("worker", "2", "by a fault")}
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "upgrade order" not in report, "no contract says anything of an order"


@pytest.mark.slow
@pytest.mark.docker
def test_in_containers_an_errand_that_nobody_takes_up_again_is_found(tmp_path: Path) -> None:
    verdict = in_containers(tmp_path, "lost")
    assert (verdict["runtime"], verdict["verdict"]) == ("docker", "fail")
    assert told(verdict) == {("recovers", "new-version", "ask")}
    (violation,) = verdict["violations"]
    assert "×worker 2 was killed in the middle of work and replaced" in violation["message"]
    assert violation["confirmed"]


@pytest.mark.slow
@pytest.mark.docker
def test_in_containers_an_errand_that_is_taken_up_again_passes(tmp_path: Path) -> None:
    verdict = in_containers(tmp_path, "2")
    assert (verdict["runtime"], verdict["verdict"], verdict["violations"]) == ("docker", "pass", [])
    assert killed(tmp_path) == {("worker", "1", "by a fault"), ("worker", "2", "by a fault")}


@pytest.mark.slow
def test_what_old_does_not_take_up_again_either_is_its_own(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "lost", old="lost", faults="kill")
    assert told(verdict) == {("recovers", "pre-existing", "POST /errands")}
    assert verdict["verdict"] == "pass"


@pytest.mark.slow
def test_an_errand_that_is_lost_between_two_releases_is_the_mixture_s(tmp_path: Path) -> None:
    """The lease of the old worker expires before its successor starts, and the new one gives its errand up."""
    verdict = rehearsed(tmp_path, "drops", faults="kill", wait="1s", contract=DECLARED)
    assert ("recovers", "mixed", "ask") in told(verdict)
    assert {attribution for _, attribution, _ in told(verdict)} == {"mixed"}
