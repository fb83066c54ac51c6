"""Four releases: none can be skipped, and the last one cannot be rolled back. The matrix names all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_matrix import verifier
from tests.zoo.rehearsing import Recorded, filled, har

MATRIX = """
matrix: labels
services:
  labels:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, "2", --port, "{{port}}"]}}
      "3": {{command: [{python}, {service}, "3", --port, "{{port}}"]}}
      "4":
        command: [{python}, {service}, "4", --port, "{{port}}"]
        migrate:
          expand: [{python}, {service}, "4", --migrate, expand]
          undo: [{python}, {service}, "4", --migrate, undo]
stores: {{db: {{process: sqlite}}}}
faults: none
pairs: [["1", "2"], ["2", "3"], ["1", "3"], ["3", "4"]]
replay: {{live: {{sessions: 1, rate: 20}}}}
traffic: [{{recording: old.har}}]
"""


@pytest.mark.slow
def test_the_matrix_of_four_releases(tmp_path: Path) -> None:
    shown = {"name": "4f1a5cf0", "colour": "red"}
    recorded = [
        Recorded("PUT", "/labels/4f1a5cf0", {"colour": "red"}, 200, shown),
        Recorded("GET", "/labels/4f1a5cf0", None, 200, shown),
    ]
    service = Path(__file__).with_name("labels.py")
    (tmp_path / "matrix.yaml").write_text(filled(MATRIX, service), encoding="utf-8")
    (tmp_path / "old.har").write_text(json.dumps(har("labels:8000", recorded)), encoding="utf-8")
    done = verifier("run", "matrix.yaml", "--runtime", "process", "--out", "run", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads((tmp_path / "run" / "compatibility.json").read_text(encoding="utf-8"))
    cells: dict[tuple[str, str], dict[str, Any]] = {(cell["from"], cell["to"]): cell for cell in found["cells"]}
    assert {names: cell["verdict"] for names, cell in cells.items()} == {
        ("1", "2"): "pass",
        ("2", "1"): "pass",
        ("2", "3"): "pass",
        ("3", "2"): "pass",
        ("1", "3"): "fail",
        ("3", "1"): "fail",
        ("3", "4"): "pass",
        ("4", "3"): "fail",
        **dict.fromkeys([("1", "4"), ("4", "1"), ("2", "4"), ("4", "2")], "not run"),
    }, done.stdout
    assert (cells["1", "3"]["attribution"], cells["1", "3"]["reachable_through"]) == ("mixed", [["2"]])
    assert cells["1", "4"]["reachable_through"] == [["2", "3"]]
    assert cells["2", "4"]["reachable_through"] == [["3"]]
    assert cells["4", "3"]["attribution"] == "rollback"
    assert {names for names, cell in cells.items() if cell["basis"] == "unknown"} == {
        names for names, cell in cells.items() if cell["verdict"] == "not run"
    }
    assert "1 → 3 forward: fail · mixed · only via 2" in done.stdout
    assert "4 → 3 back: fail · rollback" in done.stdout
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for cell in cells.values():
        if not cell["link"]:
            continue
        assert f'href="{cell["link"]}"' in page
        file, _, anchor = cell["link"].partition("#")
        told = (tmp_path / "run" / file).read_text(encoding="utf-8")
        assert f'id="{anchor}"' in told or not anchor
    planned = verifier("plan", "matrix.yaml", "--all-pairs", cwd=tmp_path)
    assert planned.stdout.count("pair ") == 6, "each upgrade to a later release"
