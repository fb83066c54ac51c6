"""The rules of one exchange: how it is sent, what is learned, recorded and remembered, whether its session goes on.

Planned replays and live traffic share them. The fast path is an optimisation of them for exchanges without faults,
retries, polling and accepted work; tests show that it leaves the same history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import structs

from verifier.correlation import Player
from verifier.history.model import Note, Operation
from verifier.http.message import Request, Response
from verifier.plan.faults import ON_REPLICAS
from verifier.plan.model import Fault
from verifier.replay.backlog import Backlog
from verifier.replay.context import Attempt, ReplayContext
from verifier.replay.cursor import ReplayCursor
from verifier.replay.faults import DeferredDuplicate, exchange_with_fault, retry_if_asked
from verifier.replay.misfits import passed_by
from verifier.replay.pending import PendingWork
from verifier.replay.prepared import PreparedExchange
from verifier.replay.resources import Resource, Resources, resource
from verifier.replay.waiting import RecordedWaiting


def as_recorded(operation: Operation, recorded: Response) -> bool:
    """Whether a response is of the recorded status class, so that the session can go on.

    Where an error of the service was recorded, a success is as good: nothing after it can have needed the error.
    """
    if operation.response is None:
        return False
    status, was = operation.response.status // 100, recorded.status // 100
    return status == was or (was == 5 and status in (2, 3))


def learned(player: Player, index: int, operation: Operation) -> Operation:
    """Learn from the response that the client saw; returns the operation with the values that later requests use."""
    produced = player.learn(index, operation.response) if operation.response is not None else ()
    return structs.replace(operation, produced=produced) if produced else operation


def remembered(prepared: PreparedExchange, operation: Operation, versions: tuple[str, ...]) -> Resource | None:
    """The resource that an operation has read, if it can be read back; an event stream reports events, not a state."""
    response, method = operation.response, operation.request.method
    if prepared.listen is not None or method != "GET" or response is None or response.status >= 300:
        return None
    return resource(operation, versions)


def unique_responses(attempts: list[Operation]) -> list[Operation]:
    """The attempts whose responses differ: each of them may stand for work of its own."""
    found: dict[bytes, Operation] = {}
    for operation in attempts:
        if operation.response is not None:
            found.setdefault(operation.response.body, operation)
    return list(found.values())


@dataclass(slots=True)
class Session:
    """One session under way. Its owner sets the pace: it calls `exchange` until the session is `over`, then `finish`.

    `record` takes the attempts, `deferred` the duplicates that a later step sends, by that step. `refused` is the first
    operation that was not answered as recorded, `stopped_by` the one that ended the session early.
    """

    context: ReplayContext
    cursor: ReplayCursor
    resources: Resources
    deferred: dict[str, list[DeferredDuplicate]]
    record: Callable[[Operation], object]
    backlog: Backlog
    pending: PendingWork = field(init=False)
    waiting: RecordedWaiting = field(init=False)
    refused: Operation | None = None
    stopped_by: Operation | None = None

    def __post_init__(self) -> None:
        self.pending = PendingWork(self.context, self.cursor.replay_script, self.backlog)
        self.waiting = RecordedWaiting(self.context, self.cursor, self.backlog)

    @property
    def over(self) -> bool:
        return self.stopped_by is not None or self.cursor.over

    async def exchange(self) -> None:
        """Carry out the exchange at the cursor, with retries, polling and accepted work.

        The session stops at the first response whose status class differs from the recorded one: later exchanges would
        only repeat that finding, which the checks read from the history. It goes on from a waiting that did not end, as
        a client would; from a refused read, and where the old version does not answer as recorded either, if nothing
        later needs the response (`misfits.py`).
        """
        cursor, fault = self.cursor, self.cursor.planned.fault
        prepared = cursor.prepared_exchanges[cursor.order[cursor.at]]
        attempt = cursor.attempt(prepared.index)
        alone = self.context.gateway.alone
        if alone is not None:  # an inner fault is meant for the calls of one exchange
            alone.fault = attempt.inner
        request = cursor.player.request(prepared.index)
        if fault is not None and fault.index == prepared.index:
            attempts, seen = await self._with_fault(attempt, request, fault)
        else:
            first, cursor.first_attempt = cursor.first_attempt or await self.context.send(attempt, request), None
            attempts = await retry_if_asked(self.context, attempt, request, prepared.recorded, first)
            seen = attempts[-1]
        operation, goes_on = await self._take(prepared, attempt, attempts, seen)
        cursor.add_version(operation.version)
        if not goes_on and not as_recorded(operation, prepared.recorded):
            script, self.refused = cursor.replay_script.script, self.refused or operation
            left_out = self.context.misfits.leaves_out(cursor.planned, cursor.source, script, operation)
            if left_out or passed_by(script, operation):
                cursor.at += 1
            else:
                self.stopped_by = operation
            return
        if (read := remembered(prepared, operation, cursor.versions)) is not None:
            self.resources.add([read])
        cursor.at += 1

    async def finish(self) -> None:
        """Poll the accepted work that the session still waits for."""
        await self.pending.poll_remaining()

    async def _with_fault(self, attempt: Attempt, request: Request, fault: Fault) -> tuple[list[Operation], Operation]:
        """All attempts of one disturbed exchange, and the one with whose response the client goes on."""
        if fault.kind in ON_REPLICAS:
            attempts = [await self._on_replicas(attempt, request, fault)]
        elif fault.inner or fault.kind == "reorder":
            attempts = [await self.context.send(attempt, request)]
            if not fault.inner:
                self.context.record_fault(fault, attempts[0])
        else:
            attempts = await exchange_with_fault(self.context, attempt, request, fault)
            if fault.until:
                self.deferred.setdefault(fault.until, []).append(DeferredDuplicate(attempt, request, fault))
        return attempts, attempts[0] if fault.kind == "duplicate-after" else attempts[-1]

    async def _on_replicas(self, attempt: Attempt, request: Request, fault: Fault) -> Operation:
        """Send once, and disturb who has accepted the work, or does it."""
        context = self.context
        version = attempt.version if fault.callee else fault.first
        operation = await context.send(structs.replace(attempt, version=version, fault=fault.kind), request)

        def tell(note: Note | None) -> None:
            if note is None:
                context.record_fault(fault, operation)
            else:
                context.record(note)

        accepted = operation.response is not None and operation.response.status < 400
        if context.disturbance is not None and accepted:
            await context.disturbance.begin(fault, operation, tell)
        return operation

    async def _take(
        self, prepared: PreparedExchange, attempt: Attempt, attempts: list[Operation], seen: Operation
    ) -> tuple[Operation, bool]:
        """Learn from the response that the client saw, record all attempts, wait for the work they began.

        Returns the operation with which the session goes on, and whether it does so whatever the status.
        """
        operation = learned(self.cursor.player, prepared.index, seen)
        for entry in attempts:
            self.record(operation if entry is seen else entry)
        if prepared.referred_to:
            self.waiting.seen[prepared.index] = operation
        await self.pending.add(attempt, unique_responses(attempts), seen.response)
        await self.pending.poll_due(prepared.index)
        if prepared.waiting is None:
            return operation, False
        ended = self.pending.followed.get(operation.request.target)
        return await self.waiting.wait(attempt, prepared.waiting, operation, ended)
