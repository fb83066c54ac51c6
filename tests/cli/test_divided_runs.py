"""One matrix, however its paths are divided: side by side, among shards, among Dask workers. One verdict.

Times differ from run to run, and with them how often live traffic is sent and what it is sent beside. Everything else
in `verdict.json` is equal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_matrix import VERIFIER, verifier, write

MATRIX = """\
matrix: words
services:
  words:
    port: 8000
    ready: {http: /healthz, within: 60s}
    directory: DIRECTORY
    stop: {grace: 5s, drain: 100ms}
    versions:
      "1": {command: [python, one_service.py, well, --port, "{port}", --folder, "${stores.kept.path}"]}
      "2": {command: [python, one_service.py, NEW, --port, "{port}", --folder, "${stores.kept.path}"]}
stores: {kept: {process: directory}}
traffic:
  - {recording: words.har, client: "1"}
faults: [duplicate-after, lost-answer]
budget: 60s
"""
# The two versions must not be equal, or no run could pass.
WAYS = {"pass": "well, --folder, ignored", "fail": "forgets"}
STATUS = {"pass": 0, "fail": 1}
OF_DEFECTS = ("guarantee", "attribution", "service", "operation", "step", "versions", "confirmed")
EQUAL = ("schema", "matrix", "verdict", "seed", "runtime", "steps", "coverage", "unknowns", "tool", "confirmation",
         "unused")  # fmt: skip


def told(run: Path) -> dict[str, Any]:
    document = json.loads((run / "verdict.json").read_text())
    found = {key: document[key] for key in EQUAL}
    for key in ("violations", "unconfirmed", "causes"):
        found[key] = [{name: entry[name] for name in OF_DEFECTS if name in entry} for entry in document[key]]
    found["points_of_no_return"] = [(entry["path"], entry["step"]) for entry in document["points_of_no_return"]]
    return found


@contextmanager
def workers(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers with one thread each."""
    dask, file = str(Path(VERIFIER).with_name("dask")), folder / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    command = [dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    started = [subprocess.Popen(command, **quiet)]
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60"]
    try:
        started += [
            subprocess.Popen(
                [dask, "worker", "--scheduler-file", str(file), *options, "--local-directory", name], **quiet
            )
            for name in ("first", "second")
        ]
        address = until(lambda: json.loads(file.read_text())["address"])
        until(lambda: len(registered(address)) == 2)
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def until(found: Any, within: float = 60.0) -> Any:
    """What becomes true or can be read within so many seconds."""
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        with suppress(OSError, ValueError, KeyError, psutil.Error):
            if value := found():
                return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def registered(address: str) -> list[Any]:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return list(client.nthreads())


def cell_of(worker: subprocess.Popen[bytes]) -> Any:
    """The process of the cell that a worker carries out."""
    children = psutil.Process(worker.pid).children()
    return next((child for child in children if "verifier.cli.one_cell" in child.cmdline()), None)


def naming(folder: Path) -> list[list[str]]:
    """Command lines of processes that name a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            found.append(process.info["cmdline"])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_divided_run_has_the_verdict_of_one_that_is_not(way: str, tmp_path: Path) -> None:
    matrix = write(tmp_path, MATRIX.replace("NEW", WAYS[way]))
    common = ("--runtime", "process", "--no-cache")

    def run(name: str, *options: str) -> Path:
        done = verifier("run", matrix, *common, "--out", tmp_path / name, *options, cwd=tmp_path)
        assert done.returncode == STATUS[way], done.stdout + done.stderr
        return tmp_path / name

    expected = told(run("one", "--parallel", "1"))
    assert expected["verdict"] == way
    assert bool(expected["confirmation"]) == bool(expected["causes"]) == (way == "fail")
    for parallel in ("2", "4"):
        assert told(run(f"parallel-{parallel}", "--parallel", parallel)) == expected

    shards = [tmp_path / f"shard-{index}" for index in (1, 2, 3)]
    for index, shard in enumerate(shards, 1):
        done = verifier("run", matrix, *common, "--shard", f"{index}/3", "--out", shard, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = verifier("merge", *shards[:2], "--out", tmp_path / "merged", cwd=tmp_path)
    assert (done.returncode, "missing: shard 3/3" in done.stderr) == (2, True), done.stderr
    done = verifier("merge", *shards, "--out", tmp_path / "merged", cwd=tmp_path)
    assert done.returncode == STATUS[way], done.stdout + done.stderr
    assert told(tmp_path / "merged") == expected

    with workers(tmp_path) as (address, (first, second)):
        command = [VERIFIER, "run", str(matrix), *common, "--scheduler", address, "--out", str(tmp_path / "workers")]
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        cell = until(lambda: cell_of(first))
        until(cell.children)  # it has started something
        assert until(lambda: cell_of(second)).pid != cell.pid
        os.kill(first.pid, signal.SIGKILL)
        printed, _ = running.communicate(timeout=240)
    assert running.returncode == STATUS[way], printed
    assert told(tmp_path / "workers") == expected
    assert until(lambda: not naming(tmp_path)), naming(tmp_path)
