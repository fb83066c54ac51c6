"""Replays sessions: each exchange to its planned version, disturbed by the planned fault, until accepted work ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from msgspec import structs

from verifier.gateway.gateway import Cause
from verifier.gateway.traces import end
from verifier.history.model import Note, Operation, Source
from verifier.matrix.model import Replaying
from verifier.plan.model import PlannedStep, Replay
from verifier.replay.context import Attempt, ReplayContext
from verifier.replay.credentials import rejected
from verifier.replay.cursor import ReplayCursor
from verifier.replay.exchange import Session
from verifier.replay.fastpath import FastPath, Stop
from verifier.replay.faults import Deferred
from verifier.replay.pending import awaited_write
from verifier.replay.polling import accepted_work
from verifier.replay.prepared import PreparedExchange, prepared_exchanges
from verifier.replay.replay_script import ReplayScript
from verifier.replay.resources import Resources


@dataclass(slots=True)
class SessionReplayer:
    """Runs the replays of one path."""

    context: ReplayContext
    path: str
    replay_scripts: Mapping[str, ReplayScript]
    replaying: Replaying = field(default_factory=Replaying)
    deferred: dict[str, list[Deferred]] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    _known_prepared: dict[str, tuple[PreparedExchange, ...]] = field(default_factory=dict)

    async def run(self, step: PlannedStep, progress: Callable[[], None]) -> None:
        """All replays of a step: those with inner faults one at a time, the others side by side."""
        self.context.gateway.step = step.id
        await self._send_deferred(step.id)
        together = [planned for planned in step.replays if not (planned.fault and planned.fault.callee)]
        inner = [planned for planned in step.replays if planned.fault and planned.fault.callee]
        await self.replay(step.id, together, progress)
        if self.context.gateway.passes_traces:
            await self.replay(step.id, inner, progress)
        else:
            for planned in inner:
                await self._alone(step.id, planned, progress)

    async def replay(self, step: str, replays: Iterable[Replay], progress: Callable[[], None]) -> None:
        """Side by side, as many at a time as the matrix says."""
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
                group.create_task(self._one_by_one(following, ended))

    async def prove(self, step: PlannedStep) -> None:
        """Send the witnesses of declared breaks to the versions that should not understand them."""
        for proof in step.proofs:
            what = Attempt(step.id, proof.id, "", 0, 1, "proof", proof.service, proof.version, proof.operation)
            self.context.record(await self.context.attempt(what, proof.request))

    async def _alone(self, step: str, planned: Replay, progress: Callable[[], None]) -> None:
        """Without traces, the inner calls made while one replay runs by itself are taken for its own."""
        cause = Cause(f"{step}/{planned.id}/alone", step, planned.id, planned.session, planned.fault)
        self.context.gateway.alone = cause
        try:
            await self.replay(step, (planned,), progress)
        finally:
            self.context.gateway.alone = None

    def cursor(self, step: str, planned: Replay, source: Source = "replay") -> ReplayCursor:
        """The beginning of a replay, of which the gateway now knows."""
        context, replay_script = self.context, self.replay_scripts[planned.session]
        player = replay_script.player(f"{context.seed}/{step}/{planned.id}", context.wall())
        trace = end(context.expect(step, planned.id, planned.session, planned.fault))
        prepared = self._prepared_exchanges(planned.session)
        return ReplayCursor(step, planned, replay_script, prepared, player, trace, source)

    def session(self, cursor: ReplayCursor, record: Callable[[Operation], object] | None = None) -> Session:
        """A session that goes on from a cursor, exchange by exchange; `record` takes its attempts."""
        return Session(self.context, cursor, self.resources, self.deferred, record or self.context.record)

    async def _one_by_one(
        self, following: Callable[[], ReplayCursor | None], ended: Callable[[ReplayCursor], None]
    ) -> None:
        fast_path = FastPath(self.context, self.resources.add, following, ended)
        while (cursor := following()) is not None:
            fast_path.cursor = cursor
            await self._to_the_end(fast_path)
            ended(fast_path.cursor)

    async def _to_the_end(self, fast_path: FastPath) -> None:
        """Go through the replay that the fast path is at, and those that it goes on to, to the end of the last one."""
        context, pace, session = self.context, self.replaying.pace, None
        fast = pace == "fast" and context.gateway.alone is None and context.credentials is None
        while True:
            if fast and (session is None or not session.pending.works):
                stop = await fast_path.run()
                if stop is Stop.OVER:
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
            if session.stopped_by is not None and (message := rejected(session.stopped_by, context.credentials)):
                context.record(Note(session.cursor.step, "credentials", message, session.stopped_by.id))
            await session.finish()

    def _prepared_exchanges(self, session: str) -> tuple[PreparedExchange, ...]:
        found = self._known_prepared.get(session)
        if found is None:
            found = self._known_prepared[session] = prepared_exchanges(self.context, self.replay_scripts[session])
        return found

    async def _send_deferred(self, step: str) -> None:
        """Duplicates that arrive only now: after the next step, or after the rollback."""
        for late in self.deferred.pop(step, []):
            what = structs.replace(
                late.what,
                step=step,
                replay=late.replay,
                number=2,
                version=late.fault.second,
                fault=late.fault.kind,
                parent=late.what.id,
                trace="",
            )
            operation = await self.context.attempt(what, late.request)
            self.context.record(operation)
            self.context.injected(late.fault, operation)
            work = accepted_work(self.context, what, operation)
            if (
                work is not None
                and awaited_write(self.replay_scripts[what.session], what.index, work.completes) is None
            ):
                await work.ends(self.context)


def service_of(host: str, services: Mapping[str, int], fallback: str) -> str:
    """The service that a recorded authority names, by host name; else the one that the traffic declares."""
    name = urlsplit(f"//{host}").hostname or ""
    return name if name in services else fallback
