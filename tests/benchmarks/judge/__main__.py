"""`python -m tests.benchmarks.judge`: CPU time per operation and peak memory of judging long runs of the shop.

A stored run of the shop is multiplied (`multiplied.py`). Without `--run` the safe rollout of `matrices/checkout.yaml`
is rehearsed first. Reading the history and judging it are measured in a process of their own. One sort of the same
operations by time, in the same process, is the measure beside them; so is the HTML report of the same run if it had
1,000 violations.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tests.benchmarks.judge.multiplied import write

MATRIX = Path(__file__).parents[3] / "matrices" / "checkout.yaml"
GOALS = "µs/op at most 20, growth at most 11, peak MB at most 1500; at 100000 operations HTML s and MB at most 5"
HEADERS = ("operations", "CPU s", "µs/op", "peak MB", "× one sort", "HTML s", "HTML MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.judge", description=__doc__)
    parser.add_argument("--run", type=Path, metavar="DIRECTORY", help="a stored run of the shop")
    parser.add_argument("--operations", type=int, nargs="+", default=[100_000, 1_000_000], metavar="N")
    parser.add_argument("--times", type=int, default=3, metavar="N", help="medians of so many measurements")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="judge-") as name:
        run = options.run or _rehearsed(Path(name) / "run")
        says = _cost(run)["says"]
        found = [_median(run, Path(name), count, options.times, says) for count in options.operations]
    rows = [
        (entry["operations"], entry["judged"], 1e6 * entry["judged"] / entry["operations"], entry["peak"],
         entry["judged"] / entry["sorted"], entry["rendered"], entry["page"])
        for entry in found
    ]  # fmt: skip
    print(tabulate(rows, headers=HEADERS, floatfmt=".1f"))
    for fewer, more in pairwise(found):
        print(f"{fewer['operations']} → {more['operations']}: {more['operations'] / fewer['operations']:.1f} × the "
              f"operations, {more['judged'] / fewer['judged']:.1f} × the CPU time")  # fmt: skip
    print(f"goals: {GOALS}")


def _rehearsed(directory: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "verifier.cli.main",
        "run",
        str(MATRIX),
        "--runtime",
        "process",
        "--out",
        str(directory),
    ]
    subprocess.run(command, check=False)  # whatever its verdict is
    return directory


def _median(run: Path, folder: Path, operations: int, times: int, says: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        write(run, Path(name), operations)
        found = [_cost(Path(name)) for _ in range(times)]
    if wrong := [entry["says"] for entry in found if entry["says"] != says]:
        sys.exit(f"the multiplied run is judged as {wrong[0]}, the run itself as {says}")
    return {key: statistics.median(entry[key] for entry in found) for key in ("operations", "judged", "sorted", "peak")}


def _cost(run: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.judge.measured", str(run)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
