"""Walks a plan on a runtime. Each step is a transition under live traffic, then replays, then the read-back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from verifier.checks.judge import judge
from verifier.errors import BrokenEnvironment
from verifier.history.clock import run_clock
from verifier.history.model import NOT_COMPLETED, Note, Step, Timing
from verifier.history.store import HistoryWriter, read, write_value
from verifier.http.client import WireClient
from verifier.plan.confirmation import confirmation
from verifier.plan.model import Path as PlanPath
from verifier.plan.model import PlannedStep
from verifier.rehearsal import early_end
from verifier.rehearsal.cohorts import Cohorts
from verifier.rehearsal.confirming import targets
from verifier.rehearsal.events import (
    ConfirmationBegan,
    Doing,
    Emit,
    PathBegan,
    ReplayEnded,
    RunBegan,
    StepBegan,
    StepEnded,
)
from verifier.rehearsal.frozen_heap import frozen_heap
from verifier.rehearsal.ground import Ground
from verifier.rehearsal.logged import LoggedLines
from verifier.rehearsal.prepare import Prepared, preparation_notes, run_info
from verifier.rehearsal.run_directory import keep_inputs, tidy
from verifier.rehearsal.starting import StepFailed
from verifier.rehearsal.system import System
from verifier.rehearsal.wiring import replay_context
from verifier.replay.backlog import Backlog
from verifier.replay.budget import Budget
from verifier.replay.context import ReplayContext
from verifier.replay.late_removal import LateRequests
from verifier.replay.live import live_traffic
from verifier.replay.readback import sweep
from verifier.replay.session import SessionReplayer
from verifier.runtime.base import Runtime


@dataclass(slots=True)
class Rehearsal:
    """One run of a plan. `directory` must exist and be empty. Afterwards it contains everything that `judge` needs."""

    prepared: Prepared
    runtime: Runtime
    why: str
    directory: Path
    emit: Emit
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    boot: float = 0.0
    replaying: float = 0.0
    _budget: Budget | None = None
    _began: float = field(default=0.0)
    _now: Callable[[], float] = field(default=time.monotonic)
    _ended_early: bool = False
    _ground: Ground = field(init=False)

    @property
    def timing(self) -> Timing:
        """The durations so far."""
        return Timing(self.clock() - self._began, self.boot, self.replaying, 0.0)

    async def run(self) -> Timing:
        """Run the plan. Raises BrokenEnvironment. In any case the runtime is closed and the history is complete."""
        self._began = self.clock()
        self._now = run_clock(self.clock, self._began)
        prepared, directory = self.prepared, self.directory
        if prepared.credentials is None and prepared.names_secrets:
            raise ValueError("prepared without the credentials that the matrix names: this can be shown but not run")
        write_value(directory / "plan.json", prepared.plan)
        keep_inputs(directory, prepared)
        writer = HistoryWriter(directory, structs.replace(run_info(prepared, self.runtime.name), unfinished=True))
        self.emit(RunBegan(prepared.plan, self.runtime.name, self.why, str(directory)))
        try:
            with frozen_heap():
                await self._on_runtime(writer)
            writer.finish()
        except BrokenEnvironment as broken:
            why = self._masked(str(broken))
            writer.add(Note("", "environment", why))
            raise BrokenEnvironment(why) from None
        except (asyncio.CancelledError, KeyboardInterrupt):
            writer.add(Note("", "interrupted", "the run was interrupted: what comes later was not tested"))
            raise
        finally:
            try:
                writer.close()
            finally:
                tidy(directory, prepared.credentials)
        return self.timing

    def _masked(self, text: str) -> str:
        """A text from a service, with the secrets of real accounts masked."""
        secrets = self.prepared.credentials
        return text if secrets is None else secrets.mask_text(text)

    async def _on_runtime(self, writer: HistoryWriter) -> None:
        secrets = self.prepared.credentials
        add = writer.add if secrets is None else lambda record: writer.add(secrets.mask(record))
        record = LoggedLines(self.directory / "logs", add, self._now)
        client = WireClient(clock=self._now)
        context: ReplayContext | None = None
        for note in preparation_notes(self.prepared):
            record(note)
        try:
            self.emit(Doing(f"opening the {self.runtime.name} runtime"))
            self._ground = Ground(self.runtime, self.directory)
            client.failed = self._ground.not_connected
            await self.runtime.open()
            context = replay_context(self.prepared, self.runtime.gateway_host, client, record, self._now, self.wall)
            context.lines = writer.lines if secrets is None else None
            matrix, rotation, gateway = self.prepared.matrix, context.rotation, context.gateway
            system = System(matrix, self.runtime, rotation, client, gateway, record, self._now, self.directory)
            self.emit(Doing("providing images"))
            await system.provide()
            self.boot += self._now()
            self._budget = Budget(matrix.budget, self.prepared.plan, self._now)
            for path in self.prepared.plan.paths:
                await self._path(path, system, context, writer)
                if self._ended_early:
                    return
            await self._confirm(writer, system, context)
            if context.sent != context.answered + context.failed:
                record(Note("", "count", f"{context.sent} sent, {context.answered} answered, {context.failed} failed"))
        finally:
            record.flush()
            if context is not None:
                await context.gateway.close()
            await client.close()
            await self.runtime.close()

    async def _confirm(self, writer: HistoryWriter, system: System, context: ReplayContext) -> None:
        """Repeat what would fail the run, within the budget. Does nothing without a finding."""
        writer.flush()
        plan, history = self.prepared.plan, read(self.directory)
        wanted = targets(judge(history, self.prepared.registry, plan), history, plan)
        paths = confirmation(plan, wanted)
        if not paths:
            return
        write_value(self.directory / "plan.json", replace(plan, confirmation=paths))
        self.emit(ConfirmationBegan(paths))
        until = self.clock() + self.prepared.matrix.budget
        for path in paths:
            if self.clock() >= until:
                context.record(Note("", "not-run", f"{path.id} was not run: the confirmation has used up its budget"))
            else:
                await self._path(path, system, context, writer)

    async def _path(self, path: PlanPath, system: System, context: ReplayContext, writer: HistoryWriter) -> None:
        self.emit(PathBegan(path))
        began = self.clock()
        context.gateway.forget()
        system.step = path.id
        scripts, replaying = self.prepared.replay_scripts, self.prepared.matrix.replaying
        driver = SessionReplayer(
            context,
            path.id,
            scripts,
            replaying,
            backlog=Backlog(path.kind),
            replicas=Cohorts(system),
            budget=None if path.confirms else self._budget,
        )
        system.late_requests = lambda endpoint, lasting: LateRequests(driver, system.step, endpoint, lasting)
        try:
            await system.open_stores(path.id)
            self.boot += self.clock() - began
            await self._ground.while_it_holds(self._steps(path, system, driver, writer))
        finally:
            began = self.clock()
            await system.close_path()
            self.boot += self.clock() - began

    async def _steps(self, path: PlanPath, system: System, driver: SessionReplayer, writer: HistoryWriter) -> None:
        """Carry out the steps in order. After a failed step only the next rollback follows, as in a deployment."""
        failed = False
        for step in path.steps:
            if failed and step.kind != "roll back":
                continue
            ended = await self._step(path, step, system, driver)
            if failed:
                break
            failed = not ended
            if early_end.is_first(self.prepared.plan, step):
                writer.flush()
                plan, directory = self.prepared.plan, self.directory
                if why := early_end.why(read(directory), plan, step, directory):
                    driver.context.record(Note("", "ended-early", why))
                    self._ended_early = True
                    return

    async def _step(self, path: PlanPath, step: PlannedStep, system: System, driver: SessionReplayer) -> bool:
        """Carry out one step. Returns whether the path can continue."""
        self.emit(StepBegan(step))
        started, error = self._now(), ""
        system.step = self._ground.step = step.id
        driver.context.gateway.step = step.id
        driver.context.misfits.learning = step.phase == "control-old"
        try:
            await self._go_through(path, step, system, driver)
        except StepFailed as failure:
            error = self._masked(str(failure))
            await self._ground.check()
            if step.phase in ("control-old", "control-new") and not path.confirms and not failure.disturbed:
                raise BrokenEnvironment(f"in the control {path.id}: {error}\n{failure.tail}".rstrip()) from None
        except BaseException as broken:
            error = f"{NOT_COMPLETED}{type(broken).__name__} {broken}".rstrip()
            raise
        finally:
            driver.context.record(
                Step(
                    step.id,
                    path.id,
                    step.phase,
                    step.kind,
                    step.description,
                    step.state,
                    step.migrations,
                    started,
                    self._now(),
                    error,
                    path.confirms,
                )
            )
        self.emit(StepEnded(step, error, self._now() - started))
        return not error

    async def _go_through(self, path: PlanPath, step: PlannedStep, system: System, driver: SessionReplayer) -> None:
        """The transition under live traffic, then the replays, the open work, the proofs and the read-back."""
        began = self.clock()
        async with live_traffic(driver, step.id) if step.live else nullcontext():
            await system.carry_out(step.actions)
        self.boot += self.clock() - began
        began, budget = self.clock(), driver.budget
        if budget is not None:
            budget.begin(step)
        try:
            await self._replay(path, step, driver)
        finally:
            self.replaying += self.clock() - began
            if budget is not None and (left_out := budget.end()) is not None:
                driver.context.record(left_out)
        await system.note_exits()
        await self._ground.check()

    async def _replay(self, path: PlanPath, step: PlannedStep, driver: SessionReplayer) -> None:
        await driver.run(step, lambda: self.emit(ReplayEnded(step)))
        if driver.budget is not None:
            driver.budget.replayed()
        await driver.backlog.follow(driver.context, step.id, last=step is path.steps[-1])
        await driver.prove(step)
        # A control reads back twice. What differs between the two reads is nondeterministic.
        for turn in (1, 2) if path.kind != "rollout" else (1,):
            await sweep(driver, step.id, turn)
