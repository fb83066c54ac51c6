"""The next page is asked for with what the page before told: another release may tell it in a way that old takes
for the first page. Nothing is declared, and the name of the shelf is the client's own, which only paths carry.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, news, rehearse

HERE = Path(__file__).parent
NAMES = uuid.UUID("6a0f0b0e-58a5-4d5e-9d7c-5b1d6f0a3c11")
MATRIX = """
matrix: pages
services:
  pages:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {service}, {old}, --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, "2", --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
faults: [lost-answer]
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har, client: "1"}}]
"""


def recorded() -> Iterator[Recorded]:
    for shelf in ("poems", "plays"):
        books = f"/shelves/{shelf}-{uuid.uuid5(NAMES, shelf)}/books"
        titles = [f"part {number}" for number in range(5)]
        for title in titles:
            yield Recorded("POST", books, {"title": title}, 201, {"title": title})
        yield Recorded("GET", books, None, 200, {"books": titles[:3], "next": "bzoz"})
        yield Recorded("GET", f"{books}?cursor=bzoz", None, 200, {"books": titles[3:], "next": None})


@pytest.mark.slow
@pytest.mark.parametrize(("old", "expected"), [("1", {"mixed"}), ("prepared", set())])
def test_a_position_that_old_does_not_understand_is_found_and_one_that_it_does_is_not(
    old: str, expected: set[str], tmp_path: Path
) -> None:
    matrix = filled(MATRIX, HERE / "pages.py", old=f'"{old}"')
    verdict = rehearse(tmp_path, matrix, har("pages:8000", recorded()))
    assert {entry["attribution"] for entry in news(verdict)} == expected, verdict["violations"]
