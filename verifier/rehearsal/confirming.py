"""Selects the replays to repeat from the findings of a run so far (see `plan/confirmation.py`)."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import History, Operation
from verifier.plan.confirmation import Target
from verifier.plan.model import Plan, Replay, first_try


def targets(judgement: Judgement, history: History, plan: Plan) -> tuple[Target, ...]:
    """The replays that show the violations that would fail the run, the most severe first. () if there are none.

    What old alone shows too is among them where too few tries tell whether it shows it as often.
    """
    operations = {operation.id: operation for operation in history.operations}
    planned = {(step.id, replay.id): replay for step in plan.steps for replay in step.replays}
    found = [
        target
        for violation in judgement.violations
        if violation.fails or violation.doubtful
        for target in _of(violation, operations, planned)
    ]
    return tuple(dict.fromkeys(found))


def _of(
    violation: Violation, operations: dict[str, Operation], planned: dict[tuple[str, str], Replay]
) -> Iterator[Target]:
    proof = [operations[name] for name in violation.evidence if name in operations]
    roots = [_root(operation, operations) for operation in proof]
    if roots and all(root.source == "proof" for root in roots):
        return  # a request generated from a contract, which every run sends again
    yield Target(violation.step)
    for root in roots:
        replay = planned.get((root.step, first_try(root.replay)))
        if replay is not None:
            yield Target(root.step, replay.session, replay.route, replay.fault)
        elif root.source == "live":
            yield Target(root.step, root.session)


def _root(operation: Operation, operations: dict[str, Operation]) -> Operation:
    """The first operation in the chain: the one that this one repeats or reads back, or that caused it."""
    seen = {operation.id}
    while operation.parent in operations and operation.parent not in seen:
        operation = operations[operation.parent]
        seen.add(operation.id)
    return operation
