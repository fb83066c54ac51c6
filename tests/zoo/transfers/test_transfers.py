"""An invariant over the store finds what no response tells of, and is silent where data is only on its way."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, news, rehearse

HERE = Path(__file__).parent
NAMES = uuid.UUID("0f0c2b1e-6d52-4c59-9a2b-6a1c7d1b7f10")
MATRIX = """
matrix: transfers-{release}
services:
  transfers:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, {release}, --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-after]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har, client: "1"}}]
invariants:
  transferred-once:
    on: db
    sql: SELECT reference, count(*) AS times FROM transfers GROUP BY reference HAVING count(*) > 1
    says: the money left the account twice
  all-booked: {{on: db, sql: SELECT reference FROM transfers WHERE booked = 0}}
  references-come-back:
    sql: >
      SELECT step, id AS operation FROM operations WHERE method = 'POST' AND status = 200
      AND request_body->>'$.reference' <> response_body->>'$.reference'
"""


def recorded() -> Iterator[Recorded]:
    for number in range(2):
        reference = str(uuid.uuid5(NAMES, str(number)))
        yield Recorded("POST", "/transfers", {"reference": reference, "amount": 5}, 200, {"reference": reference})
        yield Recorded("GET", f"/transfers/{reference}", None, 200, {"reference": reference, "amount": 5})


def rehearsed(folder: Path, release: str) -> dict[str, Any]:
    matrix = filled(MATRIX, HERE / "transfers.py", release=release)
    return rehearse(folder, matrix, har("transfers:8000", recorded()))


@pytest.mark.slow
def test_a_transfer_that_both_releases_make_is_found_in_the_store(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "rekeyed")
    assert verdict["verdict"] == "fail"
    (found,) = news(verdict)
    assert (found["guarantee"], found["attribution"], found["operation"]) == ("invariant", "mixed", "POST /transfers")
    assert found["message"].startswith('transferred-once returned {"reference": ')
    assert found["experience"] == "the money left the account twice"
    assert [entry["version"] for entry in found["evidence"]] in (["1", "2"], ["2", "1"])
    assert found["confirmed"] is True


@pytest.mark.slow
def test_the_same_code_is_silent_also_while_transfers_are_not_yet_booked(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "same")
    assert (verdict["verdict"], news(verdict)) == ("pass", [])
