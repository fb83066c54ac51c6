"""Which replays had somebody killed in the middle of their work, and what can be concluded from them.

A kill meets the work at a moment that no two runs share: what was done twice, half done or told otherwise after it says
little about versions. Such a replay is therefore judged by `recovers` alone: the work must end.
"""

from __future__ import annotations

from verifier.checks.context import Context
from verifier.checks.replays import Origin, origin
from verifier.checks.verdict import Finding, FindingKind
from verifier.history.model import BY_FAULT, FaultInjected, ReplicaEvent
from verifier.plan.faults import KILL

RECOVERS = "recovers"


def kills(context: Context) -> dict[str, FaultInjected]:
    """The kills that happened, by the operation that had accepted the work. Use it with `context.once`."""
    return {fault.operation: fault for fault in context.history.faults if fault.kind == KILL}


def who(context: Context, kill: FaultInjected, until: float) -> list[ReplicaEvent]:
    """The replicas that were killed between the acceptance and the end of the waiting."""
    return [
        event
        for event in context.history.replicas
        if event.step == kill.step and event.detail == BY_FAULT and kill.at <= event.at <= until
    ]


def excuses(context: Context, finding: Finding) -> bool:
    """Whether a finding shows in a replay with a kill, of which only `recovers` tells."""
    if finding.guarantee == RECOVERS or finding.kind is FindingKind.REPLICA:
        return False
    replays = context.once(_replays)
    operations = (context.by_id[name] for name in finding.evidence if name in context.by_id)
    return bool(replays) and any(origin(context, context.root(entry)) in replays for entry in operations)


def _replays(context: Context) -> set[Origin]:
    return {(kill.step, kill.replay) for kill in context.once(kills).values()}
