"""Progress of a run for people: a live bar on a terminal, one line per step elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TextIO

from rich import progress as bars
from rich.console import Console
from rich.markup import escape
from rich.table import Column

from verifier.plan.model import PlannedStep
from verifier.printable import printable
from verifier.rehearsal.events import (
    ConfirmationBegan,
    Doing,
    Event,
    PathBegan,
    PathCached,
    ReplayEnded,
    RunBegan,
    StepBegan,
    StepEnded,
)
from verifier.report.phrasing import mixture


class Progress:
    """Consumes the events of a run. It is a context manager, which removes the bar on exit.

    The bar counts replays and steps, so that a step without replays moves it too. On a stream that is not a terminal
    it prints one line per path, step and lengthy preparation, and redraws nothing.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar = _bar(stream) if stream.isatty() else None
        self._task: bars.TaskID | None = None
        self._position = 0
        self._under_way: dict[str, str] = {}  # by step: what the paths that run side by side do now
        self._steps = 0

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def done(self) -> tuple[int, int]:
        """The bar's position and total; (0, 0) if there is no bar."""
        if self._bar is None or not self._bar.tasks:
            return 0, 0
        task = self._bar.tasks[0]
        return int(task.completed), int(task.total or 0)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunBegan):
            self._began(event)
        elif isinstance(event, PathBegan):
            self._say(f"{event.path.id}: {len(event.path.steps)} steps on fresh stores")
        elif isinstance(event, PathCached):
            self._cached(event)
        elif isinstance(event, ConfirmationBegan):
            self._confirming(event)
        elif isinstance(event, StepBegan):
            self._under_way[event.step.id] = f"{event.step.id} {event.step.description}"
            self._show_steps()
        elif isinstance(event, ReplayEnded):
            self._advance()
        elif isinstance(event, StepEnded):
            self._ended(event)
        elif isinstance(event, Doing):
            self._doing(event)

    def _began(self, event: RunBegan) -> None:
        plan = event.plan
        replays = sum(len(step.replays) for step in plan.steps)
        self._steps = len(plan.steps)
        self._say(
            f"{plan.matrix} on {event.runtime} ({event.why}), seed {plan.seed}: "
            f"{len(plan.paths)} paths, {self._steps} steps, {replays} replays; writes {event.directory}"
        )
        if self._bar is not None:
            self._task = self._bar.add_task("", total=replays + self._steps)

    def _confirming(self, event: ConfirmationBegan) -> None:
        steps = [step for path in event.paths for step in path.steps]
        self._steps += len(steps)
        self._say(f"repeating what was found, to confirm it: {len(event.paths)} paths, {len(steps)} steps")
        if self._bar is not None and self._task is not None:
            total = self.done[1] + len(steps) + sum(len(step.replays) for step in steps)
            self._bar.update(self._task, total=total)

    def _cached(self, event: PathCached) -> None:
        steps = event.path.steps
        self._position += len(steps)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.at))
        self._say(f"{event.path.id}: {len(steps)} steps taken from the cache; they ran until {when}")
        for _ in range(len(steps) + sum(len(step.replays) for step in steps)):
            self._advance()

    def _ended(self, event: StepEnded) -> None:
        self._position += 1
        self._under_way.pop(event.step.id, None)
        self._say(step_line(event, self._position, self._steps))
        self._advance()
        self._show_steps()

    def _show_steps(self) -> None:
        """One step with its description; of several the ids, so that all of them fit in the line."""
        steps = self._under_way
        self._show(", ".join(steps) if len(steps) > 1 else "".join(steps.values()))

    def _doing(self, event: Doing) -> None:
        if self._bar is None:
            self._say(event.what)
        elif self._task is not None:
            self._show(event.what)

    def _advance(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def _show(self, text: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=escape(printable(text)))

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(escape(printable(text)), highlight=False, soft_wrap=True)
        else:
            print(printable(text), file=self._stream, flush=True)


def step_line(event: StepEnded, position: int, total: int) -> str:
    """One finished step: its number, id, seconds and mixture, and the first line of its error."""
    step: PlannedStep = event.step
    line = f"  [{position}/{total}] {step.id} {step.description}: {event.seconds:.1f} s, {len(step.replays)} replays"
    if event.error:
        return f"{line}; not completed: {event.error.splitlines()[0]}"
    return f"{line}; {mixture(step.state)}"


def _bar(stream: TextIO) -> bars.Progress:
    # The description comes last and is truncated, so that counts and time stay readable on a narrow terminal.
    doing = bars.TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
    return bars.Progress(
        bars.SpinnerColumn(),
        bars.BarColumn(bar_width=24),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        doing,
        console=Console(file=stream),
        expand=True,
        transient=True,
    )
