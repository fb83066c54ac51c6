"""From a history to a verdict: runs every check, attributes what they find, and refuses to pass what was not tried."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Sequence

from verifier.checks import recording_fit, stopped
from verifier.checks.attribution import Attributed, attributed
from verifier.checks.context import Context
from verifier.checks.coverage import coverage
from verifier.checks.crashes import CrashAttribution
from verifier.checks.crashes import unknowns as unseen
from verifier.checks.declared import unused
from verifier.checks.grouping import with_causes
from verifier.checks.guarantee import Guarantee
from verifier.checks.kills import excuses
from verifier.checks.registered import GUARANTEES
from verifier.checks.verdict import (
    CheckError,
    CheckResult,
    Finding,
    Judgement,
    StepVerdict,
    Tolerated,
    Verdict,
    Violation,
)
from verifier.contracts.registry import ContractRegistry
from verifier.history.model import History, Step
from verifier.plan.model import Plan


def judge(
    history: History, registry: ContractRegistry, plan: Plan, guarantees: Sequence[Guarantee] = GUARANTEES
) -> Judgement:
    """Pure: an equal history, with equal promises and plan, gives an equal judgement."""
    context = Context(stopped.completed(history, plan), registry)
    results = [run_check(guarantee, context, plan) for guarantee in guarantees]
    findings = _explained(context, results)
    found = with_causes(context, attributed(context, findings, _lasting(guarantees)))
    errors = tuple(result.error for result in results if result.error is not None)
    unknowns = (*_unknowns(context, guarantees, results, plan), *unseen(findings))
    hidden = {finding.step for finding in findings if finding.after is not None}
    steps, again = (
        tuple(
            _step(context, step, results, found, step.id in hidden)
            for step in history.steps
            if step.confirms is confirming
        )
        for confirming in (False, True)
    )
    failing = any(violation.fails for violation in found)
    verdict: Verdict = "fail" if failing and not stopped.was_stopped(history) else "unknown" if unknowns else "pass"
    covered = coverage(context.history, plan)
    return Judgement(
        verdict, found, steps, unknowns, covered, errors, again, _tolerated(results), tuple(unused(context, plan))
    )


def every_finding(history: History, registry: ContractRegistry, plan: Plan) -> list[Attributed]:
    """What a history violates, with the findings that show each of it. Pure; no cause is known, and no verdict."""
    context = Context(stopped.completed(history, plan), registry)
    findings = _explained(context, [run_check(guarantee, context, plan) for guarantee in GUARANTEES])
    return attributed(context, findings, _lasting(GUARANTEES))


def _explained(context: Context, results: Sequence[CheckResult]) -> list[Finding]:
    """The findings of all checks, each with the end of a replica that it follows from."""
    crashes = CrashAttribution(context)
    found = (finding for result in results for finding in result.findings)
    return [crashes.explained(finding) for finding in found if not excuses(context, finding)]


def _lasting(guarantees: Sequence[Guarantee]) -> set[str]:
    return {guarantee.name for guarantee in guarantees if guarantee.lasting}


def _tolerated(results: list[CheckResult]) -> tuple[Tolerated, ...]:
    """What the checks let pass, the most frequent first."""
    counted = sum((result.tolerated for result in results), Counter[tuple[str, str]]())
    found = [Tolerated(place, reason, count) for (place, reason), count in counted.items()]
    return tuple(sorted(found, key=lambda entry: (-entry.count, entry.place, entry.reason)))


def run_check(guarantee: Guarantee, context: Context, plan: Plan) -> CheckResult:
    """The result of one guarantee's check. A check that raises an exception found nothing: its guarantee is unknown."""
    try:
        return guarantee.check(context, plan)
    except Exception as error:  # whatever it is, the other guarantees are judged
        message = "".join(traceback.format_exception_only(error)).strip().replace("\n", " ")
        return CheckResult(guarantee.name, error=CheckError(guarantee.name, message, traceback.format_exc()))


def _step(
    context: Context, step: Step, results: list[CheckResult], found: tuple[Violation, ...], hidden: bool
) -> StepVerdict:
    """`hidden`: an end of a replica that is its version's own may hide what the mixture does."""
    failed = {violation.guarantee for violation in found if violation.fails and step.id in violation.steps}
    cells = []
    for result in results:
        ran = "pass" if result.steps[step.id] > 0 else ""
        state = "fail" if result.guarantee in failed else "unknown" if result.error is not None else ran
        cells.append((result.guarantee, state))
    silent = hidden or bool(step.error) or any(True for _ in _silent(context, step))
    unjudged = any(result.error is not None for result in results)
    verdict: Verdict = "fail" if failed else "unknown" if silent or unjudged else "pass"
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
    """Versions that were live in a step and answered nothing: the mixture was not real. Workers answer nobody."""
    served = context.served[step.id]
    workers = {service.name for service in context.history.run.services if service.kind == "worker"}
    for entry in step.state:
        if entry.service not in workers and (entry.service, entry.version) not in served:
            yield entry.service, entry.version


def _unknowns(
    context: Context, guarantees: Sequence[Guarantee], results: list[CheckResult], plan: Plan
) -> Iterator[str]:
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
        if note.kind in ("ended-early", stopped.INTERRUPTED, stopped.UNCONFIRMED):
            yield note.message
        if note.kind == "count":
            yield f"the counts of the run do not add up: {note.message}"
    if why := stopped.why(history):
        yield why
    yield from recording_fit.misfits(context, plan)
    yield from plan.same
    yield from plan.edited
    for guarantee, result in zip(guarantees, results, strict=True):
        if result.error is not None:
            yield (
                f"{guarantee.name} was not judged, because its check failed: {result.error.message} "
                "(traceback in check-errors.txt)"
            )
        yield from guarantee.unknowns(context, plan)
    yield from _untested(context, guarantees, results)


def _untested(context: Context, guarantees: Sequence[Guarantee], results: list[CheckResult]) -> Iterator[str]:
    """Declared guarantees that ran on no operation. One that was not judged at all is told elsewhere."""
    judged = [
        (guarantee, result.subjects)
        for guarantee, result in zip(guarantees, results, strict=True)
        if result.error is None
    ]
    services = {entry.name for entry in context.history.run.services}
    declared = [entry for entry in context.registry.declared() if entry[0].service in services]
    untested = (
        (item.service, promised.operation, guarantee.name)
        for item, promised in declared
        for guarantee, subjects in judged
        if guarantee.promised(promised) and not subjects[item.service, promised.operation]
    )
    for service, operation, name in dict.fromkeys(untested):
        yield f"{service} declares {operation} {name}, and no operation tested it"
