"""Nothing outlives a run: the real command is killed and interrupted in the middle of a rollout, on both runtimes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from verifier.runtime import cleanup
from verifier.runtime.leftovers import Leftover

ROOT = Path(__file__).resolve().parents[1]
VERIFIER = str(Path(sys.executable).with_name("verifier"))
pytestmark = pytest.mark.slow
BOUND = 180.0  # seconds; how long is never what is tested
CASES = [("notes-safe", "process"), pytest.param("checkout", "docker", marks=pytest.mark.docker)]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@dataclass
class Running:
    """A verifier under way. `matrix` is how the ids of its runs begin."""

    matrix: str
    process: subprocess.Popen[bytes]
    out: Path
    told: Path

    def run_id(self) -> str:
        """By the mark of whatever this very verifier has started."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if found := re.search(rf"{re.escape(self.matrix)}-[0-9a-f]{{8}}", " ".join(child.cmdline())):
                    return found.group()
        return ""

    def left(self, run: str) -> list[Leftover]:
        found, _ = cleanup.find()
        return [item for item in found if item.run == run]

    def ended(self, status: int) -> str:
        """What it told, once it has ended with that status."""
        assert self.process.wait(timeout=BOUND) == status, self.told.read_text()
        return self.told.read_text()

    def until_it_replays(self) -> None:
        """Replicas have served: the first step has been told as done."""

        def begun() -> bool:
            assert self.process.poll() is None, self.told.read_text()
            return "[1/" in self.told.read_text()

        until(begun, "the first step does not end")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[str, str, str], Running]]:
    """Starts commands in sessions of their own. One that a failing test leaves is killed: the watcher cleans up."""
    begun: list[Running] = []

    def start(matrix: str, runtime: str, name: str) -> Running:
        told, out = tmp_path / f"{name}.txt", tmp_path / name
        command = [VERIFIER, "run", f"matrices/{matrix}.yaml", "--runtime", runtime, "--out", str(out)]
        with told.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
            )
        begun.append(Running(matrix, process, out, told))
        return begun[-1]

    yield start
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.mark.parametrize(("matrix", "runtime"), CASES)
def test_a_run_that_is_killed_or_interrupted_leaves_nothing(
    matrix: str, runtime: str, running: Callable[[str, str, str], Running]
) -> None:
    """Two runs at the same time: SIGKILL for one verifier, Ctrl-C for the other one."""
    killed, interrupted = running(matrix, runtime, "killed"), running(matrix, runtime, "interrupted")
    names = {}
    for run in (killed, interrupted):
        run.until_it_replays()
        names[run.out] = run.run_id()
        kinds = {item.kind for item in run.left(names[run.out])}
        assert kinds >= ({"container", "network"} if runtime == "docker" else {"process", "folder"})

    killed.process.kill()
    assert killed.process.wait(timeout=BOUND) == -signal.SIGKILL
    assert interrupted.left(names[interrupted.out]), "the other run goes on"
    os.killpg(interrupted.process.pid, signal.SIGINT)
    told = interrupted.ended(130)
    assert interrupted.left(names[interrupted.out]) == [], "all of it is removed before the command ends"
    assert "interrupted" in told
    assert "Traceback" not in told

    left = names[killed.out]
    until(lambda: not killed.left(left), f"of {left} is left: {killed.left(left)}")
    assert not (killed.out / "verdict.json").exists()
    assert '"verdict": "unknown"' in (interrupted.out / "verdict.json").read_text()
    for run in (killed, interrupted):
        again = subprocess.run([VERIFIER, "judge", run.out], capture_output=True, text=True, timeout=BOUND, check=False)
        assert again.returncode == 3, again.stdout
        judged = json.loads((run.out / "verdict.json").read_text())
        added = [entry for entry in judged["violations"] if entry["attribution"] != "pre-existing"]
        assert added == [], "judged as far as it came, and the matrix is safe"
