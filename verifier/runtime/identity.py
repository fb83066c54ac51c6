"""Identifies the process that started a run, so that another process can later check whether it is alive."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A verifier process. `started` detects a reused pid; `place` names the machine, boot and pid namespace."""

    pid: int
    started: str
    place: str

    def __str__(self) -> str:
        return f"{self.pid}:{self.started}:{self.place}"

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """The identity in a label, or None if the text is not one."""
        parts = text.split(":")
        if len(parts) != 3 or not parts[0].isdecimal():
            return None
        return cls(int(parts[0]), parts[1], parts[2])

    @classmethod
    def current(cls) -> ProcessIdentity:
        return cls(os.getpid(), start_of(os.getpid()), place())

    def alive(self) -> bool | None:
        """Whether the process still runs; None if it runs where this process cannot see it."""
        if self.place != place():
            return None
        started = start_of(self.pid)
        return started != "" and started == self.started


def start_of(pid: int) -> str:
    """The start time of a process in a form that never changes; "" if there is no such living process.

    On Linux it is clock ticks since boot. A wall-clock time would change when the clock is set.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else _start_elsewhere(pid)
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _start_elsewhere(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(int(process.create_time()))
    except psutil.Error:
        return ""


def place() -> str:
    """A short name of this machine, boot and pid namespace. A pid is only valid there."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError:
        parts.append("")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
