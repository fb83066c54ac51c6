"""Every check of the project: lint, format, types, imports and tests. Ends with status 0 when all of them passed.

Without `--quick`, brings up a container engine for the tests where that is possible, and ends it if it started it.
"""

from __future__ import annotations

import argparse
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
# A test is quick unless it is marked. One that became slow shows at the end; one that takes a minute fails.
QUICK = ("-m", "not slow and not docker", "--durations=15", "--durations-min=2", "--timeout=60")


def parsed(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and what is left for pytest."""
    parser = argparse.ArgumentParser(
        prog="python -m tests",
        usage="%(prog)s [-h] [--quick] [PYTEST ARGUMENTS]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All other arguments go to pytest, for example a file or `-k NAME`.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="leave out tests marked `slow` or `docker`; needs no container engine and takes under three minutes",
    )
    return parser.parse_known_args(words)


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


def run(pytest_arguments: Sequence[str]) -> list[tuple[str, int, float]]:
    """Run all checks, whatever fails. Name, exit status and seconds of each."""
    results = []
    for name, command in checks(pytest_arguments):
        print(f"\n== {name}: {' '.join(Path(word).name for word in command)}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        results.append((name, code, time.monotonic() - began))
    return results


def bring_up() -> bool:
    """Whether the Docker tests can run; says why not. In CI they must."""
    try:
        bootstrap.up()
    except Unavailable as reason:
        print(f"\nDocker tests cannot run here: {reason}", flush=True)
        return False
    return True


def main() -> int:
    options, pytest_arguments = parsed(sys.argv[1:])
    os.chdir(ROOT)
    missing = False  # an engine that the tests should have
    if options.quick:
        results = run([*QUICK, *pytest_arguments])
    else:
        try:
            missing = not bring_up()
            results = run(pytest_arguments)
        finally:
            bootstrap.down()
    print()
    for name, code, seconds in results:
        print(f"{name:8} {'passed' if code == 0 else f'failed ({code})'} in {seconds:.0f} s")
    if missing:
        print("engine   not there: the Docker tests " + ("failed" if in_ci() else "were skipped"))
    return next((code for _, code, _ in results if code), 4 if in_ci() and missing else 0)


if __name__ == "__main__":
    sys.exit(main())
