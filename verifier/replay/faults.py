"""The attempts of one exchange: with a fault, or repeated because a response asks to try again later."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from msgspec import structs

from verifier.history.model import Operation
from verifier.http.client import ReleaseBarrier
from verifier.http.message import Request, Response
from verifier.plan.model import Fault
from verifier.replay.context import RETRY_STATUSES, Attempt, ReplayContext, retry_after

SLOW = 1000.0  # bytes per second of a slow reader


@dataclass(frozen=True, slots=True)
class DeferredDuplicate:
    """A duplicate to be sent in a later step."""

    attempt: Attempt
    request: Request
    fault: Fault

    @property
    def replay(self) -> str:
        """The id of its replay, with the step that planned it: a replay of another step may have the same id."""
        return f"{self.attempt.step}:{self.attempt.replay}"


async def exchange_with_fault(
    context: ReplayContext, attempt: Attempt, request: Request, fault: Fault
) -> list[Operation]:
    """All attempts of an exchange with a fault. The client goes on with the response to the last one.

    After `duplicate-after` it goes on with the response to the first: the duplicate is not its own.
    """
    first = structs.replace(attempt, version=fault.first, fault=fault.kind)
    second = structs.replace(attempt, version=fault.second, fault=fault.kind, number=2, parent=attempt.id)
    if fault.until:
        attempts = [await context.send(first, request)]
    elif fault.kind == "slow-read":
        attempts = [await context.send(first, request, slow_read=SLOW)]
    elif fault.kind == "duplicate-at-once":
        barrier = ReleaseBarrier(2)
        attempts = list(
            await asyncio.gather(
                context.send(first, request, hold=barrier), context.send(second, request, hold=barrier)
            )
        )
    elif fault.kind == "duplicate-after":
        attempts = [await context.send(first, request), await context.send(second, request)]
    elif fault.kind == "late-arrival":
        attempts = await _late_arrival(context, first, second, request)
    else:
        lost = await _lost_response(context, first, request, fault.kind)
        if context.retry.wait:
            await asyncio.sleep(context.retry.wait)
        attempts = [lost, await context.send(second, request)]
    if not fault.until:
        context.record_fault(fault, *attempts)
    # The version of a duplicate that is still to come may not be live yet.
    return await retried(
        context, structs.replace(second, version=fault.first) if fault.until else second, request, attempts
    )


async def _lost_response(context: ReplayContext, attempt: Attempt, request: Request, kind: str) -> Operation:
    """The effect happens but the response does not arrive: it is lost, or a reset cuts it."""
    if kind == "reset":
        cut = await context.send(attempt, request, cut_response_after=1)
        return cut if cut.error == "refused" else structs.replace(cut, outcome="info")
    return await context.send(attempt, request, delivered=False)


async def _late_arrival(context: ReplayContext, first: Attempt, second: Attempt, request: Request) -> list[Operation]:
    """The first attempt is delayed on its way. The client gives up and retries; then the first one arrives."""
    release = asyncio.Event()
    held = asyncio.ensure_future(context.send(first, request, hold=release, delivered=False))
    retry = await context.send(second, request)
    release.set()
    return [await held, retry]


def may_retry(context: ReplayContext, response: Response) -> bool:
    """Whether a client might try again after such a response; `retried` says whether it does, and when."""
    return response.status in RETRY_STATUSES or response.status in context.retry.statuses


async def retry_if_asked(
    context: ReplayContext, attempt: Attempt, request: Request, recorded: Response, first: Operation
) -> list[Operation]:
    """The attempts of an undisturbed exchange: one, unless its response asks to try again and the recorded did not."""
    if first.response is None or not may_retry(context, first.response) or retry_after(recorded) is not None:
        return [first]
    return await retried(context, structs.replace(attempt, parent=attempt.id), request, [first])


async def retried(
    context: ReplayContext, attempt: Attempt, request: Request, attempts: list[Operation]
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
        attempts = [*attempts, await context.send(structs.replace(attempt, number=len(attempts) + 1), request)]
    return attempts
