"""What is hit during a run, and how: each hit returns whom it met, or "" while there is nobody to meet."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.soak.census import marked
from verifier.runtime import engine

FULL = 1 << 20  # bytes that are written at once to fill a disk


@dataclass(frozen=True, slots=True)
class Run:
    """A verifier under way. The ids of its runs begin with `name`; `out` is the run directory."""

    name: str
    verifier: psutil.Popen
    out: Path
    draw: random.Random


def kill_verifier(run: Run) -> str:
    run.verifier.kill()
    return f"verifier {run.verifier.pid}"


def interrupt_verifier(run: Run) -> str:
    run.verifier.send_signal(signal.SIGINT)
    return f"verifier {run.verifier.pid}"


def kill_process(run: Run, word: str) -> str:
    """Kill a process of the run, or a child of the verifier, with that word in its command line."""
    found = list(marked(run.name))
    with contextlib.suppress(psutil.Error):
        found += [(child, " ".join(child.cmdline())) for child in run.verifier.children()]
    found = [(process, line) for process, line in found if word in line]
    if not found:
        return ""
    process, line = run.draw.choice(found)
    with contextlib.suppress(psutil.Error):
        process.kill()
        return f"{process.pid}: {line[-60:]}"
    return ""


def kill_container(run: Run, of_store: bool) -> str:
    with engine.connected() as client:
        found = [
            item for item in engine.leftovers(client) if item.run.startswith(run.name) and item.kind == "container"
        ]
        found = [item for item in found if ("cache" in item.name) == of_store]
        if not found:
            return ""
        item = run.draw.choice(found)
        with contextlib.suppress(*engine.FAILURES):
            client.api.kill(item.id)
            return f"container {item.name}"
    return ""


def fill_disk(run: Run) -> str:
    """Write to the disk of the run directory until it is full. The file stays for the rest of the run."""
    if not run.out.is_dir():
        return ""
    with (run.out.parent / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(FULL))
    return f"disk of {run.out}"


def remove_directory(run: Run) -> str:
    """Remove what there is of the run directory. The run may still write to what is open."""
    if not (run.out / "history" / "run.json").is_file():
        return ""
    shutil.rmtree(run.out, ignore_errors=True)
    return f"run directory {run.out}"


Hit = Callable[[Run], str]
PROCESS_HITS: dict[str, Hit] = {
    "verifier": kill_verifier,
    "interrupt": interrupt_verifier,
    "watcher": lambda run: kill_process(run, "verifier.runtime.watcher"),
    "replica": lambda run: kill_process(run, "notes.py"),
    "store": lambda run: kill_process(run, "redis-server"),
    "disk": fill_disk,
    "directory": remove_directory,
}
DOCKER_HITS: dict[str, Hit] = {
    **{kind: PROCESS_HITS[kind] for kind in ("verifier", "interrupt", "watcher", "disk")},
    "replica": lambda run: kill_container(run, of_store=False),
    "store": lambda run: kill_container(run, of_store=True),
}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a disk of 64 MB at the folder. False where this user must not."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
