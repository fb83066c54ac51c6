"""A rehearsal through RabbitMQ: a message that old cannot read is dropped only while old and new share the queue."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need
from tests.zoo.rehearsing import Recorded, filled, har, rehearse, told

HERE = Path(__file__).parent
MATRIX = """
matrix: parcels-{release}
services:
  parcels:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}", BROKER_URL: "${{stores.broker.url}}"}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, {release}, --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}, broker: {{process: rabbitmq}}}}
faults: none
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


def client() -> Iterator[Recorded]:
    """Sends a parcel and looks until it is sent."""
    parcel = str(uuid.UUID("8d2f1b60-3c55-4a4b-9f7e-1c0a6b2d9e31"))
    yield Recorded("POST", "/parcels", {"to": "Vilnius"}, 202, {"id": parcel, "state": "queued"})
    for state in ("queued", "sent"):
        yield Recorded("GET", f"/parcels/{parcel}", None, 200, {"id": parcel, "state": state}, pause=0.1)


def rehearsed(folder: Path, release: str) -> dict[str, Any]:
    need("rabbitmq-server")
    return rehearse(folder, filled(MATRIX, HERE / "parcels.py", release=release), har("parcels:8000", client()))


@pytest.mark.slow
def test_a_new_form_that_old_rejects_is_found_in_the_mixture(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "nested")
    assert verdict["verdict"] == "fail"
    assert ("completes", "mixed", "POST /parcels") in told(verdict)
    assert {attribution for _, attribution, _ in told(verdict)} == {"mixed"}
    assert any("rejected" in log.read_text() for log in (tmp_path / "run" / "logs").glob("*parcels-1*"))


@pytest.mark.slow
def test_the_same_version_again_passes(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, '"2"')
    assert (verdict["verdict"], verdict["violations"]) == ("pass", [])
