"""What this machine leaves to the verifier and to the processes that it starts: file handles and memory."""

from __future__ import annotations

import resource
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def handles_left() -> int | None:
    """How many more files and connections this process may open; None if the system does not tell.

    An event loop closes connections that it has no handle for, and says nothing of it: the callers see a reset.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return None
    try:
        return most - sum(1 for _ in Path("/proc/self/fd").iterdir()) + 1  # one of them was for the listing itself
    except FileNotFoundError:
        return None


def killed_for_memory(own: Path = _OWN, cgroups: Path = _CGROUPS) -> int:
    """How many processes beside this one the kernel has killed since the machine ran out of memory for them; 0 if
    the system does not tell. They are those of the same control group, to which local replicas and stores belong.
    """
    try:
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                file = cgroups / path.lstrip("/") / "memory.events"
            elif "memory" in controllers.split(","):
                file = cgroups / "memory" / path.lstrip("/") / "memory.oom_control"
            else:
                continue
            if file.is_file():
                counts = dict(entry.split()[:2] for entry in file.read_text(encoding="utf-8").splitlines())
                return int(counts.get("oom_kill", 0))
    except (OSError, ValueError):
        pass
    return 0
