"""Seams: what one side of a call assumes, against what the other side promises."""

from __future__ import annotations

from verifier.checks.context import Context
from verifier.checks.guarantee import Guarantee
from verifier.checks.verdict import CheckResult, Finding, FindingKind
from verifier.plan.model import Plan, SeamBreak

GUARANTEE = "seam"


def check(context: Context, plan: Plan) -> CheckResult:
    """Assumptions stronger than the guarantee they rest on, in every step in which the two versions meet."""
    result = CheckResult(GUARANTEE)
    for item in plan.declared.seams:
        for step in item.steps:
            if step in context.steps:
                result.findings.append(_seam(context, item, step))
    return result


def _seam(context: Context, item: SeamBreak, step: str) -> Finding:
    seam = item.seam
    return Finding(
        guarantee=GUARANTEE,
        service=seam.consumer,
        operation=f"{seam.provider}.{seam.operation}",
        step=step,
        versions=tuple(dict.fromkeys((seam.consumer_version, seam.provider_version))),
        message=f"{seam.message} — {seam.assumed} — {seam.promised}",
        experience="what one side takes for granted, the other never promised",
        evidence=(),
        kind=FindingKind.CONTRACT,
        detail=f"{seam.guarantee} {seam.consumer_version} {seam.provider_version}",
    )


SEAM = Guarantee(GUARANTEE, head="seam", severity=10, check=check)
