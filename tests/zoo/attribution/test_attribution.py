"""One tiny service for each name of attribution: its defect is caught under exactly that name, under any strategy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse

HERE = Path(__file__).parent
NAMES = uuid.UUID("3d0a4c1e-5b7f-49f2-8a6d-1c2e9b7f4d58")
MATRIX = """
matrix: archive-{release}
services:
  archive:
    port: 8000
    ready: /healthz
    replicas: 2
    {contract}
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2":
        command: [{python}, {service}, {release}, --port, "{{port}}"]
        migrate: {{expand: [{python}, {service}, {release}, --migrate]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-at-once]
rollout: {{strategy: {strategy}, rollback: every-state}}
traffic: [{{recording: old.har, client: "1"}}]
"""
CONTRACT = """
openapi: 3.0.3
info: {title: archive, version: "1"}
paths:
  /documents/{name}:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    put: {responses: {"200": {description: kept}}}
    get:
      responses:
        "200":
          description: what it says
          content: {application/json: {schema: {type: object, properties: {text: {type: integer}}}}}
  /receipts:
    post: {responses: {"201": {description: received}}}
"""


def recorded() -> Iterator[Recorded]:
    document, receipt, key = (str(uuid.uuid5(NAMES, name)) for name in "drk")
    for word in ("first", "second"):
        shown = {"name": document, "text": f"{word} {document}"}
        yield Recorded("PUT", f"/documents/{document}", {"text": shown["text"]}, 200, shown)
        yield Recorded("GET", f"/documents/{document}", None, 200, shown)
    yield Recorded("POST", "/receipts", {}, 201, {"id": receipt}, headers={"Idempotency-Key": key})


def rehearsed(folder: Path, release: str, strategy: str, declared: bool = False) -> dict[str, Any]:
    (folder / "archive.yaml").write_text(CONTRACT, encoding="utf-8")
    contract = "contract: archive.yaml" if declared else ""
    matrix = filled(MATRIX, HERE / "archive.py", release=release, strategy=strategy, contract=contract)
    return rehearse(folder, matrix, har("archive:8000", recorded()))


def names(found: dict[str, Any]) -> set[str]:
    return {violation["attribution"] for violation in found["violations"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "strategy", "name"),
    [
        ("untold", "rolling", "new-version"),
        ("unfilled", "rolling", "upgrade"),
        ("dropped", "rolling", "migration"),
        ("lock", "rolling", "mixed"),
        ("gated", "rolling", "rollback"),
        ("unfilled", "recreate", "upgrade"),
        ("dropped", "recreate", "migration"),
        ("gated", "recreate", "rollback"),
        ("unfilled", "blue-green", "upgrade"),
        ("lock", "canary", "mixed"),
    ],
)
def test_a_defect_is_caught_under_exactly_its_name(release: str, strategy: str, name: str, tmp_path: Path) -> None:
    assert names(rehearsed(tmp_path, release, strategy)) == {name}


@pytest.mark.slow
def test_what_both_versions_do_is_pre_existing_and_fails_nothing(tmp_path: Path) -> None:
    found = rehearsed(tmp_path, "same", "rolling", declared=True)
    assert (found["verdict"], names(found)) == ("pass", {"pre-existing"})


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rolling", "recreate", "blue-green", "canary"])
def test_the_same_code_is_silent(strategy: str, tmp_path: Path) -> None:
    found = rehearsed(tmp_path, "same", strategy)
    assert (found["verdict"], found["violations"]) == ("pass", [])
