"""Recovers: work whose doer was killed in the middle of it is taken up again, and ends as it does without a kill.

The evidence is the ends of accepted work (`history.model.End`) in the replays with a kill: each must end, and in a
state in which work of its place ends in the undisturbed controls. The controls have kills at the same moment of the
work and report what they show in the same way, so that attribution can tell what old or new does alone. A kill
elsewhere is not judged where no kill met such work in a control with all old, unless `recovers` is declared.

It can be wrong where one version takes work up again much later than the other, such as after a longer lease: then
`recovers: {within: …}` says how long that may take. It misses what a kill at another moment would show.
"""

from __future__ import annotations

from collections import Counter

from verifier.checks import ends
from verifier.checks.context import Context, called
from verifier.checks.ends import Controls, Work
from verifier.checks.guarantee import Guarantee
from verifier.checks.kills import RECOVERS, kills, who
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.guarantees import OperationGuarantees
from verifier.plan.model import Plan

Tried = tuple[str, str, frozenset[str]]  # service and operation that accept the work, services that were killed


def check(context: Context, plan: Plan) -> CheckResult:
    result = CheckResult(RECOVERS)
    found = ends.works(context)
    controls = ends.learn(context, found)
    killed = [work for work in found if work.end.operation in context.once(kills)]
    tried = {_tried(context, work) for work in killed if context.phase(work.accepting) == "control-old"}
    for work in killed:
        declared = context.guarantees(work.accepting)
        promises = declared is not None and declared.recovers is not None
        if not controls.states.get(work.place) or not (promises or _tried(context, work) in tried):
            continue
        result.ran(work.accepting.step, work.end.service, work.end.name)
        if (finding := _judged(context, work, controls)) is not None:
            result.findings.append(finding)
    return result


def _tried(context: Context, work: Work) -> Tried:
    events = who(context, context.once(kills)[work.end.operation], work.end.at)
    return (work.end.service, work.end.name, frozenset(event.service for event in events))


def _judged(context: Context, work: Work, controls: Controls) -> Finding | None:
    end, states = work.end, controls.states[work.place]
    if end.how == "ended" and (not end.declared or end.shown in states):
        return None
    events = who(context, context.once(kills)[end.operation], end.at)
    counted = Counter((event.service, event.version) for event in events)
    names = ", ".join(f"{count}×{service} {version}" for (service, version), count in sorted(counted.items()))
    hit = f"accepted ({called(work.accepting)}); {names} was killed in the middle of work and replaced"
    after = " and ".join(sorted({event.service for event in events}))
    if end.how == "ended":
        usual = " or ".join(repr(state) for state in sorted(states))
        message, experience = (
            f"{hit}; then it ended {end.shown!r}, without a kill {usual}",
            "work that fails after a crash",
        )
        return ends.finding(context, work, RECOVERS, message, experience, f"ended {end.shown} after {after} was killed")
    shown = f"last shown: {end.shown}" if end.how == "open" else f"no read succeeded, the last was {end.shown}"
    return ends.finding(
        context,
        work,
        RECOVERS,
        f"{hit}; then the client waited {end.bound:.0f} s for {end.wanted} in vain; {shown}. If it takes longer, "
        "declare `recovers: {within: …}`",
        "work that is lost in a crash: a spinner that never ends",
        f"not taken up again after {after} was killed",
    )


def promised(declared: OperationGuarantees) -> bool:
    return declared.recovers is not None


# Not lasting: the moment of a kill is chance, so it is tried again before it fails a run.
RECOVERS_GUARANTEE = Guarantee(RECOVERS, head="recov", severity=35, check=check, promised=promised)
