"""Every check of the project: `python -m tests [PYTEST ARGUMENTS]`. Ends with status 0 when all of them passed.

Brings up a container engine for the tests where that is possible, and ends it again if it started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import in_ci
from tests.engine import bootstrap
from tests.engine.system import Unavailable

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def checks(pytest_arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Names and commands, in the order in which they run."""
    found = [
        ("lint", [str(BIN / "ruff"), "check", "."]),
        ("format", [str(BIN / "ruff"), "format", "--check", "."]),
        ("types", [sys.executable, "-m", "mypy"]),
    ]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if "importlinter" in settings.get("tool", {}) or (ROOT / ".importlinter").exists():
        found.append(("imports", [str(BIN / "lint-imports")]))
    found.append(("tests", [sys.executable, "-m", "pytest", *pytest_arguments]))
    return found


def bring_up() -> bool:
    """Whether the Docker tests can run; says why not. In CI they must."""
    try:
        bootstrap.up()
    except Unavailable as reason:
        print(f"\nDocker tests cannot run here: {reason}", flush=True)
        return False
    return True


def main() -> int:
    os.chdir(ROOT)
    results = []
    try:
        engine = bring_up()
        for name, command in checks(sys.argv[1:]):
            print(f"\n== {name}: {' '.join(Path(word).name for word in command)}", flush=True)
            began = time.monotonic()
            code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
            results.append((name, code, time.monotonic() - began))
    finally:
        bootstrap.down()
    print()
    for name, code, seconds in results:
        print(f"{name:8} {'passed' if code == 0 else f'failed ({code})'} in {seconds:.0f} s")
    if not engine:
        print("engine   not there: the Docker tests " + ("failed" if in_ci() else "were skipped"))
    return next((code for _, code, _ in results if code), 4 if in_ci() and not engine else 0)


if __name__ == "__main__":
    sys.exit(main())
