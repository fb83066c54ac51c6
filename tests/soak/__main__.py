"""Random kills for a time: `python -m tests.soak --minutes N [--seed S] [--runtime process|docker] [--only KIND]`.

Quiet runs come first and teach the right verdicts and how long a run takes. Then each run is hit once, at a moment that
the seed draws. It must end with the right status and leave nothing behind:

- 0 or 1 only with the verdict of the quiet run, and a failure only with violations that the quiet run has, too;
- 3 only after a replica was killed, which is indeed not what the version does;
- 4 with no verdict or an error; 130 after an interrupt; death by signal 9 after the verifier itself was killed.

Prints a line of JSON for each run, and a summary. Ends with status 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.soak import matrix
from tests.soak.matrix import Ended
from tests.soak.victims import DOCKER_HITS, PROCESS_HITS, Hit, Run, leftovers, small_disk

VERIFIER = str(Path(sys.executable).with_name("verifier"))
LONGEST = 300.0  # seconds that a run may take, whatever befalls it
CLEAN_WITHIN = 90.0  # seconds in which a watcher must have cleaned up after a verifier that was killed
STARTS = 1.0  # seconds in which Python itself may still be starting, when an interrupt is not the verifier's to handle
LOOK = 0.05  # seconds between two looks for somebody to hit
KILLED = -signal.SIGKILL
INTERRUPTED = 128 + signal.SIGINT
NO_VERDICT = 4
UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run that was hit. `wrong` says what should not have been."""

    number: int
    release: str
    kind: str
    hit: str
    after: float  # seconds
    took: float  # seconds
    status: int
    wrong: tuple[str, ...]


def start(folder: Path, out: Path, name: str, release: str, runtime: str) -> psutil.Popen:
    file = matrix.write(folder, name, release, runtime)
    command = [VERIFIER, "run", str(file), "--runtime", runtime, "--out", str(out)]
    with (folder / "told.txt").open("wb") as told:
        return psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, start_new_session=True)


def until(condition: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK)
    return True


def strike(run: Run, hit: Hit, after: float) -> str:
    """Hit somebody after so many seconds, or as soon as there is somebody. "" if the run has ended before."""
    began, met = time.monotonic(), ""

    def done() -> bool:
        nonlocal met
        if run.verifier.poll() is None and time.monotonic() - began >= after:
            met = hit(run)
        return bool(met) or run.verifier.poll() is not None

    until(done, LONGEST)
    return met


def misjudged(kind: str, hit: str, found: Ended, quiet: Ended) -> list[str]:
    """What is wrong about a status."""
    if found.status == quiet.status:
        return ["violations that a quiet run has not"] if found.violations - quiet.violations else []
    if hit and kind == "verifier" and found.status == KILLED:
        return []
    if hit and kind == "interrupt" and found.status == INTERRUPTED:
        return []
    if hit and found.status == NO_VERDICT and found.verdict in ("", "error"):
        return []
    if hit and kind == "replica" and found.status == UNKNOWN:
        return []
    return [f"status {found.status} ({found.verdict or 'no verdict'})"]


def attempt(number: int, seed: int, runtime: str, kind: str, quiet: dict[str, tuple[Ended, float]]) -> Attempt:
    draw = random.Random(f"{seed}/{number}")
    release = draw.choice(sorted(quiet))
    right, longest = quiet[release]
    after = draw.uniform(0, longest)
    after = max(after, STARTS) if kind == "interrupt" else after
    name, began = f"soak-{os.getpid()}-{number}", time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as text, small_disk(Path(text)) as mounted:
        folder = Path(text)
        run = Run(name, start(folder, folder / "run", name, release, runtime), folder / "run", draw)
        hits = PROCESS_HITS if runtime == "process" else DOCKER_HITS
        hit = "" if kind == "disk" and not mounted else strike(run, hits[kind], after)
        wrong = []
        try:
            status = run.verifier.wait(timeout=LONGEST)
        except psutil.TimeoutExpired:
            wrong.append(f"still runs after {LONGEST:g} s")
            run.verifier.kill()
            status = run.verifier.wait()
        took = time.monotonic() - began
        wrong += misjudged(kind, hit, matrix.ended(status, run.out), right)
        told = (folder / "told.txt").read_text(encoding="utf-8", errors="replace")
        if "Traceback" in told:
            wrong.append("a traceback")
        if not until(lambda: not leftovers(name), CLEAN_WITHIN if kind == "verifier" else 0.0):
            wrong.append(f"left: {leftovers(name)}")
        if wrong:
            print(told, file=sys.stderr, flush=True)
    return Attempt(number, release, kind, hit, round(after, 2), round(took, 1), status, tuple(wrong))


def learn(runtime: str) -> dict[str, tuple[Ended, float]]:
    """The verdict of each release if nothing befalls it, and how many seconds its run takes."""
    learned = {}
    for release in matrix.RELEASES[runtime]:
        began, name = time.monotonic(), f"soak-{os.getpid()}-quiet"
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as text:
            verifier = start(Path(text), Path(text) / "run", name, release, runtime)
            found = matrix.ended(verifier.wait(timeout=LONGEST), Path(text) / "run")
            if found.status not in (0, 1):
                raise SystemExit((Path(text) / "told.txt").read_text(encoding="utf-8"))
        learned[release] = found, time.monotonic() - began
        print(f"quiet {release}: status {found.status}, {learned[release][1]:.1f} s", flush=True)
    return learned


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runtime", choices=("process", "docker"), default="process")
    parser.add_argument("--only", choices=sorted(PROCESS_HITS))
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a verifier ignores what it was started with as ignored
    deadline = time.monotonic() + 60 * options.minutes
    kinds = [options.only] if options.only else list(PROCESS_HITS if options.runtime == "process" else DOCKER_HITS)
    quiet = learn(options.runtime)
    done: list[Attempt] = []
    while time.monotonic() < deadline:
        kind = kinds[len(done) % len(kinds)]
        done.append(attempt(len(done), options.seed, options.runtime, kind, quiet))
        print(json.dumps(asdict(done[-1])), flush=True)
    hits = [one for one in done if one.hit]
    wrong = [one for one in done if one.wrong]
    ends = Counter(f"{one.kind} -> {one.status}" for one in hits)
    print(f"{len(hits)} of {len(done)} runs were hit, {len(wrong)} ended wrongly: {dict(sorted(ends.items()))}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
