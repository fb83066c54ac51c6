"""Judges a run directory, from the files stored there and nothing else."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.errors import BadInput, BrokenEnvironment
from verifier.files import is_folder
from verifier.history.model import History, Timing
from verifier.history.store import read, write_value
from verifier.plan.model import Plan
from verifier.rehearsal.run_directory import is_shard, stored_contracts, stored_plan, stored_timing
from verifier.report.formats import FORMATS

CHECK_ERRORS = "check-errors.txt"  # exists only if a check raised an exception
EXIT = {"pass": 0, "fail": 1, "unknown": 3}


def load_and_judge(directory: Path) -> tuple[Judgement, History, Plan]:
    """Read and judge a run directory. Raises BadInput if it is not one, BrokenEnvironment if its environment broke."""
    if is_shard(directory):
        raise BadInput.one(directory, "is a part of a run; `verifier merge` puts all of them together")
    if not is_folder(directory / "history"):
        raise BadInput.one(directory, "is not a run directory: it has no history")
    with without_collector():
        return _read_and_judge(directory)


def _read_and_judge(directory: Path) -> tuple[Judgement, History, Plan]:
    history, plan = read(directory), stored_plan(directory)
    if broken := next((note for note in history.notes if note.kind == "environment"), None):
        raise BrokenEnvironment(broken.message)
    return judge(history, stored_contracts(directory), plan), history, plan


@contextmanager
def without_collector() -> Iterator[None]:
    """Judging makes many values and no cycles, which the collector would look for among all of them again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def judge_new(
    directory: Path,
    timing: Timing,
    clock: Callable[[], float] = time.monotonic,
    judged: tuple[Judgement, History, Plan] | None = None,
) -> tuple[Judgement, History, Plan, Timing]:
    """Judge a run that has just ended, unless it was `judged` at its end; store the reports and the durations."""
    began = clock()
    judgement, history, plan = judged or load_and_judge(directory)
    took = clock() - began
    timing = structs.replace(timing, judge_s=round(timing.judge_s + took, 3), total_s=round(timing.total_s + took, 3),
                     boot_s=round(timing.boot_s, 3), replay_s=round(timing.replay_s, 3))  # fmt: skip
    write_value(directory / "timing.json", timing)
    write_reports(directory, judgement, history, plan, timing)
    return judgement, history, plan, timing


def judge_again(directory: Path) -> tuple[Judgement, History, Plan, Timing]:
    """Judge a stored run with the current checks, and rewrite its reports."""
    judgement, history, plan = load_and_judge(directory)
    timing = stored_timing(directory)
    write_reports(directory, judgement, history, plan, timing)
    return judgement, history, plan, timing


def write_reports(directory: Path, judgement: Judgement, history: History, plan: Plan, timing: Timing) -> None:
    """Every file is rendered before the first is written, and none is ever half written.

    The tracebacks of checks that raised an exception lie beside the reports, and only when there are any.
    """
    texts = {entry.file: entry.render(judgement, history, plan, timing) for entry in FORMATS if entry.file}
    if judgement.errors:
        texts[CHECK_ERRORS] = "\n".join(
            f"{error.guarantee}: {error.message}\n\n{error.traceback}" for error in judgement.errors
        )
    write_texts(directory, texts)
    if not judgement.errors:
        (directory / CHECK_ERRORS).unlink(missing_ok=True)


def write_texts(directory: Path, texts: Mapping[str, str]) -> None:
    """Write each file beside its name and rename it, so that none is ever half written."""
    for name, text in texts.items():
        part = directory / f"{name}.part"
        try:
            part.write_text(text, encoding="utf-8")
        except OSError:
            part.unlink(missing_ok=True)
            raise
        part.replace(directory / name)
