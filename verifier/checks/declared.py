"""Breaks that the contracts declare, with the answers that running replicas gave to their witnesses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from verifier.checks.context import Context, called
from verifier.checks.groups import sent_by
from verifier.checks.verdict import CheckResult, Finding, FindingKind
from verifier.history.model import Operation
from verifier.plan.model import Plan, PlannedBreak

GUARANTEE = "compatible"  # that such a break violates
REFUSED = frozenset({400, 405, 406, 413, 414, 415, 422, 431, 501})


def check(context: Context, plan: Plan) -> CheckResult:
    """A break hurts in each of its steps, unless its witness was sent and the replica took it after all.

    It hurts where a caller of this run uses the operation: a client that was recorded, or a service that called it.
    """
    result = CheckResult(GUARANTEE)
    proofs = {operation.replay: operation for operation in context.groups.operations(sent_by("proof"))}
    for item in plan.declared.breaks:
        proof = proofs.get(f"proof-{item.id}")
        if proof is not None:
            result.ran(proof.step, proof.service, proof.name)
        callers = _who_use(context, item)
        if item.verdict == "breaking" and callers and not taken(proof):
            result.findings += _findings(context, item, callers, proof)
    return result


def unused(context: Context, plan: Plan) -> Iterator[str]:
    """A sentence for each break that hurts no caller of this run: none uses the operation, or none meets the break."""
    for item in plan.declared.breaks:
        if item.verdict == "breaking" and not _who_use(context, item):
            place = " ".join(part for part in (item.operation, item.pointer) if part)
            yield f"{item.service} {item.old} and {item.new}, {place}: {item.message}"


def _who_use(context: Context, item: PlannedBreak) -> tuple[str, ...]:
    """The callers of a break that sent its operation in this run."""
    senders = context.once(_senders)[item.service, item.operation]
    services = {entry.name for entry in context.history.run.services}

    def uses(caller: str) -> bool:
        name = caller.rpartition(" ")[0]
        return (name if name in services else "") in senders

    return tuple(caller for caller in item.callers if uses(caller))


def _senders(context: Context) -> dict[tuple[str, str], set[str]]:
    """By service and operation: the services that sent it, "" for recorded clients."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for group in context.groups.where(sent_by("replay", "live")):
        found[group.service, group.name].add("")
    for operation in context.groups.operations(sent_by("inner")):
        found[operation.service, operation.name].add(operation.caller)
    return found


def taken(proof: Operation | None) -> bool:
    """Whether a replica understood what its contract does not allow: stricter on paper than in truth."""
    return proof is not None and proof.response is not None and proof.response.status < 400


def _findings(
    context: Context, item: PlannedBreak, callers: Sequence[str], proof: Operation | None
) -> Iterator[Finding]:
    shown = f"; the proof: {called(proof)}" if proof is not None else ""
    witness = f"; for instance {item.witness!r}" if item.has_witness else ""
    direction = "request" if item.column.startswith("request") else "answer"
    for step in item.steps:
        if step not in context.steps:
            continue
        yield Finding(
            guarantee=GUARANTEE,
            service=item.service,
            operation=item.operation,
            step=step,
            versions=context.versions(item.service, {item.old, item.new}),
            message=f"{', '.join(callers)}, meeting {item.service} {item.meets}: "
            f"{item.message} ({item.pointer}){witness}{shown}",
            experience="a page that no longer loads"
            if direction == "answer"
            else "an error for what the other version takes",
            evidence=(proof.id,) if proof is not None else (),
            kind=FindingKind.CONTRACT,
            detail=f"{item.column} {item.rule} {item.pointer}",
        )


def check_made(context: Context, plan: Plan) -> CheckResult:
    """Requests made up from one version's contract: what that version takes, the other must not refuse as invalid."""
    result = CheckResult(GUARANTEE)
    authors = {proof.id: proof.written_for for step in plan.steps for proof in step.proofs if proof.written_for}
    asked: dict[str, list[Operation]] = defaultdict(list)
    for operation in context.groups.operations(sent_by("proof")):
        if operation.replay in authors:
            asked[operation.replay].append(operation)
    for name, operations in asked.items():
        written_for = next((item for item in operations if item.version == authors[name]), None)
        if written_for is None or not understood(written_for):
            continue
        for operation in operations:
            if operation is written_for:
                continue
            result.ran(operation.step, operation.service, operation.name)
            if not understood(operation):
                result.findings.append(_refused(context, written_for, operation))
    return result


def understood(operation: Operation) -> bool:
    """Whether an answer is about what was asked for, and not about the request being wrong."""
    status = operation.response.status if operation.response else 599
    return status < 500 and status not in REFUSED


def _refused(context: Context, own: Operation, other: Operation) -> Finding:
    return Finding(
        guarantee=GUARANTEE,
        service=other.service,
        operation=other.name,
        step=other.step,
        versions=context.versions(other.service, {own.version, other.version}),
        message=f"a request that {own.version}'s contract allows: {called(own)}, but {called(other)}",
        experience="an error for what the other version takes",
        evidence=(other.id, own.id),
        kind=FindingKind.CONTRACT,
        detail=f"refused by {other.version}",
    )


def unresolved(context: Context, plan: Plan) -> Iterator[str]:
    """Comparisons that stayed open and hurt somebody: they never pass."""
    for item in plan.declared.breaks:
        if item.verdict == "unknown" and item.steps and _who_use(context, item):
            place = f"{item.operation} {item.pointer}"
            yield f"whether {item.service} {item.old} and {item.new} understand each other at {place} stayed open"
