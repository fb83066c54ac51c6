"""Finding and removing the processes and folders of a run, from any process on the same machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from verifier.errors import BrokenEnvironment
from verifier.runtime.identity import ProcessIdentity, start_of
from verifier.runtime.labels import ENVIRONMENT, OWNER_ENVIRONMENT, scratch, scratch_folders

Kind = Literal["process", "container", "network", "volume", "folder"]
OWNER_FILE = "owner"


@dataclass(frozen=True, slots=True, order=True)
class Leftover:
    """Something that carries a run's mark. `owner` is None when it does not say who started it."""

    run: str
    kind: Kind
    id: str
    name: str
    owner: ProcessIdentity | None


def processes() -> list[Leftover]:
    """Every living process whose environment names a run."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            run = environment.get(ENVIRONMENT)
            if run:
                owner = ProcessIdentity.parse(environment.get(OWNER_ENVIRONMENT, ""))
                found.append(Leftover(run, "process", str(process.pid), process.name(), owner))
        except (psutil.Error, OSError):
            continue  # gone, a zombie, or another user's
    return found


def kill_processes(run: str, sessions: Mapping[int, str] | None = None) -> list[Leftover]:
    """Kill what carries the run's mark, what still belongs to one of its sessions, and all their descendants.

    `sessions` maps session leaders to when they started (`owner.start_of`). The mark alone is not enough: a service
    that rewrites its title overwrites the memory that its environment is read from, as PostgreSQL's backends do,
    which leave their session as well.
    """
    parents: dict[int, int] = {}
    chosen: dict[int, psutil.Process] = {}
    others: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            parents[process.pid] = process.ppid()
            marked = process.environ().get(ENVIRONMENT)
            if marked == run or (not marked and _member(process.pid, sessions or {})):
                chosen[process.pid] = process
            elif not marked:
                others[process.pid] = process
        except (psutil.Error, OSError):
            continue
    while below := [pid for pid in others if parents[pid] in chosen]:
        chosen.update((pid, others.pop(pid)) for pid in below)
    chosen.pop(os.getpid(), None)
    return [item for process in chosen.values() for item in _kill(process, run)]


def _kill(process: psutil.Process, run: str) -> list[Leftover]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return []
        owner = ProcessIdentity.parse(process.environ().get(OWNER_ENVIRONMENT, ""))
        item = Leftover(run, "process", str(process.pid), process.name(), owner)
        process.kill()
    except (psutil.Error, OSError):
        return []
    return [item]


def _member(pid: int, sessions: Mapping[int, str]) -> bool:
    leader = os.getsid(pid)
    if leader not in sessions:
        return False
    started = start_of(leader)
    return started in ("", sessions[leader])


def mark_folder(run: str, owner: ProcessIdentity) -> None:
    """Create the run's temporary folder and write down whose it is. Raises BrokenEnvironment."""
    folder = scratch(run)
    folder.mkdir(mode=0o711, exist_ok=True)
    about = folder.lstat()
    # Its parent can be written by everybody: never write through what somebody else has put there.
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
        raise BrokenEnvironment(f"the run's temporary folder {folder} belongs to somebody else")
    (folder / OWNER_FILE).write_text(str(owner))


def folders() -> list[Leftover]:
    found = []
    for run, path in scratch_folders().items():
        owner = None
        with contextlib.suppress(OSError):
            owner = ProcessIdentity.parse((path / OWNER_FILE).read_text())
        found.append(Leftover(run, "folder", str(path), path.name, owner))
    return found


def remove_folder(run: str) -> list[Leftover]:
    path = scratch(run)
    if not path.is_dir():
        return []
    shutil.rmtree(path, ignore_errors=True)
    return [Leftover(run, "folder", str(path), path.name, None)]


def until_quiet(
    scans: Iterable[Callable[[], Sequence[Leftover]]], quiet: float, limit: float,
    clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep,
) -> list[Leftover]:  # fmt: skip
    """Scan and remove again and again until nothing was found for `quiet` seconds, at most for `limit` seconds.

    One scan is not enough: a fork or the creation of a container may have been under way when the verifier died.
    """
    removed: list[Leftover] = []
    begin = last = clock()
    wait = 0.02
    todo = tuple(scans)
    while True:
        found = [item for scan in todo for item in scan()]
        removed += found
        if found:
            last, wait = clock(), 0.02
        elif clock() - last >= quiet:
            return removed
        if clock() - begin >= limit:
            return removed
        pause(wait)
        wait = min(wait * 2, 0.5)
