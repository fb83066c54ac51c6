"""Every check of the project: lint, format, types, imports and tests. Ends with status 0 when all of them passed.

Without `--quick`, brings up a container engine for the tests where that is possible, and ends it if it started it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.conftest import in_ci
from tests.engine import bootstrap
from tests.engine.system import Unavailable

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
# All tests run in three processes at once, because most of them wait for others. What builds and starts
# containers of the shop stays in one process: two builds of one image at once would hinder each other.
CONTAINERS = ("tests/engine", "tests/runtime", "tests/test_killed.py", "tests/test_main_job.py")
SERVICES = (
    *(f"tests/zoo/{name}" for name in ("attribution", "catalogue", "causes", "handover", "jobs", "kinto", "readings")),
    "tests/zoo/sums",
    "tests/test_kinto.py",
)
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
    return [*found, *tests(pytest_arguments)]


def tests(pytest_arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The tests in groups that can run at once; one group where pytest got arguments of its own."""
    pytest = [sys.executable, "-m", "pytest"]
    if pytest_arguments:
        return [("tests", [*pytest, *pytest_arguments])]
    alone = [*pytest, "-p", "no:cacheprovider"]  # they would share one folder
    others = [f"--ignore={path}" for path in (*CONTAINERS, *SERVICES)]
    return [
        ("tests", [*alone, "tests", *others]),
        ("tests of containers", [*alone, *CONTAINERS]),
        ("tests of services", [*alone, *SERVICES]),
    ]


def run(pytest_arguments: Sequence[str]) -> list[tuple[str, int, float]]:
    """Run all checks, whatever fails. Name, exit status and seconds of each."""
    every, results = checks(pytest_arguments), []
    together = [check for check in every if check[0].startswith("tests")]
    for name, command in every[: -len(together)]:
        print(f"\n== {name}: {' '.join(Path(word).name for word in command)}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        results.append((name, code, time.monotonic() - began))
    return [*results, *at_once(together)]


def at_once(commands: Sequence[tuple[str, list[str]]]) -> list[tuple[str, int, float]]:
    """Run commands at the same time. The output of the first is shown as it comes, that of the others afterwards."""
    began, results = time.monotonic(), []
    with ExitStack() as stack:
        started = []
        for name, command in commands:
            file = stack.enter_context(tempfile.TemporaryFile("w+")) if started else None
            environment = os.environ | {"PYTHONUNBUFFERED": "1"}  # what was shown stays if the run is ended
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
            stack.callback(_end, process)
            started.append((name, command, process, file))
        for name, command, process, file in started:
            print(f"\n== {name}: {' '.join(Path(word).name for word in command)}", flush=True)
            code = process.wait()
            if file is not None:
                file.seek(0)
                shutil.copyfileobj(file, sys.stdout)
            results.append((name, code, time.monotonic() - began))
    return results


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait()


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
        print(f"{name:20} {'passed' if code == 0 else f'failed ({code})'} in {seconds:.0f} s")
    if missing:
        print("engine               not there: the Docker tests " + ("failed" if in_ci() else "were skipped"))
    return next((code for _, code, _ in results if code), 4 if in_ci() and missing else 0)


if __name__ == "__main__":
    sys.exit(main())
