"""Completes: accepted work reaches a final state within its bound. Forward-only: its state never goes back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from verifier.checks.context import SENT, Context, called
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.guarantees import Completes
from verifier.history.model import Operation

GUARANTEE = "completes"
FORWARD = "forward-only states"


def accepted_work(context: Context) -> Iterator[tuple[Operation, Completes, list[tuple[str, Operation]]]]:
    """Every accepted operation with its declaration and the states that polling showed, in order."""
    for operation in context.history.operations:
        if operation.source not in SENT or operation.response is None:
            continue
        declared = context.guarantees(operation)
        if declared is None or declared.completes is None:
            continue
        if operation.response.status != declared.completes.accepted:
            continue
        states = [
            (state, poll)
            for poll in context.children.get(operation.id, [])
            if poll.source == "poll" and (state := context.value(declared.completes.state, poll)) is not None
        ]
        yield operation, declared.completes, states


def check(context: Context) -> CheckResult:
    """Work that was polled until its bound and showed no final state; work whose polls were all refused."""
    result = CheckResult(GUARANTEE)
    for operation, completes, states in accepted_work(context):
        polls = [entry for entry in context.children.get(operation.id, []) if entry.source == "poll"]
        if not polls:
            continue
        result.ran(operation.step, operation.service, operation.name)
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
    return result


def check_forward_only(context: Context) -> CheckResult:
    """States may be missed between two polls, so any state that can be reached later is allowed."""
    result = CheckResult(FORWARD)
    for operation, completes, states in accepted_work(context):
        if not completes.transitions or len(states) < 1:
            continue
        result.ran(operation.step, operation.service, operation.name)
        later = reachable(completes)
        for (before, poll), (after, following) in pairwise(states):
            if after == before or after in later.get(before, frozenset()):
                continue
            result.findings.append(
                Finding(
                    guarantee=FORWARD,
                    service=operation.service,
                    operation=operation.name,
                    step=operation.step,
                    versions=context.versions(operation.service, {operation.version, poll.version, following.version}),
                    message=f"went from {before!r} (read through {poll.version}) to {after!r} ({following.version})",
                    experience=f"{before}, then {after} again",
                    evidence=(poll.id, following.id, operation.id),
                    detail=f"{before} → {after}",
                )
            )
    return result


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
