"""A message that cannot be written, as on a full disk, does not change how a command ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.small_matrix import VERIFIER

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(("arguments", "status"), [(["plan", "missing.yaml"], 2), (["--help"], 4)])
def test_the_status_says_what_no_message_can(arguments: list[str], status: int, tmp_path: Path) -> None:
    with FULL.open("w") as full:
        done = subprocess.run([VERIFIER, *arguments], cwd=tmp_path, stdout=full, stderr=full, timeout=60)
    assert done.returncode == status
