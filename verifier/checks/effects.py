"""Honest completion: what is reported done has had its effect. And how often effects may happen at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from verifier.checks.completes import accepted_work
from verifier.checks.context import Context, called, is_work
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.idempotent import effects_of
from verifier.checks.undeclared_effects import check_fewer, check_more
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.guarantees import Effect, OperationGuarantees
from verifier.history.model import Operation
from verifier.plan.model import Plan

HONEST = "honest completion"
TIMES = "exactly-once effect"


def reported_done(context: Context) -> Iterator[tuple[Operation, Operation]]:
    """Operations that a service reported done, each with the operation that reported it."""
    for operation, completes, states in accepted_work(context):
        told = next((poll for state, poll in states if state in completes.done), None)
        if told is not None:
            yield operation, told
    for operation in context.groups.operations(lambda group: group.outcome == "ok" and _has_effects(context, group)):
        declared = context.guarantees(operation)
        done = declared.completes if declared is not None else None
        if done is None or context.value(done.state, operation) in done.done:
            yield operation, operation


def _has_effects(context: Context, group: Group) -> bool:
    declared = context.guarantees(group) if is_work(group) else None
    return declared is not None and bool(declared.effects)


def check_honest(context: Context, plan: Plan) -> CheckResult:
    """Done without the effect, by the end of the step in which it was reported."""
    result = CheckResult(HONEST)
    for operation, told in reported_done(context):
        declared = context.guarantees(operation)
        for effect in declared.effects if declared else ():
            if effect.times == "at-most-once":
                continue
            result.ran(operation.step, operation.service, operation.name)
            end = context.steps[told.step].ended if told.step in context.steps else float("inf")
            if not any(found.started <= end for found in effects_of(context, effect, operation)):
                result.findings.append(_missing(context, operation, told, effect))
    result.add(check_fewer(context, HONEST))
    return result


def _missing(context: Context, operation: Operation, told: Operation, effect: Effect) -> Finding:
    live = context.live(operation.step, operation.service)
    return Finding(
        guarantee=HONEST,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, {operation.version, told.version} | live),
        message=f"reported done ({called(told)}), but {effect.partner}.{effect.operation} never happened "
        f"for {effect.key.text} = {context.value(effect.match, operation)}",
        experience="success that never happened",
        evidence=tuple(dict.fromkeys((operation.id, told.id))),
        detail=effect.partner,
    )


def check_times(context: Context, plan: Plan) -> CheckResult:
    """More effects than declared although the operation was sent once: something inside did it twice."""
    result = CheckResult(TIMES)
    asked = [
        (operation, effect, value)
        for operation in context.groups.operations(lambda group: _has_effects(context, group))
        if (declared := context.guarantees(operation)) is not None
        for effect in declared.effects
        if effect.times != "at-least-once" and (value := context.value(effect.match, operation)) is not None
    ]
    attempts = Counter(_asked(context, operation, effect, value) for operation, effect, value in asked)
    # An attempt whose answer was lost may not tell the value, but it is one all the same.
    sent = context.groups.operations(lambda group: is_work(group) and group.source != "inner")
    retried = {entry.parent for entry in sent}
    for operation, effect, value in asked:
        again = operation.id in retried or (operation.source != "inner" and operation.parent)
        if again or attempts[_asked(context, operation, effect, value)] > 1 or operation.outcome == "fail":
            continue
        result.ran(operation.step, operation.service, operation.name)
        applied = effects_of(context, effect, operation)
        if len(applied) > 1:
            result.findings.append(_too_often(context, operation, effect, applied))
    result.add(check_more(context, TIMES))
    return result


def _asked(context: Context, operation: Operation, effect: Effect, value: str) -> tuple[str, ...]:
    return (context.path(operation), operation.service, operation.name, effect.partner, effect.operation, value)


def _too_often(context: Context, operation: Operation, effect: Effect, applied: list[Operation]) -> Finding:
    callers = {entry.caller_version for entry in applied}
    caller = applied[0].caller or operation.service
    return Finding(
        guarantee=TIMES,
        service=caller,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(caller, callers),
        message=f"sent once, but {effect.partner}.{effect.operation} happened {len(applied)} times "
        f"for {effect.key.text} = {context.value(effect.match, operation)}",
        experience="charged twice for one order",
        evidence=(operation.id, *(entry.id for entry in applied)),
        family=context.family(operation),
    )


def honesty_promised(declared: OperationGuarantees) -> bool:
    return any(effect.times != "at-most-once" for effect in declared.effects)


HONEST_COMPLETION = Guarantee(HONEST, head="honest", severity=70, check=check_honest, promised=honesty_promised)
EXACTLY_ONCE = Guarantee(TIMES, head="once", severity=80, check=check_times)
