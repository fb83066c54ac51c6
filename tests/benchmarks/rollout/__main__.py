"""`python -m tests.benchmarks.rollout`: time to the verdict, as ratios of runs that were made by turns.

Each round runs every system as it is (`verifier run --no-cache`), torn down and started again at each step, and the
shop also at an earlier commit. The critical path is read from the run itself: what comes before the first step and
after the last, the longest control with all old, the longest of the other paths, the judging before the confirmation,
and the longest path of the confirmation. The ratios are medians.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tests.zoo.rehearsing import Recorded, har

ROOT = Path(__file__).parents[3]
SLOW = Path(__file__).parent / "slow.py"
CONFIRMATION = "confirm-"
MATRIX = """
matrix: slow
services:
  notes:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}"}}
    versions:
      "1": {{command: [{python}, {service}, "1", --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, "2", --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
faults: [duplicate-after, lost-answer]
rollout: {{strategy: rolling, rollback: every-state}}
traffic: [{{recording: slow.har}}]
"""


@dataclass(frozen=True)
class Took:
    """Seconds of one run: to the verdict, and of what cannot be done at the same time."""

    whole: float
    critical: float
    verdict: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.rollout", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--systems", nargs="+", choices=["shop", "slow"], default=["shop", "slow"])
    parser.add_argument("--parallel", type=int, default=None, help="paths at a time, by default those of the command")
    parser.add_argument("--before", default="813d8fa", metavar="COMMIT", help="that the shop is compared with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollout-") as name:
        folder = Path(name)
        earlier = checked_out(options.before, folder / "earlier")
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for number in range(options.rounds):
            for system in options.systems:
                for what, ratio in compared(system, folder / f"{system}-{number}", earlier, options.parallel):
                    found[system, what].append(ratio)
    rows = [(*key, statistics.median(ratios), len(ratios)) for key, ratios in found.items()]
    print(tabulate(rows, headers=["system", "time to the verdict", "ratio", "rounds"], floatfmt=".2f"))


def compared(system: str, folder: Path, earlier: Path, parallel: int | None) -> Iterator[tuple[str, float]]:
    """The ratios of one round."""
    folder.mkdir()
    matrix = ROOT / "matrices" / "checkout.yaml" if system == "shop" else written(folder)
    more = () if parallel is None else ("--parallel", str(parallel))
    now = ran(matrix, folder / "now", ROOT, *more)
    yield "÷ the critical path", now.whole / now.critical
    began = time.monotonic()
    words = ["-m", "tests.benchmarks.rollout.torn_down", str(matrix), str(folder / "torn")]
    told = command(words, ROOT, 0)
    assert told.split()[-1] == now.verdict, (told, now)
    yield "of everything torn down at each step ÷ now", (time.monotonic() - began) / now.whole
    if system == "shop":
        before = ran(earlier / "matrices" / "checkout.yaml", folder / "before", earlier)
        assert before.verdict == now.verdict, (before, now)
        yield "of the earlier commit ÷ now", before.whole / now.whole


def ran(matrix: Path, out: Path, tree: Path, *more: str) -> Took:
    """Run the command line of a tree on a matrix."""
    words = ["-m", "verifier.cli.main", "run", str(matrix), "--runtime", "process", "--no-cache", "--out", str(out)]
    began = time.monotonic()
    command([*words, *more], tree, 0, 1)
    whole = time.monotonic() - began
    verdict: dict[str, Any] = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    took = Took(whole, critical(out, whole), verdict["verdict"])
    timing = verdict["timing"]
    print(f"{out.parent.name} {out.name}: {took}, {timing}", file=sys.stderr, flush=True)
    return took


def critical(out: Path, whole: float) -> float:
    """Seconds of the critical path of a run that took `whole` seconds."""
    steps = [json.loads(line) for line in (out / "history" / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
    spans: dict[str, tuple[float, float]] = {}
    for step in steps:
        began, ended = spans.get(step["path"], (step["started"], step["ended"]))
        spans[step["path"]] = (min(began, step["started"]), max(ended, step["ended"]))
    old = [span for path, span in spans.items() if path.startswith("control-old")]
    confirming = [span for path, span in spans.items() if path.startswith(CONFIRMATION)]
    others = [span for path, span in spans.items() if not path.startswith(("control-old", CONFIRMATION))]
    every = [*old, *others, *confirming]
    outside = whole - (max(ended for _, ended in every) - min(began for began, _ in every))
    judging = 0.0
    if confirming:
        judging = min(began for began, _ in confirming) - max(ended for _, ended in [*old, *others])
    longest = [max(ended - began for began, ended in part) for part in (old, others, confirming) if part]
    return outside + judging + sum(longest)


def written(folder: Path) -> Path:
    """The matrix of the slow service with its recording."""
    (folder / "slow.har").write_text(json.dumps(har("notes:8000", recorded())), encoding="utf-8")
    matrix = folder / "slow.yaml"
    filled = MATRIX.format(python=json.dumps(sys.executable), service=json.dumps(str(SLOW)))
    matrix.write_text(filled, encoding="utf-8")
    return matrix


def recorded() -> Iterator[Recorded]:
    """One client that writes notes and reads them."""
    for number in range(3):
        note = {"id": f"1f0e4a52-7b1c-4b8e-9d3a-00000000000{number}", "text": f"note {number} of a client"}
        yield Recorded("POST", "/notes", {"text": note["text"]}, 201, note)
        yield Recorded("GET", f"/notes/{note['id']}", None, 200, note)


def checked_out(commit: str, folder: Path) -> Path:
    """The files of a commit."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def command(words: list[str], tree: Path, *statuses: int) -> str:
    """Run Python on the modules of a tree; its standard output."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    ended = subprocess.run(
        [sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode not in statuses:
        sys.exit(f"{words} ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout


if __name__ == "__main__":
    main()
