"""One change of a release is one defect, named by its cause, whatever follows from it; two changes are two."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse_and_report

HERE = Path(__file__).parent
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
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2":
        command: [{python}, {service}, {release}, --port, "{{port}}"]
        migrate: {{expand: [{python}, {service}, {release}, --migrate]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-at-once]
rollout: {{strategy: rolling, rollback: every-state}}
traffic: [{{recording: old.har, client: "1"}}]
"""


def recorded() -> Iterator[Recorded]:
    notes = []
    for word in ("first", "second"):
        name = str(uuid.uuid5(NAMES, word))
        notes.append({"name": name, "text": f"{word} {name}"})
        yield Recorded("PUT", f"/notes/{name}", {"text": notes[-1]["text"]}, 200, notes[-1])
        yield Recorded("GET", f"/notes/{name}", None, 200, notes[-1])
    yield Recorded("GET", "/notes", None, 200, {"notes": notes})
    yield Recorded("GET", "/about", None, 200, {"title": "a notebook"})


def rehearsed(folder: Path, release: str) -> tuple[dict[str, Any], str]:
    matrix = filled(MATRIX, HERE / "notebook.py", release=release)
    return rehearse_and_report(folder, matrix, har("notebook:8000", recorded()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "causes", "reason"),
    [
        ("stuck", ["notebook 2 does not become ready"], "RuntimeError: notes of release 1 are not understood"),
        ("failing", ["expand of notebook 2 fails"], "no such table: pages"),
        ("dying", ["notebook 2 ends by itself"], "fatal: a note of release 1"),
        ("dropped", ["expand of notebook 2 breaks notebook 1"], "OperationalError: no such column: rank"),
        ("removed+unread", ["notebook 1 answers requests for /notes with 500", "GET /about"], ""),
    ],
)
def test_every_cause_is_one_defect(release: str, causes: list[str], reason: str, tmp_path: Path) -> None:
    found, report = rehearsed(tmp_path, release)
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
    found, _ = rehearsed(tmp_path, "same")
    assert (found["verdict"], found["causes"], found["violations"]) == ("pass", [], [])
