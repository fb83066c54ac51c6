"""Fuzzes the command line with mutated matrices, contracts, guarantees, recordings, Compose files, manifests and runs.

    python -m tests.fuzz.command_line --mutants 10000 --seed 1

Each mutant is one file changed (`mutation.py`) and one command run on it in a child process, through the console
script's own entry. No service is started. A mutant fails if it ends with another status than 0, 1, 2 or 3, without a
message, with a traceback or a control character, takes more than 20 s of CPU time or 120 s, or needs more than 1 GB.
Equal seeds give equal mutants; `--only N` runs one of them and shows what it says. Progress goes to standard error,
and a summary stands at the end: mutants by kind and by status, what was wrong, and the slowest.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.command_line_inputs import write_inputs, write_run
from tests.fuzz.mutation import mutated
from tests.in_process import Told, call

SECONDS = 20.0  # CPU time; others may use the machine
WAITING = 120.0  # seconds
MEMORY = 1 << 30  # bytes beyond what the process has when it begins
BATCH = 200  # mutants of one child
PROGRESS = 500  # mutants between two lines of progress
_KINDS = {
    "matrix": ("in/words.yaml", "in/shop.yaml"),
    "contract": ("in/1.yaml", "in/2.yaml", "in/psp.yaml"),
    "guarantees": ("in/guarantees.yaml",),
    "recording": ("in/words.har", "in/words.jsonl", "in/words.gor"),
    "redact": ("in/secrets.har", "in/words.har", "in/words.jsonl", "in/words.gor"),
    "manifest": ("in/rest.yaml", "in/app.yaml"),
    "compose": ("in/compose.yaml", "in/compose.yaml", "in/new.yaml", "in/orders.env"),
    "run": ("run/plan.json", "run/inputs.json", "run/timing.json", "run/history/run.json", "run/history/steps.jsonl",
            "run/history/operations.jsonl", "run/history/replicas.jsonl", "run/history/notes.jsonl",
            "run/inputs/contracts/orders/2.1.yaml", "run/inputs/contracts/orders/guarantees.yaml"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """How a mutant ended. `reason` is "" unless that was wrong; `took` is CPU time in seconds."""

    number: int
    kind: str
    status: int
    reason: str = ""
    detail: str = ""
    took: float = 0.0


def _arguments(folder: Path, kind: str, file: str, draw: Random) -> list[str]:
    run, inputs = str(folder / "run"), folder / "in"
    if kind == "run":
        form = draw.choice(("text", "json", "html", "junit", "markdown"))
        return draw.choice((["judge", run], ["report", run, "--format", form]))
    if kind == "contract" and draw.random() < 0.5:
        form = draw.choice(("text", "json", "markdown"))
        return ["contract", str(inputs / "1.yaml"), str(inputs / "2.yaml"), "--format", form]
    if kind == "redact":
        return ["redact", str(folder / file), "--out", str(folder / "redacted.har")]
    if kind == "manifest":
        files = [word for name in ("app", "rest") for word in ("--from-kubernetes", str(inputs / f"{name}.yaml"))]
        images = ["--old", "shop/orders:1.4", "--new", "shop/orders:2.0"]
        return ["init", *files, "--service", "orders", *images, "--out", str(folder / "matrix.yaml")]
    if kind == "compose":
        new = draw.choice(("shop/orders:2.0", str(inputs / "new.yaml")))
        images = ["--old", "shop/orders:1.4", "--new", str(inputs / "new.yaml") if file == "in/new.yaml" else new]
        out = ["--recording", str(inputs / "words.har"), "--out", str(folder / "matrix.yaml")]
        return ["init", str(inputs / "compose.yaml"), "--service", "orders", *images, *out]
    matrices = {"in/words.jsonl": "jsonl.yaml", "in/words.gor": "gor.yaml", "in/shop.yaml": "shop.yaml"}
    return ["plan", str(inputs / matrices.get(file, "words.yaml")), "--format", draw.choice(("text", "json"))]


def run_one(base: Path, folder: Path, seed: int, number: int) -> tuple[str, Told]:
    """Run one mutant in `folder`, which is made new from `base`."""
    draw = Random(f"{seed}:{number}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder, symlinks=True, copy_function=_copy, ignore=shutil.ignore_patterns("pipe"))
    os.mkfifo(folder / "in" / "pipe")
    kind = draw.choice(tuple(_KINDS))
    file = draw.choice(_KINDS[kind])
    path = folder / file
    path.write_bytes(mutated(path.read_bytes(), path.name, draw))
    return f"{kind} ({file})", call(*_arguments(folder, kind, file, draw))


def _kind(seed: int, number: int) -> str:
    return Random(f"{seed}:{number}").choice(tuple(_KINDS))


def _copy(source: str, target: str) -> str:
    return shutil.copyfile(source, target, follow_symlinks=False)


def wrong(told: Told) -> str:
    """Why what a command said is no proper ending; "" if it is one."""
    if "Traceback (most recent call last)" in told.out + told.err or told.status == 70:
        return "traceback"
    if told.status == 4 and "no memory" in told.err:
        return "memory"
    if told.status not in (0, 1, 2, 3):
        return f"status {told.status}"
    if not told.out + told.err:
        return "no message"
    if any(not letter.isprintable() and letter != "\n" for letter in told.err):
        return "control character"
    return ""


def _child(base: Path, seed: int, numbers: range, pipe: int) -> None:
    """Write `begin N` and `end N KIND STATUS SECONDS WRONG DETAIL` for each mutant."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            os.write(pipe, f"begin {number}\n".encode())
            began = time.process_time()
            try:
                file, told = run_one(base, Path(folder) / "mutant", seed, number)
                reason = wrong(told)
            except MemoryError:
                file, told, reason = "?", Told(4, "", ""), "memory"
            lines = told.err.strip().splitlines()
            place = [line.strip() for line in lines if line.strip().startswith("File ")][-1:] + lines[-2:-1]
            detail = f"{file}: {' | '.join(place)[:300]}" if reason else ""
            values = (number, _kind(seed, number), told.status, time.process_time() - began, reason, detail)
            line = "\t".join(map(str, values))
            os.write(pipe, f"end {line}\n".encode(errors="replace"))


