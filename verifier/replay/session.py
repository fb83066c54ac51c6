"""Runs the replays of a step: fast where nothing happens, exchange by exchange where something may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from msgspec import structs

from verifier.gateway.gateway import Cause
from verifier.gateway.traces import traceparent_end
from verifier.history.model import Note, Operation, Source
from verifier.matrix.model import Replaying
from verifier.plan.faults import HANDOVER, ON_REPLICAS
from verifier.plan.model import MET_NO_WORK, Fault, PlannedStep, Replay, again
from verifier.replay.backlog import Backlog
from verifier.replay.budget import PathBudget
from verifier.replay.computed import digest_message
from verifier.replay.context import Attempt, ReplayContext
from verifier.replay.credentials import rejection_message
from verifier.replay.cursor import ReplayCursor
from verifier.replay.disturbance import Disturbance, Replicas
from verifier.replay.exchange import Session
from verifier.replay.fastpath import FastPath, Stop
from verifier.replay.faults import DeferredDuplicate
from verifier.replay.handover import Handover
from verifier.replay.midwork import MidWork
from verifier.replay.pending import awaited_write
from verifier.replay.polling import accepted_work, declared_completion
from verifier.replay.prepared import PreparedExchange, prepared_exchanges
from verifier.replay.replay_script import ReplayScript
from verifier.replay.resources import Resources
from verifier.replay.waiting_times import Missed

ENDED = {"before": "before somebody else had to do it", "after": "only when its acceptor went on"}


@dataclass(slots=True)
class SessionReplayer:
    """Runs the replays of one path."""

    context: ReplayContext
    path: str
    replay_scripts: Mapping[str, ReplayScript]
    replaying: Replaying = field(default_factory=Replaying)
    deferred: dict[str, list[DeferredDuplicate]] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    backlog: Backlog = field(default_factory=Backlog)
    replicas: Replicas | None = None  # without them, nobody who has accepted work is disturbed
    budget: PathBudget | None = None  # without one, every replay runs
    _known_prepared: dict[str, tuple[PreparedExchange, ...]] = field(default_factory=dict)

    async def run(self, step: PlannedStep, progress: Callable[[], None]) -> None:
        """Run the replays of a step in their order: neighbours run concurrently.

        Those with inner faults run one at a time where traces are not passed on. Those that pause or kill replicas run
        alone, because nobody else may use these. The planner puts either kind together.
        """
        self.context.gateway.step = step.id
        await self._send_deferred(step.id)
        for lane, batch in groupby(step.replays, _lane):
            await self.context.turn.give_way()
            admitted = self._admitted(list(batch), progress)
            if lane == "replicas":
                for planned in admitted:
                    await self._disturb(step, planned, progress)
            elif lane == "inner" and not self.context.gateway.passes_traces:
                for planned in admitted:
                    await self._run_alone(step.id, planned, progress)
            else:
                await self.replay(step.id, admitted, progress)

    def _admitted(self, replays: Iterable[Replay], progress: Callable[[], None]) -> Iterator[Replay]:
        """The replays that the budget admits, each asked for when it is about to start."""
        for planned in replays:
            if self.budget is None or self.budget.admits(planned):
                yield planned
            else:
                progress()

    async def replay(self, step: str, replays: Iterable[Replay], progress: Callable[[], None]) -> None:
        """Run replays concurrently, as many at a time as the matrix says; `progress` is called after each."""
        waiting = iter(replays)

        def following() -> ReplayCursor | None:
            planned = next(waiting, None)
            return None if planned is None else self.cursor(step, planned)

        def ended(cursor: ReplayCursor) -> None:
            for index, kind, message in cursor.player.notes:
                self.context.record(Note(step, kind, message, f"{step}/{cursor.planned.id}/{index + 1}.1"))
            progress()

        async with asyncio.TaskGroup() as group:
            for _ in range(self.replaying.concurrency):
                group.create_task(self._work(following, ended))

    async def prove(self, step: PlannedStep) -> None:
        """Send the requests that prove declared breaks to the versions that should refuse them."""
        for proof in step.proofs:
            attempt = Attempt(step.id, proof.id, "", 0, 1, "proof", proof.service, proof.version, proof.operation)
            self.context.record(await self.context.send(attempt, proof.request))

    async def _run_alone(self, step: str, planned: Replay, progress: Callable[[], None]) -> None:
        """Run one replay by itself: without traces, the inner calls made meanwhile are taken to be its own."""
        cause = Cause(f"{step}/{planned.id}/alone", step, planned.id, planned.session, planned.fault)
        self.context.gateway.alone = cause
        try:
            await self.replay(step, (planned,), progress)
        finally:
            self.context.gateway.alone = None

    async def _disturb(self, step: PlannedStep, planned: Replay, progress: Callable[[], None]) -> None:
        """Run one replay that pauses or kills replicas; again, with another client, where it has missed its work."""
        context, fault = self.context, planned.fault
        times = context.waiting_times
        if fault is not None and self.budget is not None and (why := times.no_news(step.id, fault)):
            context.record(Note(step.id, "not-run", f"no {fault.kind} after {fault.name}: {why}"))
            progress()
            return
        async with context.turn.alone():
            tries, missed = 1, await self._disturb_once(step, planned)
            while fault is not None and times.worth_again(fault, missed, tries) and self._has_time():
                tries += 1
                missed = await self._disturb_once(step, replace(planned, id=again(planned.id, tries)))
        if fault is not None and missed:
            told = f"{fault.kind} after {fault.name} {MET_NO_WORK} in {tries} tries: it ended {ENDED[missed]}"
            context.record(Note(step.id, "not-run", told, f"{step.id}/{planned.id}/{fault.index + 1}.1"))
        progress()

    async def _disturb_once(self, step: PlannedStep, planned: Replay) -> Missed:
        """Run such a replay, and put everything right at its end. Returns whether it has missed its work."""
        context, fault = self.context, planned.fault
        times = context.waiting_times
        context.disturbance, times.fault = self._disturbance(fault), fault
        try:
            await self.replay(step.id, (planned,), lambda: None)
        finally:
            disturbance, context.disturbance, times.fault = context.disturbance, None, None
            if disturbance is not None:
                await disturbance.end()
        missed = disturbance.missed if disturbance is not None else ""
        if fault is not None:
            times.disturbed(fault, missed)
        return missed

    def _has_time(self) -> bool:
        return self.budget is None or self.budget.has_time()

    def _disturbance(self, fault: Fault | None) -> Disturbance | None:
        if self.replicas is None or fault is None:
            return None
        context = self.context
        if fault.kind == HANDOVER:
            return Handover(self.replicas, context.registry, context.waiting_times, context.clock)
        return MidWork(self.replicas, context.registry, context.waiting_times, context.clock)

    def cursor(self, step: str, planned: Replay, source: Source = "replay") -> ReplayCursor:
        """A cursor at the beginning of a replay; the gateway is told of the replay."""
        context, replay_script = self.context, self.replay_scripts[planned.session]
        player = replay_script.player(f"{context.seed}/{step}/{planned.id}", context.wall())
        trace = traceparent_end(context.expect_replay(step, planned.id, planned.session, planned.fault))
        prepared = self._prepared_exchanges(planned.session)
        return ReplayCursor(step, planned, replay_script, prepared, player, trace, source)

    def session(self, cursor: ReplayCursor, record: Callable[[Operation], object] | None = None) -> Session:
        """A session that continues from a cursor, exchange by exchange; `record` takes its attempts."""
        record = record or self.context.record
        return Session(self.context, cursor, self.resources, self.deferred, record, self.backlog)

    async def _work(self, following: Callable[[], ReplayCursor | None], ended: Callable[[ReplayCursor], None]) -> None:
        fast_path = FastPath(self.context, self.resources.add, following, ended)
        while (cursor := following()) is not None:
            fast_path.cursor = cursor
            await self._run_to_end(fast_path)
            ended(fast_path.cursor)

    async def _run_to_end(self, fast_path: FastPath) -> None:
        """Run the replay at the cursor of the fast path, and those that the fast path continues with, to the end."""
        context, pace, session = self.context, self.replaying.pace, None
        whole = context.gateway.alone is None and context.disturbance is None
        fast = pace == "fast" and whole and context.credentials is None and context.computed is None
        while True:
            may_go_fast = fast and (session is None or not session.pending.waiting)
            if may_go_fast and await fast_path.run() is Stop.OVER:
                break
            cursor = fast_path.cursor
            if session is None or session.cursor is not cursor:
                session = self.session(cursor)
            if pace != "fast" and (gap := cursor.replay_script.gap(cursor.order[cursor.at], pace)):
                await asyncio.sleep(gap)
            await session.exchange()
            if session.over:
                break
        if session is not None and session.cursor is fast_path.cursor:
            if session.refused is not None:
                self._tell_why(session.refused)
            await session.finish()

    def _tell_why(self, refused: Operation) -> None:
        """Notes about what the matrix may have to say, so that a request is accepted."""
        context = self.context
        rules = context.computed.rules if context.computed is not None else ()
        if message := rejection_message(refused, context.credentials):
            context.record(Note(refused.step, "credentials", message, refused.id))
        if message := digest_message(refused, rules):
            context.record(Note(refused.step, "computed", message, refused.id))

    def _prepared_exchanges(self, session: str) -> tuple[PreparedExchange, ...]:
        found = self._known_prepared.get(session)
        if found is None:
            found = self._known_prepared[session] = prepared_exchanges(self.context, self.replay_scripts[session])
        return found

    async def _send_deferred(self, step: str) -> None:
        """Send the duplicates that were deferred to this step."""
        for late in self.deferred.pop(step, []):
            attempt = structs.replace(
                late.attempt,
                step=step,
                replay=late.replay,
                number=2,
                version=late.fault.second,
                fault=late.fault.kind,
                parent=late.attempt.id,
                trace="",
            )
            operation = await self.context.send(attempt, late.request)
            self.context.record(operation)
            self.context.record_fault(late.fault, operation)
            work = accepted_work(self.context, attempt, operation, self.backlog)
            completes = declared_completion(self.context, operation)
            if work is None or completes is None:
                continue
            waits_for_client = awaited_write(self.replay_scripts[attempt.session], attempt.index, completes) is not None
            if not waits_for_client and not await work.wait(self.context):
                self.backlog.add(work, self.context.waiting_times)


def _lane(planned: Replay) -> str:
    fault = planned.fault
    if fault is None:
        return "together"
    return "replicas" if fault.kind in ON_REPLICAS else "inner" if fault.inner else "together"
