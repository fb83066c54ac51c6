"""Accepted work that may wait for its own client: a payment to be approved, a webhook to be called.

Work is polled before the session goes on, because what follows may need its result. But if the recorded client sent a
write that uses the accepting response before it had seen the work end, the work may wait for that write, and polling
would only use up the bound. Then the session goes on after a while, and the work is polled again after that write.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.contracts.completion import Completes
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.http.message import Response
from verifier.replay.awaited import AwaitedWork
from verifier.replay.backlog import Backlog
from verifier.replay.context import Attempt, ReplayContext, same_origin
from verifier.replay.polling import accepted_work, declared_completion
from verifier.replay.replay_script import ReplayScript

PATIENCE = 1.0  # seconds, or the recorded pause where that is longer


def awaited_write(replay_script: ReplayScript, index: int, completes: Completes) -> int | None:
    """The write that the work of an exchange may wait for, by its index; None where there is none.

    It is the last one that uses the response of the exchange and was recorded before a read showed a final state.
    """
    recorded = replay_script.script.steps[index].exchange
    address = completes.poll.value(recorded.request, recorded.response)
    target = same_origin(address, recorded.request.target) if address is not None else None
    found = None
    for later in range(index + 1, len(replay_script.script.steps)):
        sent = replay_script.script.steps[later].exchange
        if (
            sent.request.target == target
            and completes.shown((recorded.request, recorded.response), (sent.request, sent.response)) in completes.final
        ):
            break
        if sent.request.method not in SAFE and replay_script.script.depends(later, index):
            found = later
    return found


def _same_response(one: Response | None, other: Response | None) -> bool:
    """Whether two attempts were answered alike: the comparison of `unique_responses`."""
    return one is not None and other is not None and one.body == other.body


@dataclass(slots=True)
class PendingWork:
    """The declared work that one session still waits for, each with the exchange after which it is polled again.

    `followed` are the targets that were polled until the work ended, or until its bound had passed (False).
    """

    context: ReplayContext
    replay_script: ReplayScript
    backlog: Backlog
    waiting: list[tuple[int, AwaitedWork]] = field(default_factory=list)
    followed: dict[str, bool] = field(default_factory=dict)

    async def add(self, attempt: Attempt, attempts: list[Operation], seen: Response | None) -> None:
        """Poll the work that these attempts began until it ends, or keep it for later.

        Of work that waits for its client, only that of the response `seen` can end, for the client goes on with it.
        """
        for operation in attempts:
            work = accepted_work(self.context, attempt, operation, self.backlog)
            completes = declared_completion(self.context, operation)
            if work is None or completes is None:
                continue
            later = awaited_write(self.replay_script, attempt.index, completes)
            if later is None:
                await self._wait(work)
            elif _same_response(operation.response, seen):
                if await work.wait(self.context, self._patience(attempt.index)):
                    self.followed[work.request.target] = True
                else:
                    self.waiting.append((later, work))

    async def _wait(self, work: AwaitedWork) -> None:
        if not await work.wait(self.context):
            self.backlog.add(work, self.context.waiting_times)
        self.followed[work.request.target] = work.done

    def _patience(self, index: int) -> float:
        return max(PATIENCE, self.replay_script.gap(index + 1, "recorded"))

    async def poll_due(self, index: int) -> None:
        """Poll the work that waited for this exchange."""
        due = [work for later, work in self.waiting if later == index]
        self.waiting = [(later, work) for later, work in self.waiting if later != index]
        for work in due:
            await self._wait(work)

    async def poll_remaining(self) -> None:
        """Poll what is left when a session has ended, early or not."""
        for _, work in self.waiting:
            await self._wait(work)
        self.waiting.clear()
