"""One run that is hit once, and what is wrong about how it ended."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.soak import matrix
from tests.soak.census import Census
from tests.soak.matrix import Ended
from tests.soak.victims import DOCKER_HITS, PROCESS_HITS, Hit, Run, small_disk

VERIFIER = str(Path(sys.executable).with_name("verifier"))
LONGEST = 300.0  # seconds that a run may take, whatever befalls it
CLEAN_WITHIN = 90.0  # seconds in which a watcher must have cleaned up after a verifier that was killed
STARTS = 1.0  # seconds in which Python itself may still be starting, when an interrupt is not the verifier's to handle
LOOK = 0.05  # seconds between two looks for somebody to hit
KILLED = -signal.SIGKILL
INTERRUPTED = 128 + signal.SIGINT
NO_VERDICT = 4
UNKNOWN = 3
# What a run without a verdict must name after such a hit.
CAUSES = {"store": ("store cache",), "watcher": ("watcher",), "disk": ("no space is left",)}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run that was hit. `wrong` says what should not have been."""

    runtime: str
    number: int
    release: str
    kind: str
    hit: str
    after: float  # seconds
    took: float  # seconds
    status: int
    wrong: tuple[str, ...]


def start(folder: Path, out: Path, temporary: Path, name: str, release: str, runtime: str) -> psutil.Popen:
    file = matrix.write(folder, name, release, runtime)
    # From the cache, a run has nothing that could be hit.
    command = [VERIFIER, "run", str(file), "--runtime", runtime, "--out", str(out), "--no-cache"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (folder / "told.txt").open("wb") as told:
        return psutil.Popen(
            command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=environment, start_new_session=True
        )


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


def misjudged(kind: str, hit: str, found: Ended, quiet: Ended, told: str) -> list[str]:
    """What is wrong about a status."""
    if found.status == quiet.status:
        return ["violations that a quiet run has not"] if found.violations - quiet.violations else []
    if hit and kind == "verifier" and found.status == KILLED:
        return []
    if hit and kind == "interrupt" and found.status == INTERRUPTED:
        return []
    if hit and kind == "replica" and found.status == UNKNOWN:
        return []
    if hit and found.status == NO_VERDICT and found.verdict in ("", "error"):
        causes = CAUSES.get(kind, ())
        return [] if not causes or any(cause in told for cause in causes) else ["the cause is not named"]
    return [f"status {found.status} ({found.verdict or 'no verdict'})"]


def attempt(number: int, seed: int, runtime: str, kind: str, quiet: dict[str, tuple[Ended, float]]) -> Attempt:
    draw = random.Random(f"{seed}/{number}")
    release = draw.choice(sorted(quiet))
    right, longest = quiet[release]
    after = draw.uniform(0, longest)
    after = max(after, STARTS) if kind == "interrupt" else after
    name, began = f"soak-{os.getpid()}-{number}", time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix=f"{name}-") as text,
        tempfile.TemporaryDirectory(prefix=f"{name}-tmp-") as temporary,
        small_disk(Path(text)) as mounted,
    ):
        folder = Path(text)
        verifier = start(folder, folder / "run", Path(temporary), name, release, runtime)
        run = Run(name, verifier, folder / "run", draw)
        census = Census(name, verifier, runtime == "docker")
        hits = PROCESS_HITS if runtime == "process" else DOCKER_HITS
        with census.going_on():
            hit = "" if kind == "disk" and not mounted else strike(run, hits[kind], after)
            wrong = []
            try:
                status = verifier.wait(timeout=LONGEST)
            except psutil.TimeoutExpired:
                wrong.append(f"still runs after {LONGEST:g} s")
                verifier.kill()
                status = verifier.wait()
        took = time.monotonic() - began
        told = (folder / "told.txt").read_text(encoding="utf-8", errors="replace")
        wrong += misjudged(kind, hit, matrix.ended(status, run.out), right, told)
        if "Traceback" in told:
            wrong.append("a traceback")
        places = Path(temporary), run.out
        if not until(lambda: not census.left(*places), CLEAN_WITHIN if status == KILLED else 0.0):
            wrong.append(f"left: {', '.join(census.left(*places))}")
        if wrong:
            print(told, file=sys.stderr, flush=True)
    return Attempt(runtime, number, release, kind, hit, round(after, 2), round(took, 1), status, tuple(wrong))


def learn(runtime: str) -> dict[str, tuple[Ended, float]]:
    """The verdict of each release if nothing befalls it, and how many seconds its run takes."""
    learned = {}
    for release in matrix.RELEASES[runtime]:
        began, name = time.monotonic(), f"soak-{os.getpid()}-quiet"
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as text:
            folder = Path(text)
            (folder / "tmp").mkdir()
            verifier = start(folder, folder / "run", folder / "tmp", name, release, runtime)
            found = matrix.ended(verifier.wait(timeout=LONGEST), folder / "run")
            if found.status not in (0, 1):
                raise SystemExit((folder / "told.txt").read_text(encoding="utf-8"))
        learned[release] = found, time.monotonic() - began
        print(f"quiet {release}: status {found.status}, {learned[release][1]:.1f} s", flush=True)
    return learned
