"""The peak of a process is its own, however large its parent is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.peak import peak_megabytes

ROOT = Path(__file__).resolve().parents[1]
LARGE, CHILD = 300, 40  # MB that the parent holds, and that the child takes
TELL = f"from tests.peak import peak_megabytes; x = bytearray(b'x') * {CHILD << 20}; del x; print(peak_megabytes())"


def test_the_peak_of_a_child_is_not_that_of_its_parent() -> None:
    held = bytearray(b"x") * (LARGE << 20)
    told = subprocess.run([sys.executable, "-c", TELL], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(held) / 2**20 < peak_megabytes()
    assert CHILD <= float(told.stdout) < LARGE / 2
