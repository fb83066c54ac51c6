"""No lost write: what was acknowledged stays readable, with its values, through every live version.

After going back the same is called rollback safe: old must read what new wrote. Both read the sweeps.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from verifier.checks.context import Context, called
from verifier.checks.shapes import leaves, place
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.expressions import MISSING, body_json
from verifier.history.model import Operation

GUARANTEE = "no lost write"
ROLLBACK = "rollback safe"
LATE = frozenset({"duplicate-next-step", "duplicate-after-rollback"})


def check(context: Context) -> tuple[CheckResult, CheckResult]:
    """The results for both names: in states before going back, and after."""
    before, after = CheckResult(GUARANTEE), CheckResult(ROLLBACK)
    writers = _writers(context)
    noise = _noise(context)
    first: dict[tuple[str, str], tuple[Operation, dict[str, Any]]] = {}
    disturbed = _disturbed(context)
    for operation in context.history.operations:
        step = context.steps.get(operation.step)
        if operation.source != "sweep" or step is None:
            continue
        result = after if step.phase == "rollback" else before
        result.ran(operation.step, operation.service, operation.name)
        wrote = writers.get(_replay_of(context, operation), set())
        if operation.response is None or operation.response.status >= 300:
            result.findings.append(_gone(context, operation, wrote, result.guarantee))
            continue
        if _replay_of(context, operation) in disturbed:
            continue
        values = _values(operation)
        key = (context.path(operation), operation.parent)
        reference, known = first.setdefault(key, (operation, values))
        for pointer in sorted(known.keys() & values.keys()):
            if known[pointer] != values[pointer] and (operation.service, operation.name, place(pointer)) not in noise:
                result.findings.append(
                    _changed(context, reference, operation, pointer, wrote, (known[pointer], values[pointer]), result)
                )
    return before, after


def _values(operation: Operation) -> dict[str, Any]:
    body = body_json(operation.response.body) if operation.response else MISSING
    return {} if body is MISSING else dict(leaves(body))


def _replay_of(context: Context, operation: Operation) -> tuple[str, str]:
    origin = context.by_id.get(operation.parent, operation)
    return (origin.step, origin.replay)


def _writers(context: Context) -> dict[tuple[str, str], set[str]]:
    """Which versions acknowledged writes in each replay."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for operation in context.history.operations:
        wrote = operation.source in ("replay", "live") and operation.request.method not in ("GET", "HEAD", "OPTIONS")
        if wrote and operation.response is not None and operation.response.status < 300:
            found[operation.step, operation.replay].add(operation.version)
    return found


def _disturbed(context: Context) -> set[tuple[str, str]]:
    """Replays with a duplicate that arrives in a later step: it may rightly write an older value again."""
    return {
        (operation.step, operation.replay) for operation in context.history.operations if operation.fault in LATE
    } | {
        (origin.step, origin.replay)
        for operation in context.history.operations
        if operation.fault in LATE and (origin := context.by_id.get(operation.parent)) is not None
    }


def _noise(context: Context) -> set[tuple[str, str, str]]:
    """Places whose value differs between two sweeps of one resource in a control: they vary by themselves."""
    first: dict[tuple[str, str], dict[str, Any]] = {}
    found = set()
    for operation in context.history.operations:
        step = context.steps.get(operation.step)
        if operation.source != "sweep" or step is None or not step.phase.startswith("control"):
            continue
        values = _values(operation)
        known = first.setdefault((step.path, operation.parent), values)
        for pointer in known.keys() & values.keys():
            if known[pointer] != values[pointer]:
                found.add((operation.service, operation.name, place(pointer)))
    return found


def _gone(context: Context, operation: Operation, wrote: set[str], guarantee: str) -> Finding:
    written = f"written through {' and '.join(context.versions(operation.service, wrote))}, " if wrote else ""
    return Finding(
        guarantee=guarantee,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, wrote | {operation.version}),
        message=f"{written}read before, now {called(operation)}",
        experience="the rollback made it worse: what was saved cannot be opened"
        if guarantee == ROLLBACK
        else "my order vanished",
        evidence=(operation.parent, operation.id),
        detail="gone",
    )


def _changed(
    context: Context,
    reference: Operation,
    operation: Operation,
    pointer: str,
    wrote: set[str],
    values: tuple[Any, Any],
    result: CheckResult,
) -> Finding:
    return Finding(
        guarantee=result.guarantee,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, wrote | {operation.version, reference.version}),
        message=f"{operation.request.target}: {pointer or 'the body'} was {values[0]!r} through {reference.version}, "
        f"is {values[1]!r} through {operation.version}",
        experience="what was saved reads differently now",
        evidence=(reference.id, operation.id),
        detail=f"changed {place(pointer)}",
    )
