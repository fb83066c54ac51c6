"""A service that makes its own schema, started with several replicas, data to begin with, and the caller's secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.small_matrix import ENTRIES, entry, recording, verifier, write

SECRET = "kept-by-the-caller"
MATRIX = """\
matrix: words
services:
  words:
    port: 8000
    ready: {http: /healthz, within: 20s}
    directory: DIRECTORY
    replicas: 2
    command: [python, schema_service.py, "${stores.db.path}", "${env.WORDS_TOKEN}", --port, "{port}", --folder, FOLDER]
    versions:
      "1": {environment: {RELEASE: "1"}}
      "2": {environment: {RELEASE: "2"}}
stores: {db: {process: sqlite, seed: words.sql}}
rollout: {rollback: none}
traffic:
  - {recording: words.har, client: "1"}
faults: none
budget: 5s
"""
SEED = "CREATE TABLE words (name TEXT PRIMARY KEY, text TEXT); INSERT INTO words VALUES ('first', 'of all');"
LOOK = entry("GET", "/words/first", None, 200, {"name": "first", "text": "of all"}, 4)


@pytest.mark.slow
def test_a_self_migrating_service_with_seeds_and_secrets_passes(tmp_path: Path) -> None:
    """Without the seed, the service makes the table itself, and two replicas would collide."""
    (tmp_path / "words.sql").write_text(SEED)
    environment = os.environ | {"WORDS_TOKEN": SECRET}
    for text, entries in ((MATRIX, [LOOK, *ENTRIES]), (MATRIX.replace(", seed: words.sql", ""), ENTRIES)):
        out = tmp_path / f"run-{len(entries)}"
        matrix = write(tmp_path, text, recording(entries))
        done = verifier("run", matrix, "--runtime", "process", "--out", out, cwd=tmp_path, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        told = [file.read_text(errors="replace") for file in out.rglob("*") if file.is_file()]
        assert not [text for text in told if SECRET in text]
        assert any("started with ${env.WORDS_TOKEN}" in text for text in told)
    missing = verifier("plan", matrix, cwd=tmp_path)
    assert missing.returncode == 2
    assert "words.yaml:8: services.words.command[3]: ${env.WORDS_TOKEN}" in missing.stderr
