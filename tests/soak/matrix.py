"""The small rollouts of the soak, and how a run of one ended.

As processes: a safe one, and one whose second release stores what the first cannot read; each has a store file and a
store process. In containers: a safe one, whose service needs nothing but Python, with a store beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.zoo.rehearsing import Recorded, har

ROOT = Path(__file__).resolve().parents[2]
RELEASES = {"process": {"safe": "2-safe", "unsafe": "2"}, "docker": {"safe": "2"}}
PROCESSES = """
matrix: {name}
services:
  notes:
    port: 8000
    ready: /healthz
    replicas: 2
    directory: {root}/tests/zoo/notes
    environment: {{DATABASE_URL: "${{stores.db.url}}", CACHE_URL: "${{stores.cache.url}}"}}
    versions:
      "1": {{command: [python, notes.py, "1", --port, "{{port}}"]}}
      "2": {{command: [python, notes.py, "{release}", --port, "{{port}}"]}}
stores:
  db: {{process: sqlite}}
  cache: {{process: redis}}
faults: []
rollout: {{strategy: rolling, rollback: none}}
traffic:
  - {{recording: {root}/matrices/recordings/notes.har, client: "1"}}
"""
CONTAINERS = """
matrix: {name}
services:
  words:
    port: 8000
    ready: /words/ready
    replicas: 2
    environment: {{CACHE_URL: "${{stores.cache.url}}"}}
    versions:
      "1": {{image: "python:3.11-slim", command: [python, -c, {program}, "1", --port, "{{port}}"]}}
      "2": {{image: "python:3.11-slim", command: [python, -c, {program}, "{release}", --port, "{{port}}"]}}
stores:
  cache: {{image: "postgres:15"}}
faults: []
rollout: {{strategy: rolling, rollback: none}}
traffic:
  - {{recording: words.har, client: "1"}}
"""


def write(folder: Path, name: str, kind: str, runtime: str) -> Path:
    """The matrix of a kind of RELEASES, as a file. `name` is how the ids of its runs begin."""
    program = json.dumps((ROOT / "tests/soak/lengths.py").read_text(encoding="utf-8"))
    text = (PROCESSES if runtime == "process" else CONTAINERS).format(
        name=name, root=ROOT, release=RELEASES[runtime][kind], program=program
    )
    asked = [Recorded("GET", f"/words/{word}", None, 200, {"name": word, "length": len(word)}) for word in ("a", "bc")]
    (folder / "words.har").write_text(json.dumps(har("words:8000", asked)), encoding="utf-8")
    file = folder / "matrix.yaml"
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
