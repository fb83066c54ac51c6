"""From a history to a verdict: runs every check, attributes what they find, and refuses to pass what was not tried."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.checks import (
    available,
    compatible,
    completes,
    declared,
    effects,
    freshness,
    idempotent,
    lost_write,
    recording_fit,
)
from verifier.checks.attribution import violations
from verifier.checks.context import Context
from verifier.checks.coverage import coverage
from verifier.checks.crashes import CrashAttribution
from verifier.checks.crashes import unknowns as unseen
from verifier.checks.verdict import CheckResult, Judgement, StepVerdict, Verdict, Violation
from verifier.contracts.guarantees import OperationGuarantees
from verifier.contracts.registry import ContractRegistry
from verifier.history.model import History, Step
from verifier.plan.model import Plan

ORDER = (
    available.GUARANTEE,
    compatible.GUARANTEE,
    declared.SEAM,
    lost_write.GUARANTEE,
    idempotent.GUARANTEE,
    completes.GUARANTEE,
    completes.FORWARD,
    effects.HONEST,
    effects.TIMES,
    freshness.GUARANTEE,
    lost_write.ROLLBACK,
)


def judge(history: History, registry: ContractRegistry, plan: Plan) -> Judgement:
    """Pure: an equal history, with equal promises and plan, gives an equal judgement."""
    context = Context(history, registry)
    results = run_checks(context, plan)
    crashes = CrashAttribution(context)
    findings = [crashes.explained(finding) for result in results for finding in result.findings]
    found = violations(context, findings)
    unknowns = (*_unknowns(context, results, plan), *unseen(findings))
    hidden = {finding.step for finding in findings if finding.after is not None}
    steps = tuple(_step(context, step, results, found, step.id in hidden) for step in history.steps)
    failing = any(violation.attribution != "pre-existing" for violation in found)
    verdict: Verdict = "fail" if failing else "unknown" if unknowns else "pass"
    return Judgement(verdict, found, steps, unknowns, coverage(context.history, plan))


def run_checks(context: Context, plan: Plan) -> list[CheckResult]:
    compatibility = compatible.check(context)
    compatibility.add(declared.check(context, plan))
    compatibility.add(declared.check_made(context))
    results = [
        available.check(context),
        compatibility,
        declared.check_seams(context, plan),
        idempotent.check(context),
        completes.check(context),
        completes.check_forward_only(context),
        effects.check_honest(context),
        effects.check_times(context),
        freshness.check(context, plan),
        *lost_write.check(context),
    ]
    return sorted(results, key=lambda result: ORDER.index(result.guarantee))


def _step(
    context: Context, step: Step, results: list[CheckResult], found: tuple[Violation, ...], hidden: bool
) -> StepVerdict:
    """`hidden`: an end of a replica that is its version's own may hide what the mixture does."""
    failed = {
        violation.guarantee
        for violation in found
        if violation.attribution != "pre-existing" and step.id in violation.steps
    }
    cells = []
    for result in results:
        ran = result.steps[step.id] > 0
        state = "fail" if result.guarantee in failed else "pass" if ran else ""
        cells.append((result.guarantee, state))
    silent = hidden or bool(step.error) or any(True for _ in _silent(context, step))
    verdict: Verdict = "fail" if failed else "unknown" if silent else "pass"
    return StepVerdict(
        step.id,
        step.path,
        step.kind,
        step.phase,
        step.description,
        step.state,
        verdict,
        tuple(cells),
        step.error,
    )


def _silent(context: Context, step: Step) -> Iterator[tuple[str, str]]:
    """Versions that were live in a step and answered nothing: the mixture was not real."""
    served = context.served[step.id]
    for entry in step.state:
        if (entry.service, entry.version) not in served:
            yield entry.service, entry.version


def _unknowns(context: Context, results: list[CheckResult], plan: Plan) -> Iterator[str]:
    history = context.history
    if not any(step.phase == "control-old" and not step.error for step in history.steps):
        yield "no control with all old was run: there is nothing to compare with"
    for step in history.steps:
        if not step.error:
            for service, version in _silent(context, step):
                yield f"in {step.id} {service} {version} was live and served nothing"
    done = {step.id for step in history.steps}
    missing = [step.id for step in plan.steps if step.id not in done]
    if missing:
        yield f"{len(missing)} planned steps were not run: {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}"
    for note in history.notes:
        if note.kind == "count":
            yield f"the counts of the run do not add up: {note.message}"
    yield from recording_fit.misfits(context, plan)
    yield from plan.same
    yield from declared.unresolved(plan)
    yield from _unexamined(context, results)
    yield from _unchecked(context)


def _unexamined(context: Context, results: list[CheckResult]) -> Iterator[str]:
    """Declared guarantees that ran on no operation."""
    subjects = {result.guarantee: result.subjects for result in results}
    services = {entry.name for entry in context.history.run.services}
    told = set()
    for item, promised in context.registry.declared():
        for guarantee in _promised(promised):
            place = (item.service, promised.operation)
            if item.service in services and not subjects[guarantee][place] and (guarantee, place) not in told:
                told.add((guarantee, place))
                yield f"{item.service} declares {promised.operation} {guarantee}, and no operation tested it"


def _unchecked(context: Context) -> Iterator[str]:
    """Declared classes of freshness that no check here examines; of `eventual` the sweeps tell."""
    services = {entry.name for entry in context.history.run.services}
    told = set()
    for item, promised in context.registry.declared():
        kind = promised.freshness.kind if promised.freshness is not None else "eventual"
        sentence = f"{item.service} declares {promised.operation} freshness {kind}, which nothing here examines"
        if item.service in services and kind not in (*freshness.CLASSES, "eventual") and sentence not in told:
            told.add(sentence)
            yield sentence


def _promised(promised: OperationGuarantees) -> Iterator[str]:
    if promised.idempotent is not None:
        yield idempotent.GUARANTEE
    if promised.completes is not None:
        yield completes.GUARANTEE
    if any(effect.times != "at-most-once" for effect in promised.effects):
        yield effects.HONEST
    if promised.freshness is not None and promised.freshness.kind in freshness.CLASSES:
        yield freshness.GUARANTEE
