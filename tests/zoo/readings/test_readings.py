"""With nothing declared: releases that lose or double what was acknowledged, and one that only looks different."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse, told

HERE = Path(__file__).parent
NAMES = uuid.UUID("6a1f2c57-93d4-4b8e-a0c6-5e7d18f92b34")
MATRIX = """
matrix: office-{release}
services:
  office:
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
faults: [duplicate-at-once, lost-answer]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


def recorded() -> Iterator[Recorded]:
    customer, bill, price, payment, key = (str(uuid.uuid5(NAMES, name)) for name in "cbpik")
    for email in ("one@example.org", "two@example.org"):
        shown: dict[str, Any] = {"name": customer, "email": email}
        yield Recorded("PUT", f"/customers/{customer}", {"email": email}, 200, shown)
        yield Recorded("GET", f"/customers/{customer}", None, 200, shown)
    for method, path, amount, note in (("POST", "/bills", 40.25, "late"), ("PUT", f"/bills/{bill}", 20, "")):
        shown = {"id": bill, "amount": amount, "note": note or None}
        yield Recorded(method, path, {"amount": amount, "note": note}, 201 if method == "POST" else 200, shown)
        yield Recorded("GET", f"/bills/{bill}", None, 200, shown)
        yield Recorded("GET", f"/bills/{bill}", None, 200, shown)
    for value in ("1.10", "2.20"):
        yield Recorded("PUT", f"/prices/{price}", {"price": value}, 200, {"name": price})
        yield Recorded("GET", f"/prices/{price}", None, 200, {"name": price, "price": value})
    yield Recorded("GET", "/load", None, 200, {"active": 3})
    yield Recorded("POST", "/payments", {}, 201, {"id": payment}, headers={"Idempotency-Key": key})


def rehearsed(folder: Path, release: str) -> dict[str, Any]:
    return rehearse(folder, filled(MATRIX, HERE / "office.py", release=release), har("office:8000", recorded()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("split", ("no lost write", "mixed", "GET /customers/{}")),
        ("cents", ("no lost write", "mixed", "GET /bills/{}")),
        ("lock", ("idempotent", "mixed", "POST /payments")),
    ],
)
def test_what_was_acknowledged_is_compared(tmp_path: Path, release: str, expected: tuple[str, str, str]) -> None:
    found = told(rehearsed(tmp_path, release))
    assert expected in found
    assert {operation for _, _, operation in found} == {expected[2]}


@pytest.mark.slow
def test_gauges_lag_and_renderings_are_tolerated_and_listed(tmp_path: Path) -> None:
    """Two replicas that believe a price for a while, a gauge, 20.0 for 20, and an empty text for null."""
    verdict = rehearsed(tmp_path, "kind")
    assert verdict["violations"] == []
    assert verdict["verdict"] == "pass"
    assert any("/note" in entry["place"] for entry in verdict["tolerated"])
