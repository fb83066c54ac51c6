"""The peak of resident memory of this process alone.

`ru_maxrss` does not tell it: a process keeps that number over exec, and begins with what the parent had when it started
the child. So a small program that a large pytest starts seems to be as large as pytest. `VmHWM` begins anew with each
exec.
"""

from __future__ import annotations

import re
from pathlib import Path


def peak_megabytes() -> float:
    """Since the program of this process was loaded."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, "Linux tells it"
    return int(found[1]) / 1024
