"""`verifier run` again: what has not changed is taken from the cache, on real processes."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from small_matrix import HERE, verifier, write

MATRIX = """\
matrix: words
services:
  words:
    port: 8000
    ready: {http: /healthz, within: 20s}
    stop: {grace: 5s}
    versions:
      "1": {directory: v1, command: [python, one_service.py, well, --port, "{port}", --folder, "${stores.kept.path}"]}
      "2": {directory: v2, command: [python, one_service.py, well, --port, "{port}", --folder, "${stores.kept.path}"]}
stores: {kept: {process: directory}}
rollout: {rollback: none}
traffic:
  - {recording: words.har, client: "1"}
faults: none
budget: 5s
"""
CACHED = re.compile(r"^(\S+): \d+ steps taken from the cache", re.MULTILINE)
RAN = re.compile(r"^(\S+): \d+ steps on fresh stores", re.MULTILINE)
OLD = {"control-old-1", "control-old-2"}
NEW = {"control-new", "control-upgrade", "rollout"}


@pytest.mark.slow
def test_only_the_paths_of_a_version_whose_files_were_changed_run_again(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        for file in ("one_service.py", "json_service.py"):
            shutil.copyfile(HERE / file, tmp_path / name / file)
    matrix = write(tmp_path, MATRIX)
    environment = os.environ | {"VERIFIER_CACHE": str(tmp_path / "cache")}

    def run(*options: str) -> tuple[set[str], set[str]]:
        done = verifier("run", matrix, "--runtime", "process", *options, cwd=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        cached = set(CACHED.findall(done.stderr))
        assert (f"notes: {len(cached)} × cached" in done.stdout) == bool(cached)
        return cached, set(RAN.findall(done.stderr))

    assert run() == (set(), OLD | NEW)
    assert run() == (OLD | NEW, set())
    assert run("--seed", "1", "--no-cache") == (set(), OLD | NEW)
    changed = tmp_path / "v2" / "one_service.py"
    changed.write_text(changed.read_text() + "# changed\n")
    assert run() == (OLD, NEW)
