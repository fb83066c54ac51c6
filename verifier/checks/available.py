"""Available: what the controls answer is answered in every state, also while replicas are replaced.

A replica that cannot start on the other version's data, or ends by itself, belongs here too, and one that loses a
process that it cannot do without (`children.py`).
"""

from __future__ import annotations

from verifier.checks import children, late_removal
from verifier.checks.causes import broken, loses
from verifier.checks.context import Context, called
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.verdict import CheckResult, Finding, FindingKind
from verifier.history.model import Operation, ReplicaEvent
from verifier.plan.faults import FAMILIES, KILL, LATE_REMOVAL
from verifier.plan.model import Plan

GUARANTEE = "available"
LINES = 10  # of a log
CUTS = frozenset({KILL, "reset"})  # faults that may cut a request
BROKEN = frozenset({"never-ready", "exited", "command-failed"})


def check(context: Context, plan: Plan) -> CheckResult:
    """Refused, cut or late requests and answers of 5xx, but for those that a fault cut on purpose."""
    result = CheckResult(GUARANTEE)
    for group in context.groups.where(_concerns):
        if group.fault not in CUTS:
            result.ran(group.step, group.service, group.name, group.count)
    for group, operation in context.groups.pairs(
        lambda group: _concerns(group) and (group.fault in CUTS or group.failed)
    ):
        if not cut_on_purpose(operation):
            if group.fault in CUTS:
                result.ran(group.step, group.service, group.name)
            if group.failed:
                result.findings.append(_failed(context, operation))
    result.findings += broken_replicas(context, GUARANTEE, going_back=False)
    for event, role in children.gone(context):
        result.tolerated[f"{event.service} {event.version}: the child process {role}", children.OWN] += 1
    late_removal.check(context, result)
    return result


def _concerns(group: Group) -> bool:
    return group.source in ("replay", "live", "poll") and FAMILIES.get(group.fault) != LATE_REMOVAL


def broken_replicas(context: Context, guarantee: str, *, going_back: bool) -> list[Finding]:
    """The replicas that did not become ready, ended, or lost processes: in steps that go back, or in all the others."""
    lost = (entry for entry in context.once(children.lost) if _goes_back(context, entry.event) is going_back)
    found = [_without(context, entry, guarantee, going_back) for entry in lost]
    return found + [
        _broken(context, event, guarantee, going_back)
        for event in context.history.replicas
        if event.what in BROKEN and _goes_back(context, event) is going_back
    ]


def _goes_back(context: Context, event: ReplicaEvent) -> bool:
    step = context.steps.get(event.step)
    return step is not None and step.phase == "rollback"


def cut_on_purpose(operation: Operation) -> bool:
    """Whether a fault cut it: the first attempt alone: the retry is left in peace."""
    if operation.fault == KILL:
        return operation.response is None
    return operation.fault == "reset" and operation.attempt == 1 and operation.error in ("reset", "closed")


def _failed(context: Context, operation: Operation) -> Finding:
    how = str(operation.response.status) if operation.response else operation.error
    live = operation.source == "live"
    when = " while replicas were being changed" if live else ""
    return Finding(
        guarantee=GUARANTEE,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(
            operation.service, {operation.version} | context.live(operation.step, operation.service)
        ),
        message=f"{called(operation)}{when}",
        experience="an error during the deploy" if live else "an error where there was an answer before",
        evidence=(operation.id,),
        kind=FindingKind.UNANSWERED,
        detail=how,
        family=context.family(operation),
    )


def _broken(context: Context, event: ReplicaEvent, guarantee: str, back: bool) -> Finding:
    what = {
        "never-ready": "did not become ready",
        "exited": "ended by itself",
        "command-failed": "could not be migrated",
    }[event.what]
    first = event.detail.splitlines()[0] if event.detail else ""
    return Finding(
        guarantee=guarantee,
        service=event.service,
        operation="",
        step=event.step,
        versions=context.versions(event.service, {event.version} | context.live(event.step, event.service)),
        message=f"{event.service} {event.version} {what} on the data it found: {first}",
        experience="the rollback does not come up" if back else "the deploy hangs with fewer replicas than planned",
        evidence=(event.replica,),
        kind=FindingKind.REPLICA,
        detail=f"{event.what} {event.version}",
        cause=broken(event),
        reason=reason(event),
    )


def _without(context: Context, lost: children.Lost, guarantee: str, back: bool) -> Finding:
    event = lost.event
    named = f"{event.service} {event.version}"
    left = "none of them" if not lost.found else f"{lost.found} of {lost.usual}"
    return Finding(
        guarantee=guarantee,
        service=event.service,
        operation="",
        step=event.step,
        versions=context.versions(event.service, {event.version} | context.live(event.step, event.service)),
        message=f"a child process of {named} has ended and was not replaced, while its leader goes on: {lost.role} "
        f"({left} left)",
        experience="after the rollback nobody does its work"
        if back
        else "nobody does the work of that process any more",
        evidence=(event.replica,),
        kind=FindingKind.REPLICA,
        detail=f"child-ended {event.version} {lost.role}",
        cause=loses(event.service, event.version),
        reason=reason(event),
    )


def reason(event: ReplicaEvent) -> str:
    """The last telling lines of the log of a replica or a migration, at most LINES of them."""
    told = event.detail.partition("\n")[2] if event.what in ("never-ready", "command-failed") else event.log
    return "\n".join([line.rstrip() for line in told.splitlines() if line.strip()][-LINES:])


AVAILABLE = Guarantee(GUARANTEE, head="avail", severity=30, check=check)
