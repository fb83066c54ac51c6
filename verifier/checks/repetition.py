"""Whether a defect was seen again when it was tried again (`plan/confirmation.py`).

The evidence is the findings of the steps that confirm, and whether a replay shows the defect at all. It can be wrong
where a defect shows once in very many tries: that counts as not confirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from verifier.checks.causes import is_end
from verifier.checks.context import Context
from verifier.checks.verdict import Attribution, Finding
from verifier.plan.confirmation import PREFIX

APART = 0.1  # seconds between two moments


def confirmed(
    context: Context, cell_of: Callable[[str], Attribution], attribution: Attribution, group: list[Finding]
) -> bool | None:
    """Whether a defect was seen again when it was tried again; None where it was not.

    What no replay shows is not tried again: requests that are made up from a contract, and what contracts alone say.
    What the confirmation alone shows must show at two moments: one failure in many more tries is what chance gives, and
    requests of one moment fail together (a full backlog of connections, a stalled machine). All that follows from the
    end of a replica in one step is one failure.
    """
    confirming = {step.id for step in context.history.steps if step.confirms}
    again = [finding.step for finding in group if finding.step in confirming]
    if again:
        moments = len(set(again)) if is_end(group[0].cause) else _moments(context, group)
        return moments > 1 or len(again) < len(group)
    shown = {f"{PREFIX}{finding.step}" for finding in group}
    tried = any(cell_of(step) == attribution or step in shown for step in confirming)
    return False if tried and any(_replayed(context, finding) for finding in group) else None


def _moments(context: Context, group: list[Finding]) -> int:
    """How many moments findings show, more than `APART` seconds from each other. What has no time is one by itself."""
    shown = [context.by_id.get(finding.evidence[-1]) if finding.evidence else None for finding in group]
    times = sorted(operation.started for operation in shown if operation is not None)
    return shown.count(None) + sum(later - earlier > APART for earlier, later in pairwise([-APART - 1, *times]))


def _replayed(context: Context, finding: Finding) -> bool:
    """Whether a replay, or the start of a replica, shows a finding."""
    proof = [context.by_id[name] for name in finding.evidence if name in context.by_id]
    return any(context.root(operation).source != "proof" for operation in proof) or (
        not proof and bool(finding.evidence)
    )
