"""One path of a plan: each step is a transition under live traffic, then replays, then the read-back.

A path is independent of those beside it. It has stores, replicas, addresses, a gateway, a client and a history of its
own, and knows only what the controls before it have taught (`learned.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import zip_longest

from verifier.errors import BrokenEnvironment
from verifier.history.model import NOT_COMPLETED, Note, Step
from verifier.history.store import HistoryWriter, read
from verifier.http.client import WireClient
from verifier.plan.model import DEPLOYING, PlannedStep
from verifier.rehearsal import early_end
from verifier.rehearsal.cell import Cell, EndedEarly
from verifier.rehearsal.cohorts import Cohorts
from verifier.rehearsal.early_boots import EarlyBoots
from verifier.rehearsal.events import PathBegan, ReplayEnded, StepBegan, StepEnded
from verifier.rehearsal.first_records import run_info
from verifier.rehearsal.ground import Ground
from verifier.rehearsal.invariants import ask_stores
from verifier.rehearsal.learned import Learned
from verifier.rehearsal.logged import LoggedLines
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.starting import StepFailed
from verifier.rehearsal.system import System
from verifier.rehearsal.templates import Templates
from verifier.rehearsal.wiring import masked, masking, replay_context
from verifier.replay.backlog import Backlog
from verifier.replay.context import ReplayContext
from verifier.replay.late_removal import LateRequests
from verifier.replay.live import live_traffic
from verifier.replay.readback import sweep
from verifier.replay.session import SessionReplayer
from verifier.replay.turns import Machine, Turn
from verifier.runtime.base import ReachesStores, Runtime


@dataclass(slots=True, kw_only=True)
class PathRun(Cell):
    """The run of one path on this machine; `runtime` is a cell that nobody else uses.

    `beside` is how many paths may run at the same time. `now` gives seconds since the run began.
    """

    prepared: Prepared
    runtime: Runtime
    now: Callable[[], float]
    templates: Templates
    beside: int = 1
    machine: Machine = field(default_factory=Machine)
    wall: Callable[[], float] = time.time
    _ground: Ground = field(init=False)
    _system: System = field(init=False)
    _early: EarlyBoots = field(init=False)
    _driver: SessionReplayer = field(init=False)
    _record: LoggedLines = field(init=False)

    async def run(self) -> None:
        self.emit(PathBegan(self.path))
        secrets = self.prepared.credentials
        writer = HistoryWriter(self.folder, run_info(self.prepared, self.runtime.name))
        add = masking(self.prepared, writer.add)
        record = self._record = LoggedLines(self.directory / "logs", add, self.now)
        client = WireClient(clock=self.now)
        context: ReplayContext | None = None
        try:
            began = self.now()
            self._ground = Ground(self.runtime, self.directory)
            client.failed = self._ground.not_connected
            await self.runtime.open()
            host, callers = self.runtime.gateway_host, self.runtime.gateway_callers
            context = replay_context(self.prepared, host, callers, client, record, self.now, self.wall)
            context.lines = writer.lines if secrets is None else None
            context.waiting_times, context.misfits = self.known.taught()
            context.turn = Turn(self.machine)
            await context.turn.begin()
            self._wire(context)
            self.boot += self.now() - began
            await self._on_stores(writer)
            self.ended = self.budget is None or not self.budget.left_out
        finally:
            began = self.now()
            if context is not None:
                context.turn.end()
                await context.gateway.close()
                self.counts = (context.sent, context.answered, context.failed)
                self.learned = Learned(context.waiting_times, context.misfits.known, self._system.booted)
            await client.close()
            await self.runtime.close()
            self.boot += self.now() - began
            if self.budget is not None:
                self.budget.leave()
            record.flush()
            writer.close()
            self.logs = self._system.logs if context is not None else []

    def _wire(self, context: ReplayContext) -> None:
        prepared, path = self.prepared, self.path
        rotation, gateway = context.rotation, context.gateway
        self._system = system = System(
            prepared.matrix, self.runtime, rotation, context.client, gateway, context.record, self.now, self.directory,
            self.number, self.known.boots, 1.0 if path.kind in DEPLOYING else float(self.beside),
        )  # fmt: skip
        system.step = path.id
        self._early = EarlyBoots(system)
        self._driver = driver = SessionReplayer(
            context,
            path.id,
            prepared.replay_scripts,
            prepared.matrix.replaying,
            backlog=Backlog(path.kind),
            replicas=Cohorts(system),
            budget=self.budget,
        )
        system.late_requests = lambda endpoint, lasting: LateRequests(driver, system.step, endpoint, lasting)

    async def _on_stores(self, writer: HistoryWriter) -> None:
        began = self.now()
        try:
            await self.templates.open(self._system, self.path.id)
            self.boot += self.now() - began
            await self._ground.while_it_holds(self._steps(writer))
        finally:
            began = self.now()
            await self._early.forget()
            await self._system.close_path()
            self.boot += self.now() - began

    async def _steps(self, writer: HistoryWriter) -> None:
        """Carry out the steps in order. After a failed step only the next rollback follows, as in a deployment."""
        failed = False
        for step, following in zip_longest(self.path.steps, self.path.steps[1:]):
            if failed and step.kind != "roll back":
                continue
            ended = await self._step(step, None if failed else following)
            if failed:
                break
            failed = not ended
            if failed:
                await self._early.forget()
            if early_end.is_first(self.prepared.plan, step):
                writer.flush()
                if why := early_end.why(read(self.folder), self.prepared.plan, step, self.directory):
                    self._record(Note("", "ended-early", why))
                    raise EndedEarly

    async def _step(self, step: PlannedStep, following: PlannedStep | None) -> bool:
        """Carry out one step. Returns whether the path can continue, with the `following` one if there is one."""
        self.emit(StepBegan(step))
        path, context = self.path, self._driver.context
        started, error = self.now(), ""
        self._system.step = self._ground.step = step.id
        context.gateway.step = step.id
        context.misfits.learning = step.phase == "control-old"
        try:
            await self._go_through(step, following)
        except StepFailed as failure:
            error = masked(self.prepared, str(failure))
            await self._ground.check()
            if step.phase in ("control-old", "control-new") and not path.confirms and not failure.disturbed:
                raise BrokenEnvironment(f"in the control {path.id}: {error}\n{failure.tail}".rstrip()) from None
        except BaseException as broken:
            error = f"{NOT_COMPLETED}{type(broken).__name__} {broken}".rstrip()
            raise
        finally:
            context.record(
                Step(
                    step.id,
                    path.id,
                    step.phase,
                    step.kind,
                    step.description,
                    step.state,
                    step.migrations,
                    started,
                    self.now(),
                    error,
                    path.confirms,
                )
            )
        self.emit(StepEnded(step, error, self.now() - started))
        return not error

    async def _go_through(self, step: PlannedStep, following: PlannedStep | None) -> None:
        """The transition under live traffic, then the replays, the open work, the proofs and the read-back."""
        turn = self._driver.context.turn
        await turn.give_way()
        began = self.now()
        async with live_traffic(self._driver, step.id) if step.live else nullcontext():
            await self._system.carry_out(step.actions)
        if following is not None:
            await self._early.begin(following)
        self.boot += self.now() - began
        await turn.give_way()
        began = self.now()
        if self.budget is not None:
            self.budget.begin(step)
        try:
            await self._replay(step)
        finally:
            self.replaying += self.now() - began
            if self.budget is not None and (left_out := self.budget.end()) is not None:
                self._record(left_out)
        await self._system.note_exits()
        await self._ground.check()

    async def _replay(self, step: PlannedStep) -> None:
        driver = self._driver
        await driver.run(step, lambda: self.emit(ReplayEnded(step)))
        if driver.budget is not None:
            driver.budget.replayed()
        await driver.context.turn.give_way()
        await driver.backlog.follow(driver.context, step.id, last=step is self.path.steps[-1])
        await driver.prove(step)
        # A control reads back twice. What differs between the two reads is nondeterministic.
        for turn in (1, 2) if self.path.kind not in DEPLOYING else (1,):
            await sweep(driver, step.id, turn)
        if self.prepared.matrix.invariants:
            matrix, urls = self.prepared.matrix, self._store_urls()
            for rows in await ask_stores(matrix, urls, step.id, lambda: len(driver.backlog) > 0, self.now):
                self._record(rows)

    def _store_urls(self) -> dict[str, str]:
        """The stores of this path, as the verifier reaches them."""
        runtime, stores = self.runtime, self._system.stores
        return {
            name: runtime.store_url(name) if isinstance(runtime, ReachesStores) else stores[name] for name in stores
        }
