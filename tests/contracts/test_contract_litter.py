"""Values from the generator leave nothing in the working directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MAKE = """
from verifier.contracts.schemathesis_engine import generated
assert generated({"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]{3}$"}}}, 5, 1)
"""


def test_generated_values_leave_the_working_directory_clean(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", MAKE], cwd=tmp_path, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []
