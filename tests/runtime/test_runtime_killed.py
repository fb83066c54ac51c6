"""Nothing outlives a run, however its verifier ends. Real verifier processes are killed, on both runtimes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from verifier.cli.clean import clean
from verifier.runtime import cleanup
from verifier.runtime.base import Address
from verifier.runtime.leftovers import Leftover

OPEN_RUNTIME = Path(__file__).with_name("open_runtime.py")
BOUND = 90.0


def until_ended(process: psutil.Process) -> None:
    """Wait for the end of another process's child, which stays as a zombie until that process looks at it."""
    deadline = time.monotonic() + BOUND
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"{process} still runs"
            time.sleep(0.02)


@dataclass(slots=True)
class VerifierProcess:
    run: str
    process: subprocess.Popen[str]
    watcher: psutil.Process | None = None

    def reach(self, stage: str) -> None:
        """Wait until it says so, and find its watcher."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == stage:
                break
        else:
            pytest.fail(f"{self.run} ended with {self.process.wait()} before it was {stage}")
        if self.watcher is None:
            children = psutil.Process(self.process.pid).children()
            (self.watcher,) = [child for child in children if "verifier.runtime.watcher" in child.cmdline()]

    def left(self) -> list[Leftover]:
        found, _ = cleanup.find()
        return [item for item in found if item.run == self.run]

    def kinds(self) -> set[str]:
        return {item.kind for item in self.left()}

    def assert_cleaned(self) -> None:
        """Once the watcher has ended, which is the moment it promises, nothing is left."""
        assert self.watcher is not None
        self.process.wait(timeout=BOUND)
        until_ended(self.watcher)
        assert self.left() == []


@pytest.fixture
def victims(world: Any) -> Iterator[Any]:
    """Starts verifiers to be killed; what a failing test leaves is removed by hand."""
    started: list[VerifierProcess] = []

    def start(suffix: str) -> VerifierProcess:
        run, directory = f"{world.run_id}-{suffix}", world.directory / suffix
        directory.mkdir()
        command = [sys.executable, str(OPEN_RUNTIME), world.name, run, str(directory), world.image or "none"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        child = VerifierProcess(run, process)
        started.append(child)
        return child

    yield start
    for child in started:
        if child.process.poll() is None:
            child.process.kill()
            child.process.wait()
        if child.process.stdout is not None:
            child.process.stdout.close()
        if child.left():
            cleanup.clean([child.run])


def test_a_killed_verifier_leaves_nothing(world: Any, victims: Any) -> None:
    """At once in several ways: killed when all runs, killed in the midst of starting, interrupted twice."""

    async def scenario() -> None:
        async with world.opened() as runtime:  # another run, whose verifier lives
            bystander = await runtime.start(world.replica("bystander"))
            assert isinstance(bystander, Address)
            await asyncio.to_thread(kill_them)
            assert await runtime.exited("bystander") is None
            reader, writer = await asyncio.open_connection(bystander.host, bystander.port)
            writer.close()
            await writer.wait_closed()
            assert reader is not None

    def kill_them() -> None:
        starting = [victims(f"starting-{number}") for number in range(2)]
        killed, interrupted = victims("killed"), victims("interrupted")
        for number, child in enumerate(starting):
            child.reach("opened")
            time.sleep(0.15 * number)  # another moment of starting for each: none may matter
            child.process.kill()
        thing = "container" if world.name == "docker" else "process"
        for child in (killed, interrupted):
            child.reach("started")
            count = len([item for item in child.left() if item.kind == thing])
            # Three replicas and a store; locally also a child of each replica.
            assert count >= (4 if thing == "container" else 7)
        killed.process.send_signal(signal.SIGKILL)
        interrupted.process.send_signal(signal.SIGINT)
        interrupted.process.send_signal(signal.SIGINT)
        assert killed.watcher is not None
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if killed.watcher.is_running():
                killed.watcher.send_signal(ignored)
        for child in (*starting, killed, interrupted):
            child.assert_cleaned()

    asyncio.run(scenario())


def test_clean_removes_what_a_killed_run_and_its_watcher_left(world: Any, victims: Any) -> None:
    gone, alive = victims("gone"), victims("alive")
    for child in (gone, alive):
        child.reach("started")
    assert gone.watcher is not None
    gone.watcher.kill()
    until_ended(gone.watcher)
    gone.process.kill()
    gone.process.wait(timeout=BOUND)
    expected = {"container", "network"} if world.name == "docker" else {"process", "folder"}
    assert gone.kinds() == expected

    result = CliRunner().invoke(clean, [])
    assert result.exit_code == 0, result.output
    assert gone.left() == []
    for kind in expected:
        assert f"{gone.run}: removed {kind}" in result.output
    assert f"{alive.run}: skipped, its verifier is still running" in result.output
    assert alive.kinds() == expected

    result = CliRunner().invoke(clean, [alive.run])
    assert result.exit_code == 0, result.output
    assert f"{alive.run}: removed" in result.output
    assert alive.left() == []
    assert "nothing to remove" in CliRunner().invoke(clean, [alive.run]).output


def test_clean_works_without_an_engine(process_world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    result = CliRunner().invoke(clean, ["no-such-run"])
    assert result.exit_code == 0
    assert "no container engine was searched" in result.output
    assert "nothing to remove" in result.output
