"""Judging a run directory: from what is stored there, and from nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.errors import BadInput
from verifier.history.model import History, Timing
from verifier.history.store import read, write_value
from verifier.plan.model import Plan
from verifier.rehearsal.run_directory import stored_contracts, stored_plan, stored_timing
from verifier.report import html, junit, verdict_json

CHECK_ERRORS = "check-errors.txt"  # only there when a check has raised an exception
EXIT = {"pass": 0, "fail": 1, "unknown": 3}


def load_and_judge(directory: Path) -> tuple[Judgement, History, Plan]:
    """Raises BadInput when the directory is not a run."""
    if not (directory / "history").is_dir():
        raise BadInput.one(directory, "is not a run directory: it has no history")
    history, plan = read(directory), stored_plan(directory)
    return judge(history, stored_contracts(directory), plan), history, plan


def judge_new(directory: Path, timing: Timing, clock: Callable[[], float] = time.monotonic) -> Judgement:
    """Judge a run that has just ended, and store how long everything took beside it."""
    began = clock()
    judgement, history, plan = load_and_judge(directory)
    took = clock() - began
    timing = structs.replace(timing, judge_s=round(took, 3), total_s=round(timing.total_s + took, 3),
                     boot_s=round(timing.boot_s, 3), replay_s=round(timing.replay_s, 3))  # fmt: skip
    write_value(directory / "timing.json", timing)
    write_reports(directory, judgement, history, plan, timing)
    return judgement


def judge_again(directory: Path) -> tuple[Judgement, History, Plan, Timing]:
    """Judge a stored run with today's checks; the reports are written anew."""
    judgement, history, plan = load_and_judge(directory)
    timing = stored_timing(directory)
    write_reports(directory, judgement, history, plan, timing)
    return judgement, history, plan, timing


def write_reports(directory: Path, judgement: Judgement, history: History, plan: Plan, timing: Timing) -> None:
    _write_check_errors(directory / CHECK_ERRORS, judgement)
    for name, text in (
        ("verdict.json", verdict_json.render(judgement, history, plan, timing)),
        ("report.html", html.render(judgement, history, plan, timing)),
        ("junit.xml", junit.render(judgement, history, plan, timing)),
    ):
        part = directory / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(directory / name)


def _write_check_errors(file: Path, judgement: Judgement) -> None:
    """The tracebacks of checks that raised an exception; what an earlier judgement has left there goes."""
    if not judgement.errors:
        file.unlink(missing_ok=True)
        return
    texts = (f"{error.guarantee}: {error.message}\n\n{error.traceback}" for error in judgement.errors)
    file.write_text("\n".join(texts), encoding="utf-8")
