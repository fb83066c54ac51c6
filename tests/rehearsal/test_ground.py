"""What a run stands on: once it is gone, the run ends with status 4, and nothing that failed is the deployment's."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.rehearsal.fake_runtime import FakeRuntime
from tests.zoo.handover.test_letters import HERE, recorded
from tests.zoo.rehearsing import filled, har
from verifier.errors import BrokenEnvironment, shortage
from verifier.http.message import Response
from verifier.http.server import serve
from verifier.rehearsal import ground, machine
from verifier.rehearsal.ground import Ground

VERIFIER = Path(sys.executable).with_name("verifier")
MATRIX = """
matrix: letters
services:
  letters:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}", HOOK_URL: "http://hook:9090"}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, "2", --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}, spare: {{process: postgres}}}}
partners: {{hook: {{}}}}
faults: none
rollout: {{strategy: rolling, rollback: none}}
traffic: [{{recording: old.har}}]
"""


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "no space"), (errno.EMFILE, "open more files"), (errno.EADDRNOTAVAIL, "local port")],
)
def test_a_shortage_is_named_and_anything_else_is_none(number: int, said: str) -> None:
    assert said in shortage(OSError(number, os.strerror(number)))
    assert shortage(OSError(errno.ECONNREFUSED, "refused")) == ""
    assert shortage(ValueError()) == ""
    assert "memory" in shortage(MemoryError())
    assert "threads" in shortage(RuntimeError("can't start new thread"))
    assert shortage(RuntimeError("anything else")) == ""
    assert shortage(FileNotFoundError(errno.ENOENT, "No such file", "x")) == ""


def test_no_folder_for_temporary_files_is_a_shortage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python says no more than that, also where the disk is full or no more files may be opened."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "missing")])
    with pytest.raises(FileNotFoundError) as raised:
        tempfile.gettempdir()
    assert shortage(raised.value) == "no folder for temporary files can be written"


def of(tmp_path: Path, **runtime: str) -> tuple[Ground, FakeRuntime]:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "run.json").write_text("{}")
    fake = FakeRuntime(**runtime)  # type: ignore[arg-type]
    found = Ground(fake, tmp_path)
    found.step = "rollout.2"
    return found, fake


def test_what_runs_is_cancelled_when_a_store_is_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        found, fake = of(tmp_path)
        cancelled = asyncio.Event()

        async def work() -> None:
            fake.lost("store db exited with status 1\nits log")
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        with pytest.raises(BrokenEnvironment, match=r"^store db exited with status 1, in rollout\.2\nits log$"):
            await found.while_it_holds(work())
        assert cancelled.is_set()

    asyncio.run(scenario())


@pytest.mark.parametrize(("unanswering", "said"), [("db", "does not answer"), ("", "it failed by itself")])
def test_a_failure_is_laid_to_what_is_gone_and_else_to_itself(unanswering: str, said: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        found, _ = of(tmp_path, unanswering=unanswering)

        async def work() -> None:
            raise BrokenEnvironment("it failed by itself")

        with pytest.raises(BrokenEnvironment, match=said):
            await found.while_it_holds(work())

    asyncio.run(scenario())


def test_a_refused_connection_is_the_services_and_one_without_a_free_port_is_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        found, _ = of(tmp_path)
        found.not_connected(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
        await found.while_it_holds(asyncio.sleep(0))
        found.not_connected(OSError(errno.EADDRNOTAVAIL, "none"))
        with pytest.raises(BrokenEnvironment, match="no free local port left"):
            await found.while_it_holds(asyncio.sleep(0))

    asyncio.run(scenario())


def test_a_full_disk_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found, _ = of(tmp_path)
        await found.check()
        monkeypatch.setattr(ground, "LEAST_SPACE", 1 << 62)
        with pytest.raises(BrokenEnvironment, match="no space is left"):
            await found.check()

    asyncio.run(scenario())


def test_a_disk_that_fills_up_ends_the_step_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found, _ = of(tmp_path)
        await found.check()
        asyncio.get_running_loop().call_later(0.05, monkeypatch.setattr, ground, "LEAST_SPACE", 1 << 62)
        with pytest.raises(BrokenEnvironment, match="no space is left"):
            await asyncio.wait_for(found.while_it_holds(asyncio.sleep(3600)), 5 * ground.PERIOD)

    asyncio.run(scenario())


def test_connections_for_which_there_are_no_handles_end_the_run_although_the_loop_says_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def scenario() -> None:
        found, _ = of(tmp_path)
        await found.check()
        left = machine.handles_left()
        assert left is not None and left > 100
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - left + ground.LEAST_HANDLES // 2, before[1]))
        with pytest.raises(BrokenEnvironment, match=r"may not open more files .*: \d more are left"):
            await asyncio.wait_for(found.while_it_holds(asyncio.sleep(3600)), 5 * ground.PERIOD)

    try:
        asyncio.run(scenario())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_that_is_killed_for_memory_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found, _ = of(tmp_path)
        await found.check()
        monkeypatch.setattr(ground, "killed_for_memory", lambda: 1 << 40)
        with pytest.raises(BrokenEnvironment, match="no memory is left: the system has killed a process"):
            await found.check()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("own", "file", "counts", "killed"),
    [
        ("0::/a/b", "a/b/memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("3:cpu:/\n5:memory:/", "memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", 7),
        ("0::/a", "b/memory.events", "oom_kill 2\n", 0),
        ("0::/a", "a/memory.events", "nonsense\n", 0),
        ("nonsense", "a/memory.events", "oom_kill 2\n", 0),
    ],
)
def test_kills_for_memory_are_counted_by_the_control_group(
    own: str, file: str, counts: str, killed: int, tmp_path: Path
) -> None:
    (tmp_path / "own").write_text(own)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(counts)
    assert machine.killed_for_memory(tmp_path / "own", tmp_path) == killed


def test_a_listener_that_finds_no_port_at_all_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(port: int) -> None:
        async def none(*_: object, **__: object) -> asyncio.Server:
            raise OSError(errno.EADDRINUSE, "in use")

        monkeypatch.setattr(asyncio.get_running_loop(), "create_server", none, raising=False)
        await serve(handler, "127.0.0.1", port)

    async def handler(*_: object) -> Response:
        raise AssertionError

    with pytest.raises(OSError, match="assign") as raised:
        asyncio.run(scenario(0))
    assert "no free local port left" in shortage(raised.value)
    with pytest.raises(OSError, match="in use") as raised:
        asyncio.run(scenario(80))
    assert shortage(raised.value) == ""


@contextlib.contextmanager
def running(folder: Path, **limits: int) -> Iterator[subprocess.Popen[str]]:
    (folder / "old.har").write_text(json.dumps(har("letters:8000", recorded())))
    (folder / "matrix.yaml").write_text(filled(MATRIX, HERE / "letters.py"))
    command = [str(VERIFIER), "run", "matrix.yaml", "--runtime", "process", "--parallel", "1", "--out", "run"]

    def limit() -> None:
        for name, most in limits.items():
            resource.setrlimit(getattr(resource, name), (most, most))

    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=limit,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 120
    while not true() and process.poll() is None and time.monotonic() < ends:
        time.sleep(0.01)
    assert true()


@pytest.mark.slow
def test_a_store_that_dies_in_a_mixture_ends_the_run_without_a_verdict(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        assert process.stdout is not None
        assert any("rollout.1 " in line for line in process.stdout), "the progress of the run"
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "postgres" in child.name():
                    child.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 4, out
    assert "The environment broke; no verdict. store spare exited with status 137, killed, in rollout.2" in out
    found = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert (found["verdict"], found["violations"], found["causes"]) == ("error", [], [])
    assert [step["id"] for step in found["steps"]][-1] == "rollout.1", "the steps that were completed are kept"
    again = subprocess.run([VERIFIER, "judge", "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 4
    assert "store spare exited" in again.stderr


@pytest.mark.slow
def test_a_run_directory_that_vanishes_ends_the_run_without_a_verdict(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        until(lambda: (tmp_path / "run" / "history" / "steps.jsonl").is_file(), process)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 4, out
    assert "no verdict" in out


def test_too_few_file_handles_end_the_run_without_a_verdict(tmp_path: Path) -> None:
    with running(tmp_path, RLIMIT_NOFILE=26) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 4, out
    assert "may not open more files" in out
