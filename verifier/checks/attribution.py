"""Whose doing a defect is, told from the controls. Only what the deployment adds fails it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from verifier.checks.context import Context, as_control
from verifier.checks.verdict import ROLLBACK, Attribution, Finding, Violation
from verifier.history.model import Phase

_Place = tuple[str, int]  # session, index


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
    """One violation for each defect and attribution, told by the finding that shows it best.

    The controls are asked per kind of disturbance: a defect that old shows under retries is news under none. What
    remains is the deployment's own, and one defect however it was brought out.
    """
    order = {step.id: position for position, step in enumerate(context.history.steps)}
    found = list(findings)
    seen: dict[tuple[str, ...], set[Phase]] = defaultdict(set)
    for finding in found:
        seen[finding.signature].add(_phase(context, finding))
        if finding.after is not None:
            seen[finding.signature] |= finding.after.phases
    _add_other_name(context, found, seen)
    found = _cut_off(context, found, seen)
    own: dict[tuple[str, ...], set[Phase]] = defaultdict(set)
    for finding in found:
        if attribute(seen[finding.signature]) in ("mixed", "rollback"):
            own[finding.defect] |= seen[finding.signature]
    grouped: dict[tuple[tuple[str, ...], Attribution], list[Finding]] = defaultdict(list)
    for finding in found:
        attribution = attribute(seen[finding.signature])
        if attribution == "rollback":
            attribution = attribute(own[finding.defect])
        grouped[finding.defect, attribution].append(finding)
    told = []
    for (_, attribution), group in grouped.items():
        # Ids, not the order of the history, settle ties: independent replays may end in any order.
        group.sort(key=lambda finding: (order.get(finding.step, -1), finding.evidence, finding.message))
        told.append(_violation(context, _telling(context, group), group, attribution))
    weight = ("mixed", "rollback", "new-version", "pre-existing")
    told.sort(key=lambda item: (weight.index(item.attribution), order.get(item.step, -1), item.guarantee, item.message))
    return tuple(told)


def _add_other_name(context: Context, found: list[Finding], seen: dict[tuple[str, ...], set[Phase]]) -> None:
    """What is told as rollback safe after going back is told under other names in a control, and is no news either."""
    in_controls: dict[tuple[str, ...], set[Phase]] = defaultdict(set)
    for finding in found:
        if (phase := _phase(context, finding)).startswith("control"):
            in_controls[finding.signature[1:]].add(phase)
    for finding in found:
        if finding.guarantee == ROLLBACK:
            seen[finding.signature] |= in_controls.get(finding.signature[1:], set())


def _cut_off(context: Context, found: list[Finding], seen: dict[tuple[str, ...], set[Phase]]) -> list[Finding]:
    """Lay to the new version what its own control could not show, because that broke the session off before.

    Of such a place nobody knows what the new version does alone: that only the mixture breaks it must not be said. A
    defect that was seen at one place which the control did reach stays the mixture's.
    """
    reached, broken = _reached_by_new(context), _broken_by_new(context, found, seen)
    reachable = {
        finding.signature
        for finding in found
        if not any(
            place not in reached and place[1] > broken.get(place[0], place[1]) for place in _places(context, finding)
        )
    }
    alone = {
        signature
        for signature, phases in seen.items()
        if signature not in reachable and attribute(phases) in ("mixed", "rollback")
    }
    for signature in alone:
        seen[signature].add("control-new")
    told = "; the new version by itself does not get this far"
    return [
        replace(finding, message=f"{finding.message}{told}") if finding.signature in alone else finding
        for finding in found
    ]


def _reached_by_new(context: Context) -> set[_Place]:
    return {
        (operation.session, operation.index)
        for operation in context.client_operations()
        if (step := context.steps.get(operation.step)) is not None and step.phase == "control-new"
    }


def _broken_by_new(context: Context, found: list[Finding], seen: dict[tuple[str, ...], set[Phase]]) -> dict[str, int]:
    """For each session the first place that the new version alone breaks."""
    first: dict[str, int] = {}
    for finding in found:
        if _phase(context, finding) == "control-new" and attribute(seen[finding.signature]) == "new-version":
            for session, index in _places(context, finding):
                first[session] = min(index, first.get(session, index))
    return first


def _places(context: Context, finding: Finding) -> list[_Place]:
    """Where in the traffic a finding shows: the place of the last of its operations."""
    named = [context.by_id[name] for name in finding.evidence if name in context.by_id]
    return [(operation.session, operation.index) for operation in named[-1:] if operation.index >= 0]


def _phase(context: Context, finding: Finding) -> Phase:
    """The phase of a finding. Where two versions meet live, the mixture explains it, gone back before or not;
    but for what is no longer readable after going back, which has a name of its own.

    A rollout starts as a control does, all old on fresh stores: what it shows there was there before.
    """
    step = context.steps.get(finding.step)
    if step is None:
        return "forward"
    if (control := as_control(step)) is not None:
        return control
    together = context.live(step.id, finding.service) & set(finding.versions)
    mixed = step.phase == "rollback" and len(together) > 1 and finding.guarantee != ROLLBACK
    return "forward" if mixed else step.phase


def _telling(context: Context, group: list[Finding]) -> Finding:
    """The finding that shows a defect best: versions did meet, in a planned replay, within one step."""

    def clumsy(finding: Finding) -> tuple[bool, bool, bool]:
        proof = [context.by_id[name] for name in finding.evidence if name in context.by_id]
        live = any(context.root(operation).source == "live" for operation in proof)
        return (len(finding.versions) < 2, live, len({operation.step for operation in proof}) > 1)

    return min(group, key=clumsy)


def _violation(context: Context, shown: Finding, group: list[Finding], attribution: Attribution) -> Violation:
    run = context.history.run
    showing = {finding.step for finding in group}
    lasting = {finding.step for finding in group if not _is_live(context, finding)}
    steps = (*(name for name in context.steps if name in showing), *sorted(showing - context.steps.keys()))
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
        reproduce=f"verifier run {run.file} --seed {run.seed} --runtime {run.runtime}",
        steps=steps,
        count=len(group),
        passing=tuple(name for name in steps if name not in lasting),
        cause=shown.cause,
    )


def _is_live(context: Context, finding: Finding) -> bool:
    """Whether live traffic alone shows it: that is sent while a step changes replicas, and ends with the change."""
    named = [context.by_id[name] for name in finding.evidence if name in context.by_id]
    return bool(named) and all(operation.source == "live" for operation in named)
