"""Accepted work that waits for its own client: a payment that is approved, a webhook that is called back.

Work is polled before the session goes on, for what follows may need its result. But where the recorded client sent a
write that uses the promise itself, and had not seen the work end before, the work may wait for exactly that: polling
on would only use up the bound. There the session goes on after a while, and what is open is asked for again then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.contracts.guarantees import Completes
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.http.message import Response
from verifier.replay.context import Attempt, ReplayContext, same_origin
from verifier.replay.polling import Work, accepted_work
from verifier.replay.replay_script import ReplayScript

PATIENCE = 1.0  # seconds, or the recorded pause where that is longer


def awaited_write(replay_script: ReplayScript, index: int, completes: Completes) -> int | None:
    """The write that the work of an exchange may wait for: the last that uses its answer, and that was recorded
    before any read showed a final state. None where there is none.
    """
    recorded = replay_script.script.steps[index].exchange
    address = completes.poll.value(recorded.request, recorded.response)
    target = same_origin(address, recorded.request.target) if address is not None else None
    found = None
    for later in range(index + 1, len(replay_script.script.steps)):
        sent = replay_script.script.steps[later].exchange
        if sent.request.target == target and completes.state.value(sent.request, sent.response) in completes.final:
            break
        if sent.request.method not in SAFE and replay_script.script.depends(later, index):
            found = later
    return found


def _same(one: Response | None, other: Response | None) -> bool:
    """As for what makes answers of several attempts one."""
    return one is not None and other is not None and one.body == other.body


@dataclass(slots=True)
class PendingWork:
    """What one session was promised and still waits for, with the exchange after which it is asked for again."""

    context: ReplayContext
    replay_script: ReplayScript
    works: list[tuple[int, Work]] = field(default_factory=list)

    async def begun(self, what: Attempt, attempts: list[Operation], seen: Response | None) -> None:
        """Bring to its end what these attempts began, or keep it for later.

        Of what waits for its client only the work that it went on with, as told by `seen`, can end.
        """
        for operation in attempts:
            work = accepted_work(self.context, what, operation)
            if work is None:
                continue
            later = awaited_write(self.replay_script, what.index, work.completes)
            if later is None:
                await work.ends(self.context)
            elif _same(operation.response, seen) and not await work.ends(self.context, self._patience(what.index)):
                self.works.append((later, work))

    def _patience(self, index: int) -> float:
        return max(PATIENCE, self.replay_script.gap(index + 1, "recorded"))

    async def after(self, index: int) -> None:
        """Ask for what waited for this exchange."""
        due = [work for later, work in self.works if later == index]
        self.works = [(later, work) for later, work in self.works if later != index]
        for work in due:
            await work.ends(self.context)

    async def rest(self) -> None:
        """Ask for what is left of a session that has ended, before its time or not."""
        for _, work in self.works:
            await work.ends(self.context)
        self.works.clear()
