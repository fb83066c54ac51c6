"""The processes in a container, as the engine's machine sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import docker

from verifier.runtime.base import ChildProcess
from verifier.runtime.engine import FAILURES

_COLUMNS = "-eo pid,ppid,stat,lstart,args"
_WORDS_BEFORE_COMMAND = 8  # `lstart` has five words: Mon Nov 30 20:53:14 2026


@dataclass(frozen=True, slots=True)
class _Row:
    pid: int
    parent: int
    started: str
    command: str


def below_leader(client: docker.DockerClient, container: str) -> tuple[ChildProcess, ...] | None:
    """What lives in a container below the process that it was started for. Blocking.

    None if it does not run, or if the engine cannot list processes with their parents, as some cannot.
    """
    try:
        about = client.api.inspect_container(container)
        listed = client.api.top(container, ps_args=_COLUMNS)
        first = int(about["State"]["Pid"])
        rows = [row for columns in listed["Processes"] or () if (row := _row(columns)) is not None]
    except (*FAILURES, KeyError, TypeError, ValueError):
        return None
    if all(row.pid != first for row in rows):
        return None
    return children(rows, first, has_init=bool((about.get("HostConfig") or {}).get("Init")))


def children(rows: Iterable[_Row], first: int, *, has_init: bool) -> tuple[ChildProcess, ...]:
    """What descends from process `first`, without the leader: `first` itself, or the oldest child of the init.

    Commands that are run in the container from outside, such as its health check, do not descend from it.
    """
    known = list(rows)
    below = {first}
    while more := {row.pid for row in known if row.parent in below} - below:
        below |= more
    own = [row for row in known if row.parent == first]  # in the order of their pids, as the engine lists them
    leader = own[0].pid if has_init and own else first
    return tuple(
        ChildProcess(f"{row.pid}:{row.started}", row.command)
        for row in known
        if row.pid in below and row.pid not in (first, leader)
    )


def _row(columns: list[str]) -> _Row | None:
    """One process; None if it has ended and is only waited for. Raises ValueError for another list of columns.

    The engine divides a line at every space and puts what is too much into the last column.
    """
    words = " ".join(columns).split(None, _WORDS_BEFORE_COMMAND)
    if len(words) <= _WORDS_BEFORE_COMMAND:
        raise ValueError(f"no process: {columns}")
    if words[2].startswith(("Z", "X")):
        return None
    return _Row(int(words[0]), int(words[1]), " ".join(words[3:_WORDS_BEFORE_COMMAND]), words[-1])
