"""Workers: services without a port. Nobody sends them requests; they are watched and told as those who were there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_matrix import HERE, MATRIX, verifier, write

WORKER = """\
  worker:
    kind: worker
    ready: {log: is up}
    directory: DIRECTORY
    versions: VERSIONS
rollout:"""
NEW = 'well, --port, "{port}", --folder, "FOLDER", ]'
SERVED = MATRIX.replace(NEW, 'well, --port, "{port}", --folder, "FOLDER"], environment: {RELEASE: "2"}')


def matrix(folder: Path, versions: dict[str, str]) -> Path:
    """The small matrix with a worker; `versions` says how each version of it is."""
    commands = {name: {"command": ["python", "idle_worker.py", way, "FOLDER"]} for name, way in versions.items()}
    worker = WORKER.replace("VERSIONS", json.dumps(commands))
    return write(folder, SERVED.replace("rollout:", worker))


def run(matrix: Path, out: Path) -> tuple[int, dict[str, Any], str]:
    done = verifier("run", matrix, "--runtime", "process", "--out", out, cwd=matrix.parent)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads((out / "verdict.json").read_text()), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("versions", [{"1": "well"}, {"1": "well", "2": "well"}])
def test_a_worker_without_traffic_passes(tmp_path: Path, versions: dict[str, str]) -> None:
    if len(versions) == 2:  # equal versions are no rollout
        file = matrix(tmp_path, versions)
        second = f'"2": {{"command": ["python", "idle_worker.py", "well", "{tmp_path}/kept"]'
        text = file.read_text()
        assert second in text
        file.write_text(text.replace(second, f'{second}, "environment": {{"RELEASE": "2"}}'))
    else:
        file = matrix(tmp_path, versions)
    status, _, shown = run(file, tmp_path / "run")
    assert status == 0, shown
    assert "worker 1×1" in shown


@pytest.mark.slow
def test_a_worker_that_dies_is_found_though_everything_is_answered(tmp_path: Path) -> None:
    status, verdict, shown = run(matrix(tmp_path, {"1": "well", "2": "dies"}), tmp_path / "run")
    assert status == 1, shown
    found = [(entry["guarantee"], entry["attribution"], entry["service"]) for entry in verdict["violations"]]
    assert ("available", "new-version", "worker") in found


def test_the_folder_of_the_commands_is_there() -> None:
    assert (HERE / "idle_worker.py").is_file()
