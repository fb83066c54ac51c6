"""Freshness: a read shows what its class promises. Here: read-your-writes and strong, within one replay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from verifier.checks.completes import shown_state
from verifier.checks.context import Context, called
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.verdict import CheckResult, Finding, FindingKind
from verifier.contracts.expressions import body_json
from verifier.contracts.guarantees import OperationGuarantees
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.plan.model import Plan
from verifier.pointers import MISSING, value_at

GUARANTEE = "read-your-writes"
CLASSES = ("read-your-writes", "strong")
Resource = tuple[str, str]  # service, value: names of resources are a service's own


def check(context: Context, plan: Plan) -> CheckResult:
    """After an acknowledged write of a resource, the same client's next read of it shows the written fields.

    Accepted work counts as written once it was reported done; after an outcome `info` either value is right. A replay
    may hold exchanges that its session borrows of other recorded clients: what another one has written last only a
    `strong` read has to show. A field that a version takes, and shows in no response of its own control, is not
    written by that version: what the other one shows in its place is not stale.
    """
    result = CheckResult(GUARANTEE)
    if not context.groups.where(lambda group: _may_be_read(context, group)):
        return result
    clients = _Clients(plan)
    for operations in _replays(context).values():
        writes: dict[Resource, tuple[Operation, float]] = {}  # the write, and when its client knew of it
        uncertain: set[Resource] = set()
        for operation in operations:
            for value, write, certain in _written(context, operation):
                resource = (write.service, value)
                if certain:
                    writes[resource] = (write, operation.ended)
                    uncertain.discard(resource)
                else:
                    uncertain.add(resource)
            read = _read(context, operation)
            if read is None or read not in writes or read in uncertain:
                continue
            write, known = writes[read]
            if operation.started >= known and (clients.same(write, operation) or _strong(context, operation)):
                result.ran(operation.step, operation.service, operation.name)
                result.findings += _stale(context, write, operation)
    return result


def _members(context: Context) -> dict[tuple[str, str], set[str]]:
    """The names of members that each version of a service shows by itself: in any response of its own control."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for operation in context.client_operations():
        if context.phase(operation) in ("control-old", "control-new") and operation.response is not None:
            for part in _objects(body_json(operation.response.body)):
                found[operation.service, operation.version].update(part)
    return found


class _Clients:
    """Whose exchanges are whose: a session's own are one client's, those borrowed of a session are another's."""

    def __init__(self, plan: Plan) -> None:
        self._lenders = {
            session.id: tuple(exchange.lender for exchange in session.exchanges)
            for session in plan.sessions
            if any(exchange.lender for exchange in session.exchanges)
        }

    def same(self, one: Operation, other: Operation) -> bool:
        """Whether one client has sent both, which are of one replay."""
        return self._lender(one) == self._lender(other)

    def _lender(self, operation: Operation) -> str:
        producers = self._lenders.get(operation.session, ())
        return producers[operation.index] if 0 <= operation.index < len(producers) else ""


def _replays(context: Context) -> dict[tuple[str, str], list[Operation]]:
    """Each replay's own writes and reads in the order in which its clients learned of their ends."""
    found: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in context.groups.operations(
        lambda group: _may_be_read(context, group) or _may_write(context, group)
    ):
        found[operation.step, operation.replay].append(operation)
    for operations in found.values():
        operations.sort(key=lambda operation: operation.ended)
    return found


def _may_be_read(context: Context, group: Group) -> bool:
    declared = context.guarantees(group) if group.source in ("replay", "live", "poll") else None
    kind = declared.freshness.kind if declared is not None and declared.freshness is not None else ""
    return kind in CLASSES and 0 < group.status < 300 and group.outcome != "info"


def _may_write(context: Context, group: Group) -> bool:
    """Whether it may change something, or tell that accepted work has done so."""
    if group.source == "poll":
        return True
    if group.source not in ("replay", "live") or group.method in SAFE or group.outcome == "fail":
        return False
    declared = context.guarantees(group)
    return declared is not None and bool(declared.writes)


def _read(context: Context, operation: Operation) -> Resource | None:
    declared = context.guarantees(operation)
    if declared is None or declared.freshness is None or declared.freshness.kind not in CLASSES:
        return None
    if operation.response is None or operation.response.status >= 300 or operation.outcome == "info":
        return None
    value = context.value(declared.freshness.resource, operation)
    return None if value is None else (operation.service, value)


