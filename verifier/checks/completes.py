"""Completes: accepted work reaches a final state within its bound. Forward-only: its state never goes back."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.checks import ends
from verifier.checks.context import Context, called, is_work
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.completion import Completes
from verifier.contracts.guarantees import OperationGuarantees
from verifier.history.model import Operation
from verifier.plan.model import Plan

GUARANTEE = "completes"
FORWARD = "forward-only states"


Work = tuple[Operation, Completes, list[tuple[str, Operation]]]


def accepted_work(context: Context) -> Iterator[Work]:
    """Every accepted operation with its declaration and the states that polling showed, in order."""
    yield from context.once(_accepted_work)


def _accepted_work(context: Context) -> list[Work]:
    def accepted(group: Group) -> bool:
        declared = context.guarantees(group) if is_work(group) else None
        return declared is not None and declared.completes is not None and group.status == declared.completes.accepted

    found: list[Work] = []
    for operation in context.groups.operations(accepted):
        declared = context.guarantees(operation)
        if declared is not None and (completes := declared.completes) is not None:
            polls = (entry for entry in context.children.get(operation.id, ()) if entry.source == "poll")
            shown = ((shown_state(completes, operation, poll), poll) for poll in polls)
            found.append((operation, completes, [(state, poll) for state, poll in shown if state is not None]))
    return found


def shown_state(completes: Completes, accepted: Operation, read: Operation) -> str | None:
    """The state of accepted work that a read shows; None where it shows none."""
    return completes.shown((accepted.request, accepted.response), (read.request, read.response))


def check(context: Context, plan: Plan) -> CheckResult:
    """Work that was polled until its bound and showed no final state; work whose polls were all refused."""
    result = CheckResult(GUARANTEE)
    for operation, completes, states in accepted_work(context):
        # In later steps it is asked for again: what ends there did not end within its bound.
        polls = [
            entry
            for entry in context.children.get(operation.id, [])
            if entry.source == "poll" and entry.step == operation.step
        ]
        if not polls:
            if operation.source != "inner" and context.value(completes.poll, operation) is None:
                result.ran(operation.step, operation.service, operation.name)
                result.findings.append(_nowhere(context, operation, completes))
            continue
        result.ran(operation.step, operation.service, operation.name)
        states = [(state, poll) for state, poll in states if poll.step == operation.step]
        if any(state in completes.final for state, _ in states):
            continue
        last = polls[-1]
        shown = f"stayed {states[-1][0]!r}" if states else f"could not be read: {called(last)}"
        took = f"{last.ended - operation.ended:.1f} s (bound {completes.within:g} s)"
        result.findings.append(
            Finding(
                guarantee=GUARANTEE,
                service=operation.service,
                operation=operation.name,
                step=operation.step,
                versions=context.versions(operation.service, {operation.version, *(entry.version for entry in polls)}),
                message=f"accepted by {operation.version}, then {shown} for {took}",
                experience="a spinner that never ends",
                evidence=(operation.id, last.id),
                family=context.family(operation),
            )
        )
    result.add(ends.check(context))
    return result


def unexamined(context: Context, plan: Plan) -> Iterator[str]:
    return ends.unknowns(context)


def _nowhere(context: Context, operation: Operation, completes: Completes) -> Finding:
    return Finding(
        guarantee=GUARANTEE,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, {operation.version}),
        message=f"accepted ({called(operation)}), but nothing tells where to ask: no {completes.poll.text}",
        experience="a spinner that never ends",
        evidence=(operation.id,),
        detail="nowhere to ask",
        family=context.family(operation),
    )


def check_forward_only(context: Context, plan: Plan) -> CheckResult:
    """States may be missed between two polls, so any state that can be reached later is allowed.

    Polls of one address belong to one piece of work, whichever attempt they were made for.
    """
    result = CheckResult(FORWARD)
    works: dict[tuple[str, str, str], Work] = {}
    for operation, completes, states in accepted_work(context):
        if not completes.transitions or not states:
            continue
        result.ran(operation.step, operation.service, operation.name)
        poll = states[0][1]
        at = (context.path(poll), poll.service, poll.request.target)
        works.setdefault(at, (operation, completes, []))[2].extend(states)
    for operation, completes, states in works.values():
        later = reachable(completes)
        for (before, poll), (after, following) in in_turn(states):
            if after != before and after not in later.get(before, frozenset()):
                result.findings.append(_backwards(context, operation, (before, poll), (after, following)))
    return result


def in_turn(states: list[tuple[str, Operation]]) -> Iterator[tuple[tuple[str, Operation], tuple[str, Operation]]]:
    """Each read with the last one that had ended when it began: reads that overlap have no order."""
    ordered = sorted(states, key=lambda item: (item[1].ended, item[1].id))
    for position, (state, poll) in enumerate(ordered):
        before = next((item for item in reversed(ordered[:position]) if item[1].ended <= poll.started), None)
        if before is not None:
            yield before, (state, poll)


def _backwards(
    context: Context, operation: Operation, first: tuple[str, Operation], second: tuple[str, Operation]
) -> Finding:
    (before, poll), (after, following) = first, second
    return Finding(
        guarantee=FORWARD,
        service=operation.service,
        operation=operation.name,
        step=following.step,
        versions=context.versions(operation.service, {operation.version, poll.version, following.version}),
        message=f"went from {before!r} (read through {poll.version}) to {after!r} ({following.version})",
        experience=f"{before}, then {after} again",
        evidence=(poll.id, following.id, operation.id),
        detail=f"{before} → {after}",
    )


def reachable(completes: Completes) -> dict[str, frozenset[str]]:
    """For each state, all that may follow it, directly or later (transitive closure)."""
    direct = {name: set(following) for name, following in completes.transitions}
    found: dict[str, frozenset[str]] = {}
    for name in direct:
        seen: set[str] = set()
        waiting = list(direct[name])
        while waiting:
            state = waiting.pop()
            if state not in seen:
                seen.add(state)
                waiting.extend(direct.get(state, ()))
        found[name] = frozenset(seen)
    return found


def promised(declared: OperationGuarantees) -> bool:
    return declared.completes is not None


COMPLETES = Guarantee(GUARANTEE, head="compl", severity=50, check=check, promised=promised, unknowns=unexamined)
FORWARD_ONLY = Guarantee(FORWARD, head="fwd", severity=40, check=check_forward_only)
