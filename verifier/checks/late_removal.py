"""Replicas that are told to end while the load balancer still sends requests to them (`plan/late_removal.py`).

Compares the requests that such a replica got with what its version answers undisturbed. One that it had in hand is to
be answered, and so are those that come until it is out of rotation. Each end is one try, whatever became of its many
requests: they fail together, and which of them meets the end of the process is chance.

It can be wrong where a service closes within the second only sometimes: then one end may show it and another may not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from verifier.checks.context import Context, called
from verifier.checks.verdict import CheckResult, Finding, FindingKind
from verifier.history.model import Operation
from verifier.plan.faults import FAMILIES, IN_HAND, LATE_REMOVAL

TERMINATING = "terminating"
WHAT = {
    "in hand": "drops a request that it has in hand when it is told to end",
    "refused": "refuses requests when it is told to end, before it is out of rotation",
}


def check(context: Context, result: CheckResult) -> None:
    """Add what each replica that was told to end left unanswered: in hand, and sent to it afterwards."""
    ends = {event.replica: event for event in context.history.replicas if event.what == TERMINATING}
    if not ends:
        return
    sent: dict[str, list[Operation]] = defaultdict(list)
    errors = {  # what is answered 5xx undisturbed
        (group.service, group.version, group.name)
        for group in context.groups.where(lambda group: group.status >= 500 and not group.fault)
    }
    for operation in context.groups.operations(lambda group: FAMILIES.get(group.fault) == LATE_REMOVAL):
        if operation.replica in ends:
            sent[operation.replica].append(operation)
    for replica, event in ends.items():
        result.ran(event.step, event.service, "")
        failed = [
            operation
            for operation in sent[replica]
            if operation.response is None or (_is_error(operation) and _place(operation) not in errors)
        ]
        in_hand = [operation for operation in failed if operation.fault == IN_HAND]
        after = [operation for operation in failed if operation.fault != IN_HAND]
        result.findings += _finding(context, result.guarantee, in_hand, "in hand")
        result.findings += _finding(context, result.guarantee, after, "refused")


def _is_error(operation: Operation) -> bool:
    return operation.response is not None and operation.response.status >= 500


def _place(operation: Operation) -> tuple[str, str, str]:
    return (operation.service, operation.version, operation.name)


def _finding(context: Context, guarantee: str, failed: list[Operation], detail: str) -> Iterator[Finding]:
    """At most one finding for one end: all that it left unanswered is one failure."""
    if not failed:
        return
    first = min(failed, key=lambda operation: (operation.started, operation.id))
    yield Finding(
        guarantee=guarantee,
        service=first.service,
        operation="",
        step=first.step,
        versions=(first.version,),
        message=f"{first.service} {first.version} {WHAT[detail]}: {called(first)}",
        experience="an error during the deploy, where the load balancer learns late that a replica ends",
        evidence=(first.id,),
        kind=FindingKind.UNANSWERED,
        detail=detail,
        family=LATE_REMOVAL,
    )