def fuzz(seed: int, numbers: range, seconds: float = float("inf")) -> Iterator[Found]:
    """How each mutant ended, for as many of them as the time allows."""
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for folder, write in (("in", write_inputs), ("run", write_run)):
            (base / folder).mkdir()
            write(base / folder)
        call("plan", base / "in" / "words.yaml")  # what is imported on the first use is no part of any mutant's time
        (base / "in" / "pipe").unlink()
        at = numbers.start
        while at < numbers.stop and time.monotonic() < until:
            for found in _batch(base, seed, range(at, min(at + BATCH, numbers.stop)), until):
                at = found.number + 1
                yield found


def _batch(base: Path, seed: int, numbers: range, until: float) -> Iterator[Found]:
    """Ends early after a mutant that hangs or kills the child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            _child(base, seed, numbers, writing)
        finally:
            os._exit(0)
    os.close(writing)
    current, began, used, text = numbers.start - 1, time.monotonic(), _cpu(pid), b""
    try:
        while time.monotonic() < until:
            ready, _, _ = select.select([reading], [], [], 0.5)
            if ready and not (chunk := os.read(reading, 65536)):
                break
            text += chunk if ready else b""
            *lines, text = text.split(b"\n")
            for line in lines:
                word, _, rest = line.decode().partition(" ")
                if word == "begin":
                    current, began, used = int(rest), time.monotonic(), _cpu(pid)
                else:
                    number, kind, status, took, reason, detail = rest.split("\t", 5)
                    yield Found(int(number), kind, int(status), reason, detail, float(took))
                    current = -1
            if current >= 0 and (_cpu(pid) - used > SECONDS or time.monotonic() - began > WAITING):
                yield Found(current, _kind(seed, current), -1, "hang", took=_cpu(pid) - used)
                return
        else:
            return
        if current >= 0:
            yield Found(current, _kind(seed, current), -1, "died")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)


def _cpu(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.command_line")
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="the most time that it may take")
    parser.add_argument("--only", type=int, help="run this mutant alone, without limits, and show what it says")
    given = parser.parse_args(arguments)
    if given.only is not None:
        with tempfile.TemporaryDirectory() as name:
            base = Path(name) / "base"
            for folder, write in (("in", write_inputs), ("run", write_run)):
                (base / folder).mkdir(parents=True)
                write(base / folder)
            kind, told = run_one(base, Path(name) / "mutant", given.seed, given.only)
        print(kind, told.status, told.out[-2000:], told.err[-6000:], sep="\n")
        return 0
    statuses: Counter[int] = Counter()
    failures: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    slowest: list[tuple[float, int]] = []
    for mutant in fuzz(given.seed, range(given.first, given.first + given.mutants), given.seconds):
        statuses[mutant.status] += 1
        kinds[mutant.kind] += 1
        slowest = sorted([*slowest, (mutant.took, mutant.number)], reverse=True)[:3]
        if mutant.reason:
            failures[mutant.reason] += 1
            print(f"mutant {mutant.number}: {mutant.reason}: {mutant.detail}", flush=True)
        if sum(statuses.values()) % PROGRESS == 0:
            print(f"{sum(statuses.values())} mutants, {failures.total()} failures", file=sys.stderr, flush=True)
    ends = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    print(f"{sum(statuses.values())} mutants of seed {given.seed}; statuses: {ends}")
    print("kinds: " + ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items())))
    print("failures: " + (", ".join(f"{count} × {reason}" for reason, count in failures.items()) or "none"))
    print("slowest, in seconds of CPU time: " + ", ".join(f"{took:.1f} (mutant {number})" for took, number in slowest))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
