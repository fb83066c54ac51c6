"""Every check of the project: lint, format, types, imports and tests. Ends with status 0 when all of them passed.

Without `--quick`, brings up a container engine for the tests where that is possible, and ends it if it started it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tests.conftest import in_ci
from tests.engine import bootstrap
from tests.engine.system import Unavailable

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LANES = 3  # parts of the tests that run at once: most of them wait for others, so two cores have time for three
# What takes longest begins first, so that the lanes end at about the same time. The rest of the tests is a part too.
PARTS = {
    # Whatever builds images of the shop is in one part: two builds of one image at once would hinder each other.
    "the shop in containers": ("tests/engine", "tests/test_killed.py", "tests/test_main_job.py"),
    "third-party services": ("tests/zoo/real",),
    "attribution": ("tests/zoo/attribution",),
    "the rest": (),
    "runtimes": ("tests/runtime",),
    "small services": (
        "tests/shrink",
        "tests/zoo/crash",
        "tests/zoo/crew",
        "tests/zoo/pages",
        "tests/zoo/parcels",
        "tests/zoo/transfers",
    ),
    "the gate and queries": ("tests/gate", "tests/query"),
    "accepted work": ("tests/zoo/handover", "tests/zoo/jobs", "tests/zoo/sums"),
    "causes": ("tests/zoo/catalogue", "tests/zoo/causes", "tests/zoo/readings"),
    "Kinto": ("tests/test_kinto.py", "tests/zoo/kinto"),
    "releases": ("tests/zoo/errands", "tests/zoo/four_releases", "tests/zoo/late_removal"),
    "the command line": ("tests/cli",),
    "the shop": ("tests/shop",),
}
SLOWEST = ("--durations=5", "--durations-min=20")  # what to look at if all of it takes too long
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
    """The tests in parts that can run at once; one part where pytest got arguments of its own."""
    pytest = [sys.executable, "-m", "pytest"]
    if pytest_arguments:
        return [("tests", [*pytest, *pytest_arguments])]
    alone = [*pytest, "-p", "no:cacheprovider", *SLOWEST]  # they would share one folder
    others = [f"--ignore={path}" for paths in PARTS.values() for path in paths]
    return [(f"tests: {name}", [*alone, *(paths or ("tests", *others))]) for name, paths in PARTS.items()]


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
    """Run commands in lanes. The output of a single one is shown as it comes, that of several as each of them ends.

    The order of the results is that of the commands. Where it is interrupted, what they said so far is shown.
    """
    if len(commands) == 1:
        return [_Running(*commands[0], file=None).wait()]
    results: dict[str, tuple[str, int, float]] = {}
    with ExitStack() as stack, ThreadPoolExecutor(LANES) as lanes:
        every = [_Running(*command, stack.enter_context(tempfile.TemporaryFile("w+"))) for command in commands]
        waits = {lanes.submit(one.wait): one for one in every}
        try:
            for ended in as_completed(waits):
                results[waits[ended].name] = ended.result()
                waits[ended].show()
        except BaseException:
            lanes.shutdown(wait=False, cancel_futures=True)
            for begun in every:
                begun.end()
            raise
    return [results[name] for name, _ in commands]


class _Running:
    """One command, begun by `wait`. Without a file its output is shown as it comes."""

    def __init__(self, name: str, command: list[str], file: IO[str] | None) -> None:
        self.name, self._command, self._file = name, command, file
        self._process: subprocess.Popen[bytes] | None = None
        self._starting, self._over = threading.Lock(), False

    def wait(self) -> tuple[str, int, float]:
        """Name, exit status and seconds."""
        if self._file is None:
            self._title()
        began, to = time.monotonic(), self._file
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}  # what was said stays if it is ended
        with self._starting:
            if self._over:
                return self.name, -signal.SIGTERM, 0.0
            self._process = process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=to, stderr=to, env=environment
            )
        return self.name, process.wait(), time.monotonic() - began

    def show(self) -> None:
        if self._file is not None:
            self._title()
            self._file.seek(0)
            shutil.copyfileobj(self._file, sys.stdout)
            sys.stdout.flush()

    def end(self) -> None:
        """End it, or keep it from beginning."""
        with self._starting:
            self._over, process = True, self._process
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
            self.show()

    def _title(self) -> None:
        print(f"\n== {self.name}: {' '.join(Path(word).name for word in self._command)}", flush=True)


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
        print(f"{name:30} {'passed' if code == 0 else f'failed ({code})'} in {seconds:.0f} s")
    if missing:
        print(f"{'engine':30} not there: the Docker tests " + ("failed" if in_ci() else "were skipped"))
    return next((code for _, code, _ in results if code), 4 if in_ci() and missing else 0)


if __name__ == "__main__":
    sys.exit(main())
