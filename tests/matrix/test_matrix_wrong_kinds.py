"""Whatever stands in the place of any value of a matrix, the message shows the file and nothing from inside."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_matrix import write
from verifier.errors import BadInput
from verifier.located import load, walk
from verifier.matrix.parse import parse
from verifier.runtime.stores.registered import PROCESS_STORES

MATRIX = """
matrix: words
services:
  words:
    kind: web
    port: 8000
    replicas: 2
    ready: {http: /healthz, within: 20s}
    stop: {signal: SIGTERM, grace: 5s, drain: 1s, late-removal: 1s, wait: 0s}
    directory: .
    environment: {A: b}
    versions:
      "1": {command: [python, a.py], migrate: {expand: [a], migrate: [b], contract: [c]}}
      "2": {image: "a:2", migrate: {undo: [d]}, build: {context: ., args: {A: "1"}}, command: python a.py}
  other: {port: 1, after: [words], versions: {"1": {image: a}}}
stores:
  db: {image: "postgres:15", process: postgres, environment: {A: b}, port: 5432, ready: tcp}
partners:
  psp: {delay: 0s}
rollout:
  strategy: canary
  canary: {steps: [10%, 50%]}
  order: any
  rollback: ends
  cover: states
  paths: 6
traffic:
  - recording: words.har
    client: "1"
    service: words
    session-header: X-Session
    include: ["/words*"]
    exclude: ["GET /static/*"]
    rules:
      flows: [{from: "$response.body#/id", to: "$request.path.id"}]
      keep: [EUR]
      fresh: ["$request.body#/email"]
      computed: [{header: X-Sig, sha256-hmac: body, key: {env: HOME}, for: ["POST /hooks/*"]}]
    credentials: {redacted-0123abcd: {env: HOME}}
faults: [reset]
budget: 300s
try: [contract-early]
pairs: [["1", "2"]]
replay:
  pace: fast
  concurrency: 8
  strength: 2
  timeout: 15s
  retry: {attempts: 6, wait: 0s, statuses: [500]}
  live: {sessions: 2, rate: 100}
"""
ROLLING = MATRIX.replace("strategy: canary", "strategy: rolling").replace(
    "canary: {steps: [10%, 50%]}", "rolling: {maxSurge: 1, maxUnavailable: 25%}"
)
LIST, MAPPING = [["nested", {"deep": [1]}]], {"nested": {"deep": [1]}}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its key there."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    (tmp_path / "Dockerfile").touch()
    return tmp_path


@pytest.mark.parametrize("text", [MATRIX, ROLLING])
def test_the_matrix_itself_is_good(text: str, folder: Path) -> None:
    file = folder / "whole.yaml"
    file.write_text(text)
    parse(file, PROCESS_STORES)


@pytest.mark.parametrize(
    ("text", "wrong"), [(MATRIX, LIST), (ROLLING, LIST), (MATRIX, MAPPING), (ROLLING, MAPPING), (MATRIX, None)]
)
def test_a_message_shows_nothing_from_inside(text: str, wrong: Any, folder: Path) -> None:
    (folder / "whole.yaml").write_text(text)
    whole = load(folder / "whole.yaml").plain()
    file, refused = folder / "wrong.yaml", 0
    for number in range(len(list(places(whole)))):
        changed = copy.deepcopy(whole)
        holder, key = list(places(changed))[number]
        holder[key] = wrong
        file.write_text(json.dumps(changed))
        try:
            parse(file, PROCESS_STORES)
        except BadInput as bad:
            refused += 1
            assert "Located" not in str(bad), str(bad)
            assert all(problem.line for problem in bad.problems), str(bad)
    assert refused > 10, "most are refused"


def test_a_located_value_shows_itself_as_its_value(folder: Path) -> None:
    (folder / "nested.yaml").write_text("a: [[1, {b: c}]]")
    root = load(folder / "nested.yaml")
    assert repr(root) == repr(root.plain()) == "{'a': [[1, {'b': 'c'}]]}"
    assert len(list(walk(root))) == 6
