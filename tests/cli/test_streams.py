"""Output that nobody reads, and streams that are closed, change neither what a command does nor its status."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.small_matrix import MATRIX, VERIFIER, write


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path)


def status(command: str) -> int:
    return subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, timeout=240).returncode


@pytest.mark.parametrize("streams", ["2>&1 | true", ">&-", "<&- >&- 2>&-"])
def test_plan_ends_as_if_somebody_read_it(streams: str, good: Path, tmp_path: Path) -> None:
    assert status(f"{VERIFIER} plan {good} {streams}") == 0
    assert status(f"{VERIFIER} plan {tmp_path}/missing.yaml {streams}") == 2


def test_what_is_closed_is_not_the_next_file_that_is_opened(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy.har"
    assert status(f"{VERIFIER} redact {tmp_path}/words.har --out {out} >&- 2>&-") == 0
    assert set(json.loads(out.read_text())) == {"log"}


@pytest.mark.slow
def test_a_run_that_nobody_follows_any_more_gets_its_verdict(tmp_path: Path) -> None:
    """Its output is a closed pipe, and whoever read its events has gone after the first one."""
    os.mkfifo(tmp_path / "events")
    file = write(tmp_path, MATRIX.replace("budget: 5s", "budget: 2s"))
    run = f"{VERIFIER} run {file} --runtime process --out {tmp_path}/run --events {tmp_path}/events --no-cache"
    assert status(f"head -1 {tmp_path}/events > {tmp_path}/first & {run} 2>&1 | true") in (0, 3)
    assert json.loads((tmp_path / "first").read_text())["event"] == "run-began"
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["verdict"] in ("pass", "unknown"), verdict["unknowns"]
