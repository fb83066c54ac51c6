"""From a stored run and one of its violations to the folder of the smallest reproduction."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from verifier.errors import BadInput
from verifier.plan.model import Plan
from verifier.runtime.select import Selection
from verifier.shrink.folder import PYTEST, Written, write, write_texts
from verifier.shrink.opening import StoredViolation, open_run
from verifier.shrink.search import Say, Search, Smallest, told_size
from verifier.shrink.sought import Sought
from verifier.shrink.trial import Bench, Candidate, CarryOut, States, side_by_side

RETRIES = 2  # larger parts that are written where the smallest one does not show the violation by itself


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What was found: sentences about it, and the command that runs it."""

    folder: Path
    line: str
    told: tuple[str, ...]
    written: Written


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a folder (None: named after the violation), the seconds that the search may take, how often
    each candidate is tried, whether to write a test for pytest, and the runtime (None: that of the run).
    """

    output: Path | None = None
    budget: float = 300.0
    tries: int = 5
    pytest: bool = False
    runtime: str | None = None


def reproduce(
    run: Path,
    violation: str,
    wanted: Wanted,
    select: Callable[[str], Selection],
    carry_out: CarryOut,
    say: Say,
    clock: Callable[[], float] = time.monotonic,
) -> Reproduction | None:
    """Search, and write what was found; None if nothing shows the violation again.

    `carry_out` runs a rehearsal to its end. Raises BadInput and BrokenEnvironment; then no folder is written.
    """
    folder = wanted.output or Path(f"reproduction-{violation}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput.one(folder, "already exists and is not an empty folder", key="--output")
    opened = open_run(run, violation)
    chosen = select(wanted.runtime or opened.history.run.runtime)
    sought = Sought.of(opened.violation)
    bench = Bench(
        opened.prepared, opened.plan, sought, opened.replays, opened.proven.made_up, chosen, carry_out, wanted.tries
    )
    say(f"looking for the smallest reproduction of {sought}")
    found = Search(bench, wanted.budget, say, clock).run(opened.proven.steps)
    if found is None:
        return None
    for states, candidate in ((found.states, found.candidate), *found.larger[:RETRIES]):
        made = _written(opened, bench, states, candidate, run, folder, wanted.pytest, clock)
        if made is not None:
            return _told(folder, bench, found, (states, candidate), made, chosen.name, wanted.pytest)
        say(f"{told_size(candidate)} by themselves do not show it")
    return None


def _written(
    opened: StoredViolation, bench: Bench, states: States, candidate: Candidate, run: Path, folder: Path, pytest: bool,
    clock: Callable[[], float],
) -> Written | None:  # fmt: skip
    """Write the folder and run what stands in it. None, and no folder, if that does not show the violation."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        prepared = write(opened, bench, states, candidate, run, part)
        began = clock()
        sighting = bench.seen_alone(prepared)
        written = Written(prepared.plan, sighting, clock() - began)
        if not sighting.shown:
            return None
        write_texts(part, opened, written, command(folder, prepared.plan, bench.runtime.name), pytest)
        if folder.exists():
            folder.rmdir()
        part.replace(folder)
        return written
    except OSError as error:
        if isinstance(error.filename, str | Path) and part in (Path(error.filename), *Path(error.filename).parents):
            raise BadInput.one(folder, f"cannot be written: {error.strerror}", key="--output") from None
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def command(folder: Path, plan: Plan, runtime: str) -> str:
    """The line that runs a reproduction."""
    matrix, file = shlex.quote(str(folder / "matrix.yaml")), shlex.quote(str(folder / "plan.json"))
    return f"verifier run {matrix} --plan {file} --seed {plan.seed} --runtime {runtime} --parallel {side_by_side(plan)}"


def _told(
    folder: Path, bench: Bench, found: Smallest, part: tuple[States, Candidate], made: Written, runtime: str,
    pytest: bool,
) -> Reproduction:  # fmt: skip
    states, candidate = part
    mixed = [step for path in made.plan.paths if path.kind == "rollout" for step in path.steps]
    sentences = [
        f"{bench.sought}: {told_size(candidate)} in {len(mixed)} state{'s' if len(mixed) != 1 else ''} of the rollout"
        f"{' with live traffic' if states.live else ''}.",
        f"Run by itself, it has shown the violation in {made.sighting}, in {made.seconds:.1f} s, beside its controls.",
        f"The search took {bench.runs} rehearsals.",
    ]
    if not found.minimal:
        sentences.append("The budget was used up: a smaller one may exist.")
    if candidate != found.candidate:
        sentences.append(f"A smaller part, {told_size(found.candidate)}, showed it only beside others.")
    files = f"{folder}: matrix.yaml, plan.json, recording.har, contracts/, README.md{f', {PYTEST}' if pytest else ''}"
    return Reproduction(folder, command(folder, made.plan, runtime), (*sentences, files), made)
