"""Random kills for a time: `python -m tests.soak --minutes N [--seed S] [--runtime process|docker] [--only KIND]`.

Quiet runs come first and teach the right verdicts and how long a run takes. Then each run is hit once, at a moment that
the seed draws. It must end with the right status and leave nothing behind:

- 0 or 1 only with the verdict of the quiet run, and a failure only with violations that the quiet run has, too;
- 3 only after a replica was killed, which is indeed not what the version does;
- 4 with no verdict or an error, and with a message that names a store, the watcher or the disk if that was hit;
- 130 after an interrupt; death by signal 9 after the verifier itself was killed.

Prints a line of JSON for each run, and a summary. Ends with status 1 if anything was wrong. With `--log FILE` the lines
are added to that file, a further call goes on where the last one ended, and the summary is of all of them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.soak.attempts import Attempt, attempt, learn
from tests.soak.victims import DOCKER_HITS, PROCESS_HITS


def stored(log: Path | None) -> list[Attempt]:
    if log is None or not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8").splitlines()
    return [Attempt(**{**value, "wrong": tuple(value["wrong"])}) for value in map(json.loads, lines)]


def keep(log: Path | None, one: Attempt) -> None:
    line = json.dumps(asdict(one))
    print(line, flush=True)
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def summary(done: Sequence[Attempt]) -> str:
    hits = [one for one in done if one.hit]
    left = [one for one in done if any(reason.startswith("left: ") for reason in one.wrong)]
    wrong = [one for one in done if one.wrong]
    ends = Counter(f"{one.runtime} {one.kind} -> {one.status}" for one in hits)
    table = "".join(f"\n  {count:4} {end}" for end, count in sorted(ends.items()))
    return (
        f"{len(hits)} of {len(done)} runs were hit; {len(wrong)} ended wrongly, "
        f"{len(left)} of these left something behind{table}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runtime", choices=("process", "docker"), default="process")
    parser.add_argument("--only", choices=sorted(PROCESS_HITS))
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a verifier ignores what it was started with as ignored
    deadline = time.monotonic() + 60 * options.minutes
    kinds = [options.only] if options.only else list(PROCESS_HITS if options.runtime == "process" else DOCKER_HITS)
    quiet = learn(options.runtime)
    done = stored(options.log)
    while time.monotonic() < deadline:
        number = sum(one.runtime == options.runtime for one in done)
        done.append(attempt(number, options.seed, options.runtime, kinds[number % len(kinds)], quiet))
        keep(options.log, done[-1])
    print(summary(done))
    return 1 if any(one.wrong for one in done) else 0


if __name__ == "__main__":
    sys.exit(main())
