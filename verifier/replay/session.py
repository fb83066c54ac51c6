"""Replays sessions: each exchange to its planned version, disturbed by the planned fault, until accepted work ends.

A replay stops at the first answer whose status class differs from the recorded one: what follows would only
repeat that finding. The checks read it from the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from msgspec import structs

from verifier.correlation import Player
from verifier.gateway.gateway import Cause
from verifier.gateway.traces import end
from verifier.history.model import Note, Operation
from verifier.http.message import Request, Response
from verifier.matrix.model import Replaying
from verifier.plan.model import Fault, PlannedStep, Replay
from verifier.replay.context import Attempt, ReplayContext
from verifier.replay.credentials import rejected
from verifier.replay.cursor import ReplayCursor
from verifier.replay.fastpath import FastPath
from verifier.replay.faults import Deferred, come_back, exchange_with_fault
from verifier.replay.pending import PendingWork, awaited_write
from verifier.replay.polling import accepted_work, poll_recorded
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
            return None if planned is None else self._cursor(step, planned)

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

    def _cursor(self, step: str, planned: Replay) -> ReplayCursor:
        context, replay_script = self.context, self.replay_scripts[planned.session]
        player = replay_script.script.player(f"{context.seed}/{step}/{planned.id}", context.wall())
        trace = end(context.expect(step, planned.id, planned.session, planned.fault))
        return ReplayCursor(step, planned, replay_script, self._prepared_exchanges(planned.session), player, trace)

    async def _one_by_one(
        self, following: Callable[[], ReplayCursor | None], ended: Callable[[ReplayCursor], None]
    ) -> None:
        fast_path = FastPath(self.context, self.resources.add, following, ended)
        while (cursor := following()) is not None:
            fast_path.cursor = cursor
            await self._through(fast_path)
            ended(fast_path.cursor)

    async def _through(self, fast_path: FastPath) -> None:
        """The course that a stretch is at, and those that it goes on to by itself, to the end of the last one."""
        context, open_work = self.context, None
        swift = self.replaying.pace == "fast" and context.gateway.alone is None and context.credentials is None
        while True:
            cursor = fast_path.cursor
            if swift and (open_work is None or not open_work.works):
                await fast_path.go()
            if fast_path.cursor is not cursor:
                cursor, open_work = fast_path.cursor, None
            if cursor.over:
                break
            open_work = open_work or PendingWork(context, cursor.replay_script)
            if not await self._exchange(cursor, open_work):
                break
            cursor.at += 1
            if cursor.over:
                break
        if open_work is not None and open_work.works:
            await open_work.rest()

    def _prepared_exchanges(self, session: str) -> tuple[PreparedExchange, ...]:
        found = self._known_prepared.get(session)
        if found is None:
            found = self._known_prepared[session] = prepared_exchanges(self.context, self.replay_scripts[session])
        return found

    async def _exchange(self, cursor: ReplayCursor, open_work: PendingWork) -> bool:
        """The exchange that a course has come to, with all that may follow. Whether the session can go on."""
        context, index, player, fault = self.context, cursor.order[cursor.at], cursor.player, cursor.planned.fault
        what, scripted = cursor.attempt(index), cursor.replay_script.scripted_exchanges[index]
        if self.replaying.pace != "fast" and (gap := cursor.replay_script.gap(index, self.replaying.pace)):
            await asyncio.sleep(gap)
        if context.gateway.alone is not None:  # an inner fault is meant for the calls of one exchange
            context.gateway.alone.fault = what.inner
        request = player.request(index)
        if fault is not None and fault.index == index:
            operation = await self._disturbed(what, request, player, open_work, fault)
        else:
            odd, cursor.odd = cursor.odd, None
            first = odd or await context.attempt(what, request)
            attempts = await come_back(context, what, request, scripted.recorded, first)
            operation = await self._went_on(what, player, open_work, attempts, attempts[-1])
        cursor.saw(operation.version)
        if not as_recorded(operation, scripted.recorded):
            if told := rejected(operation, context.credentials):
                context.record(Note(cursor.step, "credentials", told, operation.id))
            return False
        if scripted.listen is None:
            self.remember(operation, cursor.seen, operation.request)
        return True

    async def _disturbed(
        self, what: Attempt, request: Request, player: Player, open_work: PendingWork, fault: Fault
    ) -> Operation:
        """One exchange with what disturbs it; returns the operation whose answer the client went on with."""
        if fault.callee or fault.kind == "reorder":
            attempts = [await self.context.attempt(what, request)]
            if not fault.callee:
                self.context.injected(fault, attempts[0])
        else:
            attempts = await exchange_with_fault(self.context, what, request, fault)
            if fault.until:
                self.deferred.setdefault(fault.until, []).append(Deferred(what, request, fault))
        seen = attempts[0] if fault.kind == "duplicate-after" else attempts[-1]
        return await self._went_on(what, player, open_work, attempts, seen)

    async def _went_on(
        self, what: Attempt, player: Player, open_work: PendingWork, attempts: list[Operation], seen: Operation
    ) -> Operation:
        """Learn from the answer that the client saw, record all attempts, bring to its end what they began."""
        answered, scripted = seen.response, open_work.replay_script.scripted_exchanges[what.index]
        produced = player.answer(what.index, answered) if answered is not None else ()
        learned = structs.replace(seen, produced=produced) if produced else seen
        for operation in attempts:
            self.context.record(learned if operation is seen else operation)
        await open_work.begun(what, unique_answers(attempts), answered)
        await open_work.after(what.index)
        if scripted.poll is not None and answered is not None:
            return await poll_recorded(self.context, what, player, scripted.poll, learned)
        return learned

    def remember(self, operation: Operation, versions: tuple[str, ...], request: Request) -> None:
        """Keep what was read, to be read back; no event stream, which says what happens and not what is."""
        if request.method == "GET" and operation.response is not None and operation.response.status < 300:
            self.resources.read(operation, versions, request)

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


def as_recorded(operation: Operation, recorded: Response) -> bool:
    """Whether an answer is of the recorded status class, so that the session can go on."""
    return operation.response is not None and operation.response.status // 100 == recorded.status // 100


def unique_answers(attempts: list[Operation]) -> list[Operation]:
    """The attempts whose answers differ: each of them may stand for work of its own."""
    found: dict[bytes, Operation] = {}
    for operation in attempts:
        if operation.response is not None:
            found.setdefault(operation.response.body, operation)
    return list(found.values())


def service_of(host: str, services: Mapping[str, int], fallback: str) -> str:
    """The service that a recorded authority names, by host name; else the one that the traffic declares."""
    name = urlsplit(f"//{host}").hostname or ""
    return name if name in services else fallback
