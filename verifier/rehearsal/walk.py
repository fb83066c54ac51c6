"""Walks a plan on a runtime: its paths side by side, as far as they do not need to know of each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from msgspec import structs

from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.errors import BrokenEnvironment
from verifier.history import parts
from verifier.history.clock import run_clock
from verifier.history.model import History, Note, RunInfo, Timing
from verifier.history.store import HistoryWriter, merge, read, write_value
from verifier.plan.confirmation import confirmation
from verifier.plan.faults import Key
from verifier.plan.model import Path as PlanPath
from verifier.plan.model import Plan
from verifier.rehearsal.cell import Cell, EndedEarly
from verifier.rehearsal.cell_cache import CellCache, StoredCell, store_cell
from verifier.rehearsal.confirming import targets
from verifier.rehearsal.events import ConfirmationBegan, Doing, Emit, PathCached, RunBegan
from verifier.rehearsal.first_records import preparation_notes, run_info
from verifier.rehearsal.frozen_heap import frozen_heap
from verifier.rehearsal.keeping import Keeping
from verifier.rehearsal.learned import Learned
from verifier.rehearsal.path_run import PathRun
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.remote import Elsewhere, RemoteRun
from verifier.rehearsal.run_directory import keep_inputs, stored_contracts, templates_of, tidy
from verifier.rehearsal.schedule import side_by_side
from verifier.rehearsal.share import digest
from verifier.rehearsal.specs import image_digests, provide
from verifier.rehearsal.templates import Templates
from verifier.rehearsal.wiring import masked, masking
from verifier.replay.budget import Budget, PathBudget
from verifier.replay.turns import Machine
from verifier.runtime.base import RunsImages, Runtime


@dataclass(slots=True)
class Rehearsal:
    """One run of a plan. `directory` must exist and be empty. Afterwards it contains everything that `judge` needs.

    `parallel` is how many paths run at a time. The history does not depend on it, except for its times.
    """

    prepared: Prepared
    runtime: Runtime | Elsewhere
    why: str
    directory: Path
    emit: Emit
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    parallel: int = 1
    cache: CellCache | None = None
    share: Collection[str] | None = None  # ids of the paths that count in a merged run; None for all
    templates: Templates | None = None  # that other runs share; by default it has its own
    judged: tuple[Judgement, History, Plan] | None = None  # of the whole run, if there was nothing to confirm
    ended_early: bool = False
    _began: float = field(default=0.0)
    _opening: float = 0.0
    _judging: float = 0.0
    _now: Callable[[], float] = field(default=time.monotonic)
    _runs: list[Cell] = field(default_factory=list)
    _machine: Machine = field(default_factory=Machine)
    _keeping: Keeping | None = None
    _digest: str = ""  # of the plan with its inputs, for cells that run elsewhere
    _cached: list[Cell] = field(default_factory=list)
    _templates: Templates = field(init=False)

    def __post_init__(self) -> None:
        self._templates = self.templates or Templates(templates_of(self.directory))

    @property
    def timing(self) -> Timing:
        """The durations so far. Those of paths that ran side by side are added up."""
        boot = self._opening + sum(run.boot for run in self._runs)
        return Timing(self.clock() - self._began, boot, sum(run.replaying for run in self._runs), self._judging)

    async def run(self) -> Timing:
        """Run the plan, or a share of it, whose paths are then kept apart for `merging.py`.

        Raises BrokenEnvironment. In any case the runtime is closed and the history is complete.
        """
        write_value(self.directory / "plan.json", self.prepared.plan)
        keep_inputs(self.directory, self.prepared)
        await self._recorded(preparation_notes(self.prepared), self._walk)
        for run in self._runs if self.share is not None else ():
            store_cell(run.folder, run.stored or StoredCell(self.wall(), run.counts, run.learned.stored()), run.logs)
        return self.timing

    async def repeat(self, paths: Sequence[PlanPath], known: Learned, notes: Iterable[Note]) -> Timing:
        """Walk the confirmation of a run whose plan, inputs and other paths are in the run directory already.

        `known` is what they have taught, and `notes` are those of the run that belong to no path. Raises
        BrokenEnvironment.
        """

        async def walk(writer: HistoryWriter) -> None:
            await self._repeat(paths, known, writer)

        await self._recorded(notes, walk)
        return self.timing

    async def one(self, path: PlanPath, number: int, known: Learned, seconds: float | None, tried: set[Key]) -> Cell:
        """Walk one path of a run that goes on elsewhere; `share` must be (). Raises BrokenEnvironment.

        `seconds` are for its replays, None for those of a confirmation. `tried` has the kinds of faults that controls
        with all old have tried; this path adds its own.
        """
        plan = replace(self.prepared.plan, paths=(path,))

        async def walk(writer: HistoryWriter) -> None:
            budget = None if seconds is None else Budget(seconds, plan, self._now, tried=tried)
            await self._side_by_side([self._run(path, known, budget, number)])

        await self._recorded((), walk)
        return self._runs[0]

    async def _recorded(self, notes: Iterable[Note], walk: Callable[[HistoryWriter], Awaitable[None]]) -> None:
        self._began = self.clock()
        self._now = run_clock(self.clock, self._began)
        prepared, directory = self.prepared, self.directory
        if prepared.credentials is None and prepared.names_secrets:
            raise ValueError("prepared without the credentials that the matrix names: this can be shown but not run")
        writer = HistoryWriter(directory, self._first_record())
        self.emit(RunBegan(prepared.plan, self.runtime.name, self.why, str(directory)))
        try:
            add = masking(prepared, writer.add)
            for note in notes:
                add(note)
            with frozen_heap():
                await self._on_runtime(writer, walk)
            writer.finish()
        except BrokenEnvironment as broken:
            why = masked(prepared, str(broken))
            writer.add(Note("", "environment", why))
            raise BrokenEnvironment(why) from None
        except (asyncio.CancelledError, KeyboardInterrupt):
            writer.add(Note("", "interrupted", "the run was interrupted: what comes later was not tested"))
            raise
        finally:
            try:
                writer.close()
                if self.share is None:
                    merge(directory)
            finally:
                tidy(directory, prepared.credentials)

    def _first_record(self) -> RunInfo:
        return structs.replace(run_info(self.prepared, self.runtime.name), at=round(self.wall(), 3), unfinished=True)

    async def _on_runtime(self, writer: HistoryWriter, walk: Callable[[HistoryWriter], Awaitable[None]]) -> None:
        try:
            self.emit(Doing(f"opening the {self.runtime.name} runtime"))
            await self.runtime.open()
            if isinstance(self.runtime, Elsewhere):
                self._digest = digest(self.prepared)
            else:
                self.emit(Doing("providing images"))
                await provide(self.prepared.matrix, self.runtime, self.directory)
                if isinstance(self.runtime, RunsImages):
                    writer.learn_images(await image_digests(self.prepared.matrix, self.runtime, self.directory))
                if self.cache is not None:
                    self._keeping = Keeping(self.cache, self.prepared, self.runtime, self.directory, self.wall)
                    await self._keeping.begin()
            self._opening = self._now()
            try:
                await walk(writer)
            except EndedEarly:
                self.ended_early = True
                del self._runs[1:]
                parts.drop(self.directory, [self._runs[0].folder])
                return
            if self._keeping is not None:
                await self._keeping.keep(self._runs)
            sent, answered, failed = (sum(counts) for counts in zip(*(run.counts for run in self._runs), strict=True))
            if sent != answered + failed:
                writer.add(Note("", "count", f"{sent} sent, {answered} answered, {failed} failed"))
                self.judged = None
        finally:
            await self.runtime.close()

    async def _walk(self, writer: HistoryWriter) -> None:
        """The controls with all old, which the other paths learn from; then these; then the confirmation."""
        plan = self.prepared.plan
        # The paths share the budget of time, and together they use it up as much sooner as they run side by side.
        budget = Budget(self.prepared.matrix.budget * self.parallel, plan, self._now)
        old = [path for path in plan.paths if path.kind == "control-old"]
        await self._side_by_side([self._run(path, Learned(), budget) for path in old])
        known = Learned.of(run.learned for run in self._runs)
        others = [path for path in plan.paths if path.kind != "control-old"]
        for path in others:
            if not self._is_mine(path):
                budget.leave(path.id)
        await self._side_by_side([self._run(path, known, budget) for path in others if self._is_mine(path)])
        for run in self._cached:
            writer.add(Note("", "cached", f"{run.path.id} was taken from the cache, because nothing of it has changed"))
        if self.share is None:
            await self._confirm(writer)

    def _is_mine(self, path: PlanPath) -> bool:
        return self.share is None or path.id in self.share

    async def _confirm(self, writer: HistoryWriter) -> None:
        """Repeat what would fail the run, within the budget. Does nothing without a finding."""
        writer.flush()
        began = self._now()
        plan, history = self.prepared.plan, read(self.directory)
        history = structs.replace(history, run=structs.replace(history.run, unfinished=False))
        judgement = judge(history, stored_contracts(self.directory), plan)
        paths = () if plan.repeated else confirmation(plan, targets(judgement, history, plan))
        self._judging = self._now() - began
        if not paths:
            self.judged = (judgement, history, plan)
            return
        await self._repeat(paths, Learned.of(run.learned for run in self._runs), writer)

    async def _repeat(self, paths: Sequence[PlanPath], known: Learned, writer: HistoryWriter) -> None:
        write_value(self.directory / "plan.json", replace(self.prepared.plan, confirmation=tuple(paths)))
        self.emit(ConfirmationBegan(tuple(paths)))
        until = self.clock() + self.prepared.matrix.budget
        runs = [self._run(path, known) for path in paths]

        async def unless_late(run: Cell) -> None:
            if self.clock() >= until:
                why = f"{run.path.id} was not run: the confirmation has used up its budget"
                writer.add(Note("", "not-run", why))
            else:
                await run.run()

        await side_by_side([partial(unless_late, run) for run in runs], self.parallel)

    def _run(self, path: PlanPath, known: Learned, budget: Budget | None = None, place: int = 0) -> Cell:
        """The run of a path, which has not begun. Numbers follow the plan, whatever begins first."""
        plan = self.prepared.plan
        places = {entry.id: place for place, entry in enumerate(plan.paths, 1)}
        again = sum(run.path.confirms for run in self._runs)
        number = place or places.get(path.id, len(plan.paths) + again + 1)
        own = None if budget is None else PathBudget(budget, path.id)
        run: Cell
        if isinstance(self.runtime, Elsewhere):
            run = RemoteRun(
                path=path,
                number=number,
                directory=self.directory,
                emit=self.emit,
                known=known,
                budget=own,
                elsewhere=self.runtime,
                digest=self._digest,
            )
        else:
            run = PathRun(
                path=path,
                number=number,
                directory=self.directory,
                emit=self.emit,
                known=known,
                budget=own,
                prepared=self.prepared,
                runtime=self.runtime.cell(str(number)),
                now=self._now,
                templates=self._templates,
                beside=self.parallel,
                machine=self._machine,
                wall=self.wall,
            )
        self._runs.append(run)
        return run

    async def _side_by_side(self, runs: Sequence[Cell]) -> None:
        """The longest first where several run at a time: nothing can end before the rollout does."""
        order = list(runs) if self.parallel == 1 else sorted(runs, key=lambda run: -len(run.path.steps))
        await side_by_side([partial(self._unless_cached, run) for run in order], self.parallel)

    async def _unless_cached(self, run: Cell) -> None:
        found = None if self._keeping is None else self._keeping.take(run)
        if found is None:
            await run.run()
            if run.stored is not None:  # a worker had it in its cache
                self._cached.append(run)
            return
        run.stored = found
        run.learned, run.counts = Learned.restored(found.learned), found.counts
        if run.budget is not None:
            run.budget.whole.was_tried(run.path)
            run.budget.leave()
        self._cached.append(run)
        self.emit(PathCached(run.path, found.at))
