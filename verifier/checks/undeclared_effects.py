"""Effects at partners with nothing declared: a write causes the calls that it causes in the controls, and no others.

Compared are the calls that carry values of an acknowledged write with what `effect_ranges.py` has learned for it. Fewer
are work that was told done and never happened; more, or calls of another operation, are work that was done twice. All
calls on the same stores count, whatever step they came in: what is late is not lost.

It can be wrong where a service calls a partner now so, now so, more rarely than the controls have tries. Then the rates
of attribution decide, and the confirmation.
"""

from __future__ import annotations

from collections.abc import Iterator

from verifier.checks.context import Context, called
from verifier.checks.effect_ranges import AGAIN, EffectRanges, Expected, Written
from verifier.checks.partner_calls import Called
from verifier.checks.verdict import CheckResult, Finding
from verifier.history.model import Operation


def check_fewer(context: Context, guarantee: str) -> CheckResult:
    """Acknowledged writes for which a partner was called less often than in the controls."""
    result = CheckResult(guarantee)
    for entry, expected, ranges in _compared(context, result):
        if not ranges.settled(entry):
            continue
        missing = [name for name, (least, _) in expected.ranges.items() if len(entry.calls.get(name, ())) < least]
        if expected.replaced and not any(name in entry.calls for name in (*expected.replaced, *expected.replacing)):
            missing.append(min(expected.replaced))
        result.findings += [_fewer(context, guarantee, ranges.due(entry), entry, expected, name) for name in missing]
    return result


def check_more(context: Context, guarantee: str) -> CheckResult:
    """Writes for which a partner was called more often than in the controls, or an operation that it was not."""
    result = CheckResult(guarantee)
    for entry, expected, _ in _compared(context, result):
        for name, calls in entry.calls.items():
            if len(calls) > expected.ranges.get(name, (0, 0))[1]:
                result.findings.append(_more(context, guarantee, entry, expected, name, calls))
        both = [[name for name in side if name in entry.calls] for side in (expected.replaced, expected.replacing)]
        if all(both):
            calls = [call for side in both for name in side for call in entry.calls[name]]
            result.findings.append(_more(context, guarantee, entry, expected, min(both[1]), calls))
    return result


def _compared(context: Context, result: CheckResult) -> Iterator[tuple[Written, Expected, EffectRanges]]:
    """Every write that the controls tell about. Operations that declare their effects are compared with these."""
    ranges = context.once(EffectRanges)
    for entry in ranges.written:
        declared = context.guarantees(entry.operation)
        if declared is not None and declared.effects:
            continue
        expected = ranges.expected(entry)
        if expected is not None:
            result.ran(entry.operation.step, entry.operation.service, entry.operation.name)
            yield entry, expected, ranges


def _fewer(context: Context, guarantee: str, step: str, entry: Written, expected: Expected, name: Called) -> Finding:
    operation, calls = entry.operation, entry.calls.get(name, [])
    shown = max(entry.replayed.operations, key=lambda found: (found.outcome == "ok", found.ended))
    others = [call for other, found in entry.calls.items() if other not in expected.ranges for call in found]
    told = f"; instead {_ledger(others)}" if others else f"; {_ledger(calls)}" if calls else ""
    live = context.live(operation.step, operation.service) | context.live(step, operation.service)
    return Finding(
        guarantee=guarantee,
        service=operation.service,
        operation=operation.name,
        step=step,
        versions=context.versions(operation.service, {operation.version, shown.version} | live),
        message=f"acknowledged ({called(operation)}), but {' '.join(name)} was called {_times(len(calls))} for it, "
        f"in the controls {_usual(expected, name)}{told}",
        experience="success that never happened",
        evidence=tuple(dict.fromkeys((*(call.id for call in calls), shown.id, operation.id))),
        detail=" ".join(name),
        family=_family(entry),
    )


def _more(
    context: Context, guarantee: str, entry: Written, expected: Expected, name: Called, calls: list[Operation]
) -> Finding:
    operation, latest = entry.operation, max(calls, key=lambda call: call.started)
    callers = {call.caller_version for call in calls if call.caller == operation.service}
    return Finding(
        guarantee=guarantee,
        service=operation.service,
        operation=operation.name,
        step=latest.step if latest.started > entry.ended else operation.step,
        versions=context.versions(operation.service, {operation.version} | callers),
        message=f"{' '.join(name)} was called {_times(len(calls))} for one request ({called(operation)}), "
        f"in the controls {_usual(expected, name)}: {_ledger(calls)}",
        experience="done twice for one request",
        evidence=(*(call.id for call in calls), operation.id),
        detail=" ".join(name),
        family=_family(entry),
    )


def _family(entry: Written) -> str:
    return "" if entry.family == AGAIN else entry.family


def _ledger(calls: list[Operation]) -> str:
    """Which calls a partner got, by whom and when."""
    lines = [
        f"{call.service} {call.request.method} {call.request.path} by {call.caller} {call.caller_version} "
        f"at {call.started:.2f} s in {call.step}"
        for call in calls[:4]
    ]
    return ", ".join(lines) + (" …" if len(calls) > 4 else "")


def _times(count: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _usual(expected: Expected, name: Called) -> str:
    least, most = expected.ranges.get(name, (0, 0))
    if name in expected.replaced:
        least = most
    return _times(least) if least == most else f"{least} to {most} times"
