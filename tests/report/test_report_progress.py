"""Progress: plain lines where nobody looks at a terminal, a bar where somebody does."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import report_values as values

from verifier.cli.progress import Progress
from verifier.plan.model import Path, Plan, Replay
from verifier.rehearsal.events import Doing, Event, PathBegan, ReplayEnded, RunBegan, StepBegan, StepEnded

PLAN: Plan = values.plan()
PATH: Path = PLAN.paths[0]
STEP = PATH.steps[0]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def events(error: str = "") -> list[Event]:
    return [
        RunBegan(PLAN, "process", "no engine answers", "/runs/1"),
        Doing("providing images"),
        PathBegan(PATH),
        StepBegan(STEP),
        ReplayEnded(STEP),
        StepEnded(STEP, error, 1.26),
    ]


def printed(stream: io.StringIO, error: str = "") -> str:
    with Progress(stream) as progress:
        for event in events(error):
            progress(event)
    return stream.getvalue()


def test_without_a_terminal_each_step_is_a_line_with_its_seconds() -> None:
    assert printed(io.StringIO()).splitlines() == [
        "checkout-retry on process (no engine answers), seed 7: 2 paths, 6 steps, 0 replays; writes /runs/1",
        "providing images",
        "control-old-1: 1 steps on fresh stores",
        "  [1/6] control-old-1.1 start in control-old-1.1: 1.3 s, 0 replays; orders 2×1.4, payments 1×1.2",
    ]


def test_a_step_that_was_not_completed_says_why() -> None:
    last = printed(io.StringIO(), "orders 2.1 did not become ready\x1b[2J\nTraceback …").splitlines()[-1]
    assert last.endswith("not completed: orders 2.1 did not become ready\\x1b[2J")


def test_on_a_terminal_there_is_a_bar_and_the_same_lines() -> None:
    shown = printed(Terminal())
    assert "control-old-1.1 start in control-old-1.1: 1.3 s" in shown
    assert "\x1b[?25l" in shown  # the cursor is hidden while the bar lives


def test_the_cursor_comes_back_when_the_run_breaks() -> None:
    stream = Terminal()
    try:
        with Progress(stream) as progress:
            progress(events()[0])
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_of_steps_side_by_side_the_bar_names_all(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(STEP, id="control-old-2.1")
    shown: list[str] = []
    with Progress(Terminal()) as progress:
        monkeypatch.setattr(progress, "_show", shown.append)
        for event in (RunBegan(PLAN, "process", "", ""), StepBegan(STEP), StepBegan(other), StepEnded(STEP, "", 1.0)):
            progress(event)
    assert shown == [
        f"control-old-1.1 {STEP.description}",
        "control-old-1.1, control-old-2.1",
        f"control-old-2.1 {STEP.description}",
    ]


def test_the_bar_counts_replays_and_steps() -> None:
    step = values.plan().paths[0].steps[0]
    replays = (Replay("r1", "s1", ("1.4",)), Replay("r2", "s1", ("1.4",)))
    plan = replace(PLAN, paths=(replace(PATH, steps=(replace(step, replays=replays),)),))
    with Progress(Terminal()) as progress:
        for event in (
            RunBegan(plan, "process", "", ""),
            ReplayEnded(step),
            ReplayEnded(step),
            StepEnded(step, "", 1.0),
        ):
            progress(event)
        assert progress.done == (3, 3)
