"""`python -m tests.benchmarks.plan`: CPU seconds and peak memory of `verifier plan` for one session of many entries."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from tabulate import tabulate

from tests.benchmarks.plan.recorded import write

MEASURED = """
import sys
from tests.peak import peak_megabytes
from verifier.cli.main import main
try:
    main()
finally:
    print(peak_megabytes(), file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.plan", description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[1000, 2000, 10_000], metavar="N")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="what `verifier plan` prints")
    options = parser.parse_args()
    measured = []
    for entries in options.entries:
        with tempfile.TemporaryDirectory(prefix="plan-") as name:
            measured.append((entries, *cost(write(Path(name), entries), options.format)))
    print(tabulate(measured, headers=["entries", "CPU s", "peak MB"], floatfmt=".1f"))
    for (fewer, before, _), (more, after, _) in pairwise(measured):
        print(f"{fewer} → {more}: {more / fewer:.1f} × the entries, {after / before:.1f} × the CPU time")


def cost(matrix: Path, shape: str) -> tuple[float, float]:
    """CPU seconds and peak MB of one `verifier plan`, with the start of the interpreter."""
    words = ["plan", str(matrix), "--format", shape]
    command = [sys.executable, "-c", MEASURED, *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"`verifier {' '.join(words)}` ended with {process.returncode}: {told}")
    return used.ru_utime + used.ru_stime, float(told.split()[-1])


if __name__ == "__main__":
    main()
