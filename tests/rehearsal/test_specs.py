"""What a matrix lacks for a runtime, whatever the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.matrix.parse import parse
from verifier.rehearsal.specs import unfit
from verifier.runtime.stores.registered import PROCESS_STORES

MATRIX = """
matrix: shop
services:
  orders:
    port: 8080
    versions:
      "1": {{image: "orders:1", command: [run, "{{port}}"]}}
      "2": {{{second}}}
stores: {{db: {{{store}}}}}
traffic: [{{recording: old.har}}]
"""


@pytest.mark.parametrize(
    ("second", "store", "expected"),
    [
        ('image: "orders:2", command: [run, "{port}"]', 'image: "postgres:15", process: postgres', {}),
        ('build: {context: "."}', 'image: "postgres:15"', {}),
        ('command: [run, "{port}"]', 'image: "postgres:15"', {"docker": "orders 2 has no image"}),
        ('image: "orders:2"', "process: sqlite", {"docker": "store db has no image"}),
    ],
)
def test_containers_need_an_image_of_every_version_and_store(
    second: str, store: str, expected: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    (tmp_path / "old.har").write_text('{"log": {"entries": []}}', encoding="utf-8")
    file = tmp_path / "shop.yaml"
    file.write_text(MATRIX.format(second=second, store=store), encoding="utf-8")
    assert unfit(parse(file, PROCESS_STORES)) == expected
