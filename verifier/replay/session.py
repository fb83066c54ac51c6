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
from verifier.replay.context import Attempt, Stage
from verifier.replay.credentials import rejected
from verifier.replay.cursor import Course
from verifier.replay.fastpath import Stretch
from verifier.replay.faults import Deferred, come_back, exchange_with_fault
from verifier.replay.pending import Unfinished, awaited_write
from verifier.replay.polling import accepted_work, poll_recorded
from verifier.replay.prepared import Leg, legs
from verifier.replay.resources import Resources
from verifier.replay.track import Track


@dataclass(slots=True)
class Driver:
    """Runs the replays of one path."""

    stage: Stage
    path: str
    tracks: Mapping[str, Track]
    replaying: Replaying = field(default_factory=Replaying)
    deferred: dict[str, list[Deferred]] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    _known_legs: dict[str, tuple[Leg, ...]] = field(default_factory=dict)

    async def run(self, step: PlannedStep, progress: Callable[[], None]) -> None:
        """All replays of a step: those with inner faults one at a time, the others side by side."""
        self.stage.gateway.step = step.id
        await self._send_deferred(step.id)
        together = [planned for planned in step.replays if not (planned.fault and planned.fault.callee)]
        inner = [planned for planned in step.replays if planned.fault and planned.fault.callee]
        await self.replay(step.id, together, progress)
        if self.stage.gateway.passes_traces:
            await self.replay(step.id, inner, progress)
        else:
            for planned in inner:
                await self._alone(step.id, planned, progress)

    async def replay(self, step: str, replays: Iterable[Replay], progress: Callable[[], None]) -> None:
        """Side by side, as many at a time as the matrix says."""
        waiting = iter(replays)

        def following() -> Course | None:
            planned = next(waiting, None)
            return None if planned is None else self._course(step, planned)

        def ended(course: Course) -> None:
            for index, kind, message in course.player.notes:
                self.stage.record(Note(step, kind, message, f"{step}/{course.planned.id}/{index + 1}.1"))
            progress()

        async with asyncio.TaskGroup() as group:
            for _ in range(self.replaying.concurrency):
                group.create_task(self._one_by_one(following, ended))

    async def prove(self, step: PlannedStep) -> None:
        """Send the witnesses of declared breaks to the versions that should not understand them."""
        for proof in step.proofs:
            what = Attempt(step.id, proof.id, "", 0, 1, "proof", proof.service, proof.version, proof.operation)
            self.stage.record(await self.stage.attempt(what, proof.request))

    async def _alone(self, step: str, planned: Replay, progress: Callable[[], None]) -> None:
        """Without traces, the inner calls made while one replay runs by itself are taken for its own."""
        cause = Cause(f"{step}/{planned.id}/alone", step, planned.id, planned.session, planned.fault)
        self.stage.gateway.alone = cause
        try:
            await self.replay(step, (planned,), progress)
        finally:
            self.stage.gateway.alone = None

    def _course(self, step: str, planned: Replay) -> Course:
        stage, track = self.stage, self.tracks[planned.session]
        player = track.script.player(f"{stage.seed}/{step}/{planned.id}", stage.wall())
        trace = end(stage.expect(step, planned.id, planned.session, planned.fault))
        return Course(step, planned, track, self._legs(planned.session), player, trace)

    async def _one_by_one(self, following: Callable[[], Course | None], ended: Callable[[Course], None]) -> None:
        stretch = Stretch(self.stage, self.resources.add, following, ended)
        while (course := following()) is not None:
            stretch.course = course
            await self._through(stretch)
            ended(stretch.course)

    async def _through(self, stretch: Stretch) -> None:
        """The course that a stretch is at, and those that it goes on to by itself, to the end of the last one."""
        stage, open_work = self.stage, None
        swift = self.replaying.pace == "fast" and stage.gateway.alone is None and stage.credentials is None
        while True:
            course = stretch.course
            if swift and (open_work is None or not open_work.works):
                await stretch.go()
            if stretch.course is not course:
                course, open_work = stretch.course, None
            if course.over:
                break
            open_work = open_work or Unfinished(stage, course.track)
            if not await self._exchange(course, open_work):
                break
            course.at += 1
            if course.over:
                break
        if open_work is not None and open_work.works:
            await open_work.rest()

    def _legs(self, session: str) -> tuple[Leg, ...]:
        found = self._known_legs.get(session)
        if found is None:
            found = self._known_legs[session] = legs(self.stage, self.tracks[session])
        return found

    async def _exchange(self, course: Course, open_work: Unfinished) -> bool:
        """The exchange that a course has come to, with all that may follow. Whether the session can go on."""
        stage, index, player, fault = self.stage, course.order[course.at], course.player, course.planned.fault
        what, stop = course.attempt(index), course.track.stops[index]
        if self.replaying.pace != "fast" and (gap := course.track.gap(index, self.replaying.pace)):
            await asyncio.sleep(gap)
        if stage.gateway.alone is not None:  # an inner fault is meant for the calls of one exchange
            stage.gateway.alone.fault = what.inner
        request = player.request(index)
        if fault is not None and fault.index == index:
            operation = await self._disturbed(what, request, player, open_work, fault)
        else:
            odd, course.odd = course.odd, None
            first = odd or await stage.attempt(what, request)
            attempts = await come_back(stage, what, request, stop.recorded, first)
            operation = await self._went_on(what, player, open_work, attempts, attempts[-1])
        course.saw(operation.version)
        if not as_recorded(operation, stop.recorded):
            if told := rejected(operation, stage.credentials):
                stage.record(Note(course.step, "credentials", told, operation.id))
            return False
        if stop.listen is None:
            self.remember(operation, course.seen, operation.request)
        return True

    async def _disturbed(
        self, what: Attempt, request: Request, player: Player, open_work: Unfinished, fault: Fault
    ) -> Operation:
        """One exchange with what disturbs it; returns the operation whose answer the client went on with."""
        if fault.callee or fault.kind == "reorder":
            attempts = [await self.stage.attempt(what, request)]
            if not fault.callee:
                self.stage.injected(fault, attempts[0])
        else:
            attempts = await exchange_with_fault(self.stage, what, request, fault)
            if fault.until:
                self.deferred.setdefault(fault.until, []).append(Deferred(what, request, fault))
        seen = attempts[0] if fault.kind == "duplicate-after" else attempts[-1]
        return await self._went_on(what, player, open_work, attempts, seen)

    async def _went_on(
        self, what: Attempt, player: Player, open_work: Unfinished, attempts: list[Operation], seen: Operation
    ) -> Operation:
        """Learn from the answer that the client saw, record all attempts, bring to its end what they began."""
        answered, stop = seen.response, open_work.track.stops[what.index]
        produced = player.answer(what.index, answered) if answered is not None else ()
        learned = structs.replace(seen, produced=produced) if produced else seen
        for operation in attempts:
            self.stage.record(learned if operation is seen else operation)
        await open_work.begun(what, unique_answers(attempts), answered)
        await open_work.after(what.index)
        if stop.poll is not None and answered is not None:
            return await poll_recorded(self.stage, what, player, stop.poll, learned)
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
            operation = await self.stage.attempt(what, late.request)
            self.stage.record(operation)
            self.stage.injected(late.fault, operation)
            work = accepted_work(self.stage, what, operation)
            if work is not None and awaited_write(self.tracks[what.session], what.index, work.completes) is None:
                await work.ends(self.stage)


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
