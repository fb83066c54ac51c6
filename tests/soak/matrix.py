"""The small rollouts of the soak: a safe one, and one whose second release stores what the first cannot read.

Each has replicas, a store file and a store process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RELEASES = {"safe": "2-safe", "unsafe": "2"}
MATRIX = """
matrix: {name}
services:
  notes:
    port: 8000
    ready: /healthz
    replicas: 2
    {directory}
    environment: {{DATABASE_URL: "${{stores.db.url}}", CACHE_URL: "${{stores.cache.url}}"}}
    versions:
      "1": {{{image}command: [python, notes.py, "1", --port, "{{port}}"]}}
      "2": {{{image}command: [python, notes.py, "{release}", --port, "{{port}}"]}}
stores:
  db: {{process: sqlite}}
  cache: {{process: redis}}
faults: []
rollout: {{strategy: rolling, rollback: none}}
traffic:
  - {{recording: {recording}, client: "1"}}
"""


def write(folder: Path, name: str, kind: str) -> Path:
    """The matrix of a kind of RELEASES, as a file. `name` is how the ids of its runs begin."""
    file = folder / "matrix.yaml"
    text = MATRIX.format(
        name=name,
        directory=f"directory: {ROOT / 'tests/zoo/notes'}",
        image="",
        release=RELEASES[kind],
        recording=ROOT / "matrices/recordings/notes.har",
    )
    file.write_text(text, encoding="utf-8")
    return file


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: the exit status, and the violations that failed it, as guarantee and attribution."""

    status: int
    violations: frozenset[tuple[str, str]]
    verdict: str


def ended(status: int, out: Path) -> Ended:
    file = out / "verdict.json"
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    failing = frozenset(
        (str(one["guarantee"]), str(one["attribution"]))
        for one in found.get("violations", ())
        if one["attribution"] != "pre-existing"
    )
    return Ended(status, failing, str(found.get("verdict", "")))
