"""Finds and removes the processes and folders of a run, from any process on the same machine."""

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
from verifier.runtime.labels import ENVIRONMENT, OWNER_ENVIRONMENT, TREE_ENVIRONMENT, scratch, scratch_folders

Kind = Literal["process", "container", "network", "volume", "folder"]
OWNER_FILE = "owner"


@dataclass(frozen=True, slots=True, order=True)
class Leftover:
    """Something with the mark of a run. `owner` is None if it does not name the process that started it."""

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
            continue  # gone, a zombie, or owned by another user
    return found


def kill_processes(run: str, sessions: Mapping[int, str] | None = None) -> list[Leftover]:
    """Kill processes with the mark of the run or in one of its sessions, and all their descendants.

    `sessions` maps session leaders to their start times (`identity.start_of`). The mark alone is not enough: a service
    that changes its title overwrites the memory of its environment. PostgreSQL backends do this, and they leave their
    session too.
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


def kill_tree(mark: str, known: Iterable[psutil.Process]) -> bool:
    """Kill living processes with the mark of a tree, the known ones of it, and all their descendants.

    Returns whether there were any.
    """
    found = tree(mark, known)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return bool(found)


def tree(mark: str, known: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The living processes with the mark of a tree, the known ones of it, and all their descendants.

    A process that left its session keeps the mark in its environment.
    """
    before = {process.pid: process for process in known}
    parents: dict[int, int] = {}
    chosen: dict[int, psutil.Process] = {}
    others: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            parents[process.pid] = process.ppid()
            mine = process.environ().get(TREE_ENVIRONMENT) == mark or before.get(process.pid) == process
            (chosen if mine else others)[process.pid] = process
        except (psutil.Error, OSError):
            continue  # gone, a zombie, or owned by another user
    while below := [pid for pid in others if parents[pid] in chosen]:
        chosen.update((pid, others.pop(pid)) for pid in below)
    chosen.pop(os.getpid(), None)
    return list(chosen.values())


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
    """Create the temporary folder of the run with a file that names its owner. Raises BrokenEnvironment."""
    folder = scratch(run)
    folder.mkdir(mode=0o711, exist_ok=True)
    about = folder.lstat()
    # Every user can write to its parent, so never follow what another user may have put there.
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
    """Scan and remove repeatedly until nothing was found for `quiet` seconds, for at most `limit` seconds.

    One scan is not enough, because a fork or the creation of a container may be in progress when the verifier dies.
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