def _strong(context: Context, read: Operation) -> bool:
    declared = context.guarantees(read)
    return declared is not None and declared.freshness is not None and declared.freshness.kind == "strong"


def _written(context: Context, operation: Operation) -> Iterator[tuple[str, Operation, bool]]:
    """Resources whose value an operation changes, with the write itself, and whether the client can be sure."""
    write, certain = operation, operation.outcome == "ok"
    if operation.source == "poll":
        origin = context.by_id.get(operation.parent)
        promised = context.guarantees(origin) if origin is not None else None
        if origin is None or promised is None or promised.completes is None or not promised.writes:
            return
        write, certain = origin, shown_state(promised.completes, origin, operation) in promised.completes.done
        if not certain:
            return
    elif operation.request.method in SAFE or operation.outcome == "fail":
        return
    declared = context.guarantees(write)
    for expression in declared.writes if declared else ():
        value = context.value(expression, write)
        if value is not None:
            yield value, write, certain


def _stale(context: Context, write: Operation, read: Operation) -> Iterator[Finding]:
    sent, shown = body_json(write.request.body), body_json(read.response.body if read.response else b"")
    if not isinstance(sent, dict):
        return
    entry = _entry(write, sent, shown)
    if entry is None:
        yield _finding(context, write, read, "what was written", "there", "missing in the list")
        return
    known = context.once(_members).get((write.service, write.version))
    for name, value in sent.items():
        if known is not None and name not in known:
            continue
        actual: Any = entry.get(name, MISSING)
        if actual is not MISSING and actual != value and not isinstance(value, dict | list):
            yield _finding(context, write, read, name, repr(value), repr(actual))


def _entry(write: Operation, sent: dict[str, Any], shown: Any) -> dict[str, Any] | None:
    """The part of an answer that shows the written resource; None where a list does not have it.

    It is known by the id that the write was answered with; of several such parts, the one most like what was sent.
    """
    identity = value_at(body_json(write.response.body if write.response else b""), "/id")
    holders = [] if identity is MISSING else [part for part in _objects(shown) if _bears(part, identity)]
    if holders:
        return max(holders, key=lambda part: len(part.keys() & sent.keys()))
    if isinstance(shown, dict):
        lists = any(isinstance(value, list) for value in shown.values())
        if not lists or shown.keys() & sent.keys():
            return shown
    elif not isinstance(shown, list):
        return {}
    return {} if identity is MISSING else None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(item, dict | list):
            yield from _objects(item)


def _bears(part: dict[str, Any], identity: Any) -> bool:
    """Numbers mean nothing outside the field named id; a text that is equal is the same name."""
    return part.get("id") == identity or (isinstance(identity, str) and identity in part.values())


def _finding(context: Context, write: Operation, read: Operation, name: str, before: str, after: str) -> Finding:
    return Finding(
        guarantee=GUARANTEE,
        service=read.service,
        operation=read.name,
        step=read.step,
        versions=context.versions(read.service, {write.version, read.version}),
        message=f"{name} was written as {before} ({called(write)}), then read as {after} ({called(read)})",
        experience="I changed it and the old value came back",
        evidence=(write.id, read.id),
        kind=FindingKind.CHANGED,
        detail=name,
        family=context.family(read),
    )


def promised(declared: OperationGuarantees) -> bool:
    return declared.freshness is not None and declared.freshness.kind in CLASSES


def unexamined(context: Context, plan: Plan) -> Iterator[str]:
    """Declared classes of freshness that no check examines. The sweeps examine `eventual`."""
    services = {entry.name for entry in context.history.run.services}
    kinds = (
        (item.service, entry.operation, entry.freshness.kind)
        for item, entry in context.registry.declared()
        if item.service in services and entry.freshness is not None
    )
    for service, operation, kind in dict.fromkeys(kinds):
        if kind not in (*CLASSES, "eventual"):
            yield f"{service} declares {operation} freshness {kind}, which nothing here examines"


READ_YOUR_WRITES = Guarantee(GUARANTEE, head="ryw", severity=10, check=check, promised=promised, unknowns=unexamined)
