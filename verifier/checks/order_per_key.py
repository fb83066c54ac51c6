"""Order per key: the calls that a service makes for one key happen in the declared order.

It is declared in `guarantees.yaml` under the operation that begins the sequence:

    operations:
      placeOrder:
        order: {key: $request.body#/order, of: [psp.authorize, psp.capture, mail.confirm]}

`of` lists calls to partners or other services, each as SERVICE.OPERATION, in the order in which they must happen. `key`
is read from the request of each call. A call may be left out or repeated, but none may come after one that is listed
behind it, whichever version and whichever operation of the service makes the calls. Only calls that took effect count:
those that a partner applied, and those that another service answered with success. Calls that overlap have no order.
The declaration of the version that makes the later call decides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from verifier.checks.context import Context, called
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.completion import expression
from verifier.contracts.expressions import Expression
from verifier.contracts.guarantees import Declaration, OperationGuarantees
from verifier.history.model import Operation
from verifier.located import Located, Reader
from verifier.plan.model import Plan

NAME = "order per key"


@dataclass(frozen=True, slots=True)
class Order:
    """`of` holds the position of each (service, operation) in the declared order."""

    key: Expression
    of: dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class _Call:
    position: int
    operation: Operation


def parse(reader: Reader, at: Located) -> Order | None:
    items = reader.mapping(at, ("key", "of"))
    key = expression(reader, items.get("key"), at, "key")
    of: dict[tuple[str, str], int] = {}
    for item in reader.items(items.get("of")):
        service, dot, operation = reader.text(item).partition(".")
        if not dot or not operation:
            reader.problem(item, f"{item.value!r} must be SERVICE.OPERATION")
        elif (service, operation) in of:
            reader.problem(item, f"{item.value!r} stands twice")
        else:
            of[service, operation] = len(of)
    if len(of) < 2:
        reader.problem(at, "needs 'of', a list of two calls or more in their order")
    return Order(key, of) if key is not None and len(of) > 1 else None


ORDER = Declaration("order", parse)


def check(context: Context, plan: Plan) -> CheckResult:
    """Every call that certainly began after a call listed behind it had ended."""
    result = CheckResult(NAME)
    made: dict[str, list[Operation]] = defaultdict(list)
    for operation in context.groups.operations(_may_count):
        if operation.source == "inner" or operation.effect == "applied":
            made[operation.caller].append(operation)
    for item, promised in context.registry.declared():
        order = ORDER.of(promised)
        if order is None:
            continue
        for calls in _by_key(context, order, made.get(item.service, [])):
            for before, call in _ordered(calls):
                if call.operation.caller_version != item.version:
                    continue
                result.ran(call.operation.step, item.service, promised.operation)
                if before.position > call.position:
                    result.findings.append(
                        _finding(context, promised.operation, order, before.operation, call.operation)
                    )
    return result


def _may_count(group: Group) -> bool:
    took = group.source == "inner" and group.outcome in ("ok", "accepted")
    return (took or group.source == "partner") and not group.made_up


def _by_key(context: Context, order: Order, made: list[Operation]) -> Iterator[list[_Call]]:
    """The calls that the order speaks of, by path and key."""
    found: dict[tuple[str, str], list[_Call]] = defaultdict(list)
    for operation in made:
        position = order.of.get((operation.service, operation.name))
        if position is not None and (value := context.value(order.key, operation)) is not None:
            found[context.path(operation), value].append(_Call(position, operation))
    yield from found.values()


def _ordered(calls: list[_Call]) -> Iterator[tuple[_Call, _Call]]:
    """Each call with the one listed last of all those that had ended when it began, where there is another one.

    O(n log n): `latest` holds, for each call in the order of their ends, the one listed last up to there.
    """
    by_end = sorted(calls, key=lambda call: (call.operation.ended, call.operation.id))
    ends = [call.operation.ended for call in by_end]
    latest = list(accumulate(by_end, _listed_last))
    for call in by_end:
        ended = bisect_right(ends, call.operation.started)
        if ended and (before := latest[ended - 1]).position != call.position:
            yield before, call


def _listed_last(one: _Call, other: _Call) -> _Call:
    return other if other.position >= one.position else one


def _finding(context: Context, name: str, order: Order, before: Operation, after: Operation) -> Finding:
    cause = context.by_id.get(after.parent, after)
    return Finding(
        guarantee=NAME,
        service=after.caller,
        operation=name,
        step=after.step,
        versions=context.versions(after.caller, {before.caller_version, after.caller_version}),
        message=f"{after.service}.{after.name} happened after {before.service}.{before.name} for {order.key.text} = "
        f"{context.value(order.key, after)}: {called(before)} by {before.caller_version}, "
        f"then {called(after)} by {after.caller_version}",
        experience="steps of one order happen in the wrong order",
        evidence=(before.id, after.id),
        detail=f"{after.service}.{after.name} after {before.service}.{before.name}",
        family=context.family(cause),
    )


def promised(declared: OperationGuarantees) -> bool:
    return ORDER.of(declared) is not None


ORDER_PER_KEY = Guarantee(NAME, head="order", severity=75, check=check, promised=promised, declaration=ORDER)
