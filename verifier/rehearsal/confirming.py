"""Selects the replays to repeat from the findings of a run so far (see `plan/confirmation.py`)."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import History, Operation
from verifier.history.parents import root
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
    roots = [root(operation, operations) for operation in proof]
    if roots and all(first.source == "proof" for first in roots):
        return  # a request generated from a contract, which every run sends again
    yield Target(violation.step)
    for first in roots:
        replay = planned.get((first.step, first_try(first.replay)))
        if replay is not None:
            yield Target(first.step, replay.session, replay.route, replay.fault)
        elif first.source == "live":
            yield Target(first.step, first.session)
