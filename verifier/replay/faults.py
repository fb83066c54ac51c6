"""What happens between a client and the version that serves it: one exchange, undisturbed or with a fault."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from msgspec import structs

from verifier.history.model import Operation
from verifier.http.client import ReleaseBarrier
from verifier.http.message import Request, Response
from verifier.plan.model import Fault
from verifier.replay.context import LATER, Attempt, ReplayContext, retry_after

SLOW = 1000.0  # bytes per second of a slow reader


@dataclass(frozen=True, slots=True)
class Deferred:
    """A duplicate to be sent in a later step."""

    what: Attempt
    request: Request
    fault: Fault

    @property
    def replay(self) -> str:
        """The replay it belongs to, by the step that planned it: another step's replay may have the same id."""
        return f"{self.what.step}:{self.what.replay}"


async def exchange_with_fault(context: ReplayContext, what: Attempt, request: Request, fault: Fault) -> list[Operation]:
    """All attempts of one disturbed exchange; the client goes on with the last one's answer.

    Of `duplicate-after` it goes on with the first one's: the duplicate is not its own.
    """
    first = structs.replace(what, version=fault.first, fault=fault.kind)
    second = structs.replace(what, version=fault.second, fault=fault.kind, number=2, parent=what.id)
    if fault.until:
        attempts = [await context.attempt(first, request)]
    elif fault.kind == "slow-read":
        attempts = [await context.attempt(first, request, slow_read=SLOW)]
    elif fault.kind == "duplicate-at-once":
        together = ReleaseBarrier(2)
        attempts = list(
            await asyncio.gather(
                context.attempt(first, request, hold=together), context.attempt(second, request, hold=together)
            )
        )
    elif fault.kind == "duplicate-after":
        attempts = [await context.attempt(first, request), await context.attempt(second, request)]
    elif fault.kind == "late-arrival":
        attempts = await _late_arrival(context, first, second, request)
    else:
        unanswered = await _unanswered(context, first, request, fault.kind)
        if context.retry.wait:
            await asyncio.sleep(context.retry.wait)
        attempts = [unanswered, await context.attempt(second, request)]
    if not fault.until:
        context.injected(fault, *attempts)
    # The version of a duplicate that is still to come may not be live yet.
    return await retried(
        context, structs.replace(second, version=fault.first) if fault.until else second, request, attempts
    )


async def _unanswered(context: ReplayContext, what: Attempt, request: Request, kind: str) -> Operation:
    """The effect happens, the answer does not arrive: lost as a whole, or cut by a reset in the middle."""
    if kind == "reset":
        cut = await context.attempt(what, request, cut_answer_after=1)
        return cut if cut.error == "refused" else structs.replace(cut, outcome="info")
    return await context.attempt(what, request, seen=False)


async def _late_arrival(context: ReplayContext, first: Attempt, second: Attempt, request: Request) -> list[Operation]:
    """The first attempt is held up on its way; the client gives up and retries; then the first one arrives."""
    release = asyncio.Event()
    held = asyncio.ensure_future(context.attempt(first, request, hold=release, seen=False))
    retried = await context.attempt(second, request)
    release.set()
    return [await held, retried]


def may_retry(context: ReplayContext, response: Response) -> bool:
    """Whether a client might try again after such a response; `retried` says whether it does, and when."""
    return response.status in LATER or response.status in context.retry.statuses


async def retry_if_asked(
    context: ReplayContext, what: Attempt, request: Request, recorded: Response, first: Operation
) -> list[Operation]:
    """The attempts of an undisturbed exchange: one, unless its response asks to try again and the recorded did not."""
    if first.response is None or not may_retry(context, first.response) or retry_after(recorded) is not None:
        return [first]
    return await retried(context, structs.replace(what, parent=what.id), request, [first])


async def retried(
    context: ReplayContext, what: Attempt, request: Request, attempts: list[Operation]
) -> list[Operation]:
    """Where the response says "later", a client tries again, as often as its retry policy says."""
    while len(attempts) < context.retry.attempts:
        response = attempts[-1].response
        wait = retry_after(response)
        if wait is None and response is not None and response.status in context.retry.statuses:
            wait = context.retry.wait
        if wait is None:
            break
        await asyncio.sleep(max(wait, context.retry.wait))
        attempts = [*attempts, await context.attempt(structs.replace(what, number=len(attempts) + 1), request)]
    return attempts
