"""Freshness: a read shows what its class promises. Here: read-your-writes and strong, within one client's session."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from verifier.checks.context import Context, called
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.expressions import MISSING, body_json
from verifier.history.model import Operation
from verifier.history.outcome import SAFE

GUARANTEE = "read-your-writes"
CLASSES = ("read-your-writes", "strong")


def check(context: Context) -> CheckResult:
    """After an acknowledged write of a resource, the same client's next read of it shows the written fields."""
    result = CheckResult(GUARANTEE)
    for operations in _clients(context).values():
        writes: dict[str, Operation] = {}
        uncertain: set[str] = set()
        for operation in operations:
            for resource in _written(context, operation):
                if operation.outcome == "ok":
                    writes[resource] = operation
                    uncertain.discard(resource)
                elif operation.outcome in ("info", "accepted"):
                    uncertain.add(resource)
            read = _read(context, operation)
            if read is None:
                continue
            write = writes.get(read)
            if write is None or read in uncertain:
                continue
            result.ran(operation.step, operation.service, operation.name)
            result.findings += _stale(context, write, operation)
    return result


def _clients(context: Context) -> dict[tuple[str, str], list[Operation]]:
    """Each client's own operations in causal order: what it saw, attempts by attempt."""
    found: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in context.history.operations:
        if operation.source in ("replay", "live", "poll"):
            found[operation.step, operation.replay].append(operation)
    for operations in found.values():
        operations.sort(key=lambda operation: operation.ended)
    return found


def _read(context: Context, operation: Operation) -> str | None:
    declared = context.guarantees(operation)
    if declared is None or declared.freshness is None or declared.freshness.kind not in CLASSES:
        return None
    if operation.response is None or operation.response.status >= 300 or operation.outcome == "info":
        return None
    return context.value(declared.freshness.resource, operation)


def _written(context: Context, operation: Operation) -> list[str]:
    """The resources that an operation writes: as it declares, else what its own freshness class would name."""
    if operation.request.method in SAFE:
        return []
    declared = context.guarantees(operation)
    if declared is None or declared.writes is None:
        return []
    value = context.value(declared.writes, operation)
    return [] if value is None else [value]


def _stale(context: Context, write: Operation, read: Operation) -> list[Finding]:
    sent, shown = body_json(write.request.body), body_json(read.response.body if read.response else b"")
    if not isinstance(sent, dict):
        return []
    found = []
    for name, value in sent.items():
        actual: Any = shown.get(name, MISSING) if isinstance(shown, dict) else MISSING
        if actual is MISSING or actual == value or isinstance(value, dict | list):
            continue
        found.append(
            Finding(
                guarantee=GUARANTEE,
                service=read.service,
                operation=read.name,
                step=read.step,
                versions=context.versions(read.service, {write.version, read.version}),
                message=f"{name} was written as {value!r} ({called(write)}), then read as {actual!r} ({called(read)})",
                experience="I changed it and the old value came back",
                evidence=(write.id, read.id),
                detail=f"{name} {context.family(read)}".strip(),
            )
        )
    return found
