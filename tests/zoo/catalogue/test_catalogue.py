"""What a release may show in another way, and what it may not: pairs of an alarm and a silence, nothing declared."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse, told

HERE = Path(__file__).parent
NAMES = uuid.UUID("b51d6e7c-2f90-4a83-8c1e-97d04e3fa6b2")
ERROR = ("available", "pre-existing", "GET /items/{}/summary")  # as recorded, and told by old alone
MATRIX = """
matrix: catalogue-{release}
services:
  catalogue:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, {release}, --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-at-once, lost-answer]
rollout: {{strategy: rolling, rollback: ends}}
traffic: [{{recording: old.har, client: "1"}}]
"""


def recorded() -> Iterator[Recorded]:
    for subtitle in ("", "and more"):
        name = str(uuid.uuid5(NAMES, subtitle))
        sent = {"title": f"all about {name}", "subtitle": subtitle}
        shown = {"name": name, **sent, "remark": None}
        yield Recorded("PUT", f"/items/{name}", sent, 200, shown)
        yield Recorded("GET", f"/items/{name}", None, 200, shown)
        yield Recorded("GET", f"/items/{name}/label", None, 200, {"label": sent["title"].upper()})
        yield Recorded("GET", f"/items/{name}/summary", None, 500, {"error": "nobody knows how"})
    yield Recorded("GET", "/cellar", None, 403, {"error": "not for you"})


def rehearsed(folder: Path, release: str) -> dict[str, Any]:
    return rehearse(folder, filled(MATRIX, HERE / "catalogue.py", release=release), har("catalogue:8000", recorded()))


@pytest.mark.slow
def test_a_null_left_out_an_empty_text_as_null_and_a_mended_error_are_silent(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "mended")
    assert (verdict["verdict"], told(verdict)) == ("pass", {ERROR})
    tolerated = {(entry["place"], entry["reason"]) for entry in verdict["tolerated"]}
    assert ("catalogue GET /items/{}: /subtitle", "an empty text is told as null") in tolerated


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("bare", {("compatible", "new-version", "GET /items/{}"), ("compatible", "new-version", "PUT /items/{}")}),
        ("removed", {("compatible", "new-version", "GET /items/{}/label")}),
        ("open", {("compatible", "new-version", "GET /cellar")}),
    ],
)
def test_a_value_left_out_a_removed_endpoint_and_an_opened_door_are_found_once(
    release: str, expected: set[tuple[str, str, str]], tmp_path: Path
) -> None:
    verdict = rehearsed(tmp_path, release)
    assert told(verdict) == expected | {ERROR}
    assert len(verdict["causes"]) == 1
