"""`verifier doctor` says what is missing, and its status says whether a run can start. Nothing is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.small_matrix import MATRIX, verifier, write

NO_ENGINE = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1"}
OTHER = MATRIX.replace('"FOLDER", ]}', '"FOLDER"], environment: {RELEASE: "2"}}')


def test_a_run_can_start(tmp_path: Path) -> None:
    done = verifier("doctor", write(tmp_path, OTHER), environment=NO_ENGINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ process: words 1 runs python" in done.stdout
    assert "✗ docker: no container engine answers: " in done.stdout
    assert "! words has no contract" in done.stdout
    assert done.stdout.splitlines()[-1] == f"Next: verifier run {tmp_path / 'words.yaml'}"
    assert [file.name for file in tmp_path.iterdir() if file.is_dir()] == []


def test_what_would_make_the_verdict_unknown_is_told(tmp_path: Path) -> None:
    """Old and new are the same."""
    done = verifier("doctor", write(tmp_path, MATRIX), environment=NO_ENGINE)
    assert any(line.startswith("! ") and "words" in line and "same" in line for line in done.stdout.splitlines())


def test_without_a_recording_the_rest_is_looked_at_and_the_way_to_one_is_told(tmp_path: Path) -> None:
    matrix = write(tmp_path, OTHER)
    recording = next(tmp_path.glob("*.har"))
    recording.unlink()
    done = verifier("doctor", matrix, environment=NO_ENGINE)
    assert done.returncode == 2
    assert "words.yaml:" in done.stdout and "there is no file" in done.stdout
    assert "✓ process: words 1 runs python" in done.stdout
    told = f"verifier record --listen 127.0.0.1:9000 --to http://127.0.0.1:8000 --as words --out {recording}"
    assert done.stdout.splitlines()[-1].strip() == told


def test_bad_input_is_listed_with_its_line(tmp_path: Path) -> None:
    done = verifier("doctor", write(tmp_path, MATRIX.replace("port: 8000", "prot: 8000")), environment=NO_ENGINE)
    assert done.returncode == 2
    assert "words.yaml:4: services.words.prot: unknown key" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("command: [no-such-program,", "✗ process: words 1: the program 'no-such-program' is not on this machine"),
        ('image: "words:1", x: [', "unknown key 'x'"),
    ],
)
def test_no_runtime_can_run_it(tmp_path: Path, wrong: str, told: str) -> None:
    done = verifier("doctor", write(tmp_path, OTHER.replace("command: [python,", wrong)), environment=NO_ENGINE)
    assert done.returncode == (2 if "unknown key" in told else 4), done.stdout
    assert told in done.stdout


def test_a_store_that_cannot_start_here_is_told(tmp_path: Path) -> None:
    matrix = OTHER.replace("rollout:", 'stores:\n  db: {image: "postgres:15"}\nrollout:')
    done = verifier("doctor", write(tmp_path, matrix), environment=NO_ENGINE)
    assert done.returncode == 4
    assert "✗ process: store db has no `process`" in done.stdout
    assert "declare `process: postgres` or a command" in done.stdout, "the image tells which"
