"""Whose doing a defect is, told from the controls. Only what the deployment adds fails it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from verifier.checks.context import Context
from verifier.checks.verdict import Attribution, Finding, Violation
from verifier.history.model import Phase


def attribute(phases: set[Phase]) -> Attribution:
    """From the phases in which one defect was seen.

    Seen with all old on fresh stores it was there before; else, with all new, the new version has it by itself;
    else, on the way forward, only the mixture shows it; else it takes going back.
    """
    if "control-old" in phases:
        return "pre-existing"
    if "control-new" in phases:
        return "new-version"
    return "mixed" if "forward" in phases else "rollback"


def violations(context: Context, findings: Iterable[Finding]) -> tuple[Violation, ...]:
    """One violation for each defect and attribution, told by the finding that shows it best."""
    order = {step.id: position for position, step in enumerate(context.history.steps)}
    found = list(findings)
    seen: dict[tuple[str, ...], set[Phase]] = defaultdict(set)
    for finding in found:
        step = context.steps.get(finding.step)
        seen[finding.signature].add(step.phase if step else "forward")
    grouped: dict[tuple[tuple[str, ...], Attribution], list[Finding]] = defaultdict(list)
    for finding in found:
        grouped[finding.defect, attribute(seen[finding.signature])].append(finding)
    told = []
    for (_, attribution), group in grouped.items():
        group.sort(key=lambda finding: order.get(finding.step, -1))
        told.append(_violation(context, _telling(group), group, attribution))
    weight = ("mixed", "rollback", "new-version", "pre-existing")
    told.sort(key=lambda item: (weight.index(item.attribution), order.get(item.step, -1), item.guarantee, item.message))
    return tuple(told)


def _telling(group: list[Finding]) -> Finding:
    """The finding that shows a defect best: the first one in which versions did meet, in a planned replay."""
    return min(
        group, key=lambda finding: (len(finding.versions) < 2, "/live-" in finding.evidence[0], group.index(finding))
    )


def _violation(context: Context, shown: Finding, group: list[Finding], attribution: Attribution) -> Violation:
    run = context.history.run
    return Violation(
        guarantee=shown.guarantee,
        attribution=attribution,
        service=shown.service,
        operation=shown.operation,
        step=shown.step,
        versions=shown.versions,
        message=shown.message,
        experience=shown.experience,
        evidence=shown.evidence,
        reproduce=f"verifier run MATRIX --seed {run.seed} --runtime {run.runtime}",
        steps=tuple(dict.fromkeys(finding.step for finding in group)),
        count=len(group),
    )
