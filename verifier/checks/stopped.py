"""A run that was stopped is judged as far as it came: up to the last step that it completed.

In the step under way, what is missing proves nothing. A response, an end of accepted work, a call of a partner or the
record of a fault may be what the run did not wait for, or what a kill has kept from the disk. So nothing that clients
sent in this step is judged. Calls of partners that belong to earlier requests, or to none, still count.

Such a run never fails, because nothing of it was confirmed. What its completed steps show is reported.
"""

from __future__ import annotations

from msgspec import structs

from verifier.history.model import History, Operation
from verifier.plan.model import Plan

INTERRUPTED, UNCONFIRMED = "interrupted", "unconfirmed"  # kinds of notes; both keep a run from failing
CALLS = ("inner", "partner")  # what services send


def was_stopped(history: History) -> bool:
    """Whether the run came to no end of its own: somebody interrupted or killed it, or the verifier itself failed, or
    what its shards found could not be confirmed where they were merged.
    """
    return history.run.unfinished or _noted(history)


def why(history: History) -> str:
    """A sentence for a run that was stopped and has no note about it, else ""."""
    return "" if _noted(history) or not was_stopped(history) else "the run was stopped: what comes later was not tested"


def _noted(history: History) -> bool:
    return any(note.kind in (INTERRUPTED, UNCONFIRMED) for note in history.notes)


def completed(history: History, plan: Plan) -> History:
    """The history without what clients sent in steps that were not completed. The steps themselves stay."""
    planned = {step.id for path in (*plan.paths, *plan.confirmation) for step in path.steps}
    recorded = {step.id for step in history.steps}
    under_way = (planned - recorded) | {step.id for step in history.steps if step.stopped}
    if not under_way:
        return history
    by_id = {operation.id: operation for operation in history.operations}
    return structs.replace(
        history,
        operations=tuple(entry for entry in history.operations if _counts(entry, by_id, under_way)),
        replicas=tuple(event for event in history.replicas if event.step not in under_way),
        faults=tuple(fault for fault in history.faults if fault.step not in under_way),
        ends=tuple(end for end in history.ends if end.step not in under_way),
    )


def _counts(operation: Operation, by_id: dict[str, Operation], under_way: set[str]) -> bool:
    """Whether a client asked for it in another step, or nobody did. A caller without a record was still waiting."""
    seen: set[str] = set()
    while operation.step in under_way and operation.source in CALLS and operation.id not in seen:
        if not operation.parent:
            return True
        seen.add(operation.id)
        caller = by_id.get(operation.parent)
        if caller is None:
            return False
        operation = caller
    return operation.step not in under_way
