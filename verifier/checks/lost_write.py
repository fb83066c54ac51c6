"""No lost write: what was acknowledged stays readable, with its values, through every live version.

After going back the same is called rollback safe: old must read what new wrote. Both read the sweeps.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from verifier.checks import acknowledged
from verifier.checks.available import broken_replicas
from verifier.checks.causes import retyped
from verifier.checks.context import Context, called
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.readback import GONE, LATE, NOT_THERE, Controls, Endpoints, Removals, body_of, same_body
from verifier.checks.readings import learn
from verifier.checks.relations import Place
from verifier.checks.renderings import EMPTY, canonical, same
from verifier.checks.replays import Origin, origin
from verifier.checks.shapes import kind
from verifier.checks.tolerance import (
    ALWAYS,
    BROKEN,
    FILLED,
    LED_AWAY,
    ON_ITS_WAY,
    OTHERWISE,
    REMOVED,
    RENDERING,
    VARIES,
)
from verifier.checks.values import NOTHING, differences
from verifier.checks.verdict import ROLLBACK, CheckResult, Finding, FindingKind
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.plan.model import Plan
from verifier.pointers import MISSING, value_at

GUARANTEE = "no lost write"
REFUSED = frozenset({401, 407, 429})  # who asks, or how often, was refused: of what was kept it says nothing

PARTS = frozenset({  # names of parameters that ask for a part of a list
    "limit", "count", "first", "last", "top", "take", "skip", "offset", "start", "page", "page_size", "per_page",
    "pagesize", "perpage", "size", "cursor", "after", "before",
})  # fmt: skip


def check(context: Context, plan: Plan) -> CheckResult:
    """Sweeps in states before going back."""
    return context.once(_check_sweeps)[0]


def check_rollback(context: Context, plan: Plan) -> CheckResult:
    """Sweeps after going back, and replicas of the old version that do not come up on the new version's data."""
    result = CheckResult(ROLLBACK, broken_replicas(context, ROLLBACK, going_back=True))
    result.add(context.once(_check_sweeps)[1])
    return result


def _check_sweeps(context: Context) -> tuple[CheckResult, CheckResult]:
    """The results for both names. A resource's first sweep is the reference for both, so they share one pass."""
    before, after = CheckResult(GUARANTEE), CheckResult(ROLLBACK)
    look = _Look(context)
    values = context.once(acknowledged.check)
    for group in context.groups.where(_is_sweep):
        (after if group.phase == "rollback" else before).ran(group.step, group.service, group.name, group.count)
    told = {context.by_id[name].step for name in values.findings}
    looked_at = context.groups.pairs(lambda group: _is_sweep(group) or (group.step in told and not _is_refused(group)))
    for group, operation in looked_at:
        result = after if _is_sweep(group) and group.phase == "rollback" else before
        if _is_sweep(group):
            result.findings += look.at(operation, result.guarantee)
        result.findings += _named(values, operation, result.guarantee)
    before.tolerated += values.tolerance.counted
    return before, after


def _is_sweep(group: Group) -> bool:
    """Whether these are read-backs that say something of what was kept."""
    return group.source == "sweep" and bool(group.phase) and group.status not in REFUSED


def _is_refused(group: Group) -> bool:
    return group.source == "sweep" and bool(group.phase) and group.status in REFUSED


def _named(values: acknowledged.Acknowledged, operation: Operation, guarantee: str) -> list[Finding]:
    return [replace(found, guarantee=guarantee) for found in values.findings.get(operation.id, ())]


class _Look:
    """Looks at sweeps in their order; the first one of a resource that succeeds shows how it must stay."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._disturbed = _disturbed(context)
        self._controls = Controls(context)
        self._removals = Removals(context)
        self._endpoints = Endpoints(context)
        self._values = context.once(acknowledged.check)
        self._learned = context.once(learn)
        self._first: dict[tuple[str, str], Operation] = {}

    def at(self, operation: Operation, guarantee: str) -> list[Finding]:
        context = self._context
        status = operation.response.status if operation.response else 0
        if not status or status >= 300:
            if status in GONE and self._removals.may_be_gone(operation):
                return []
            read = (operation.service, operation.version, operation.name)
            if status in NOT_THERE and read in self._endpoints.removed:
                self._values.tolerance.grant(operation, "", REMOVED)
                return []
            if status >= 500 and read in self._endpoints.broken:
                self._values.tolerance.grant(operation, "", BROKEN)
                return []
            if self._controls.leads_away(operation):
                self._values.tolerance.grant(operation, "", LED_AWAY)
                return []
            at = (operation.service, operation.session, operation.index)
            where = f" at {operation.session}#{operation.index}" if at in self._controls.lost else ""
            return [_gone(context, operation, self._wrote(operation), guarantee, f"gone{where}")]
        if self._disturbed and origin(context, operation) in self._disturbed:
            return []
        removal = self._removals.must_be_gone(operation)
        return [_back(context, removal, operation, guarantee)] if removal else self._compared(operation, guarantee)

    def _wrote(self, operation: Operation) -> set[str]:
        """The versions that acknowledged writes of the replay that read this first."""
        return self._context.once(_writers).get((*origin(self._context, operation), operation.service), set())

    def _compared(self, operation: Operation, guarantee: str) -> list[Finding]:
        key = (self._context.path(operation), operation.parent)
        reference = self._first.get(key)
        if reference is not None and same_body(reference, operation):
            return []
        body = body_of(operation)
        if body is MISSING:
            return []
        if reference is None:
            self._first[key] = operation
            return []
        return [
            _changed(self._context, reference, operation, pointer, self._wrote(operation), (was, now), guarantee)
            for pointer, was, now in differences(body_of(reference), body)
            if not self._rendered(operation, pointer, was, now)
            and not self._known(operation, pointer)
            and not self._expected(operation, pointer, was, now)
            and not self._tells_otherwise(reference, operation, pointer, was, now)
            and (was, now) != (reference.version, operation.version)  # each tells its own name
        ]

    def _known(self, operation: Operation, pointer: str) -> bool:
        """Whether a value is compared with what was written, or an entry that holds it is missing already."""
        values = self._values
        below = f"{pointer}/"
        return values.settles(operation, pointer) or any(
            entry.startswith(below) for entry in values.broken.get(operation.id, ())
        )

    def _rendered(self, operation: Operation, pointer: str, was: Any, now: Any) -> bool:
        """Whether it is one value in two renderings, and the version tells values of this type in its own control."""
        usual = same(was, now) and (
            canonical(now) == EMPTY or kind(was) == kind(now) or self._learned.usual_kind(operation, pointer, now)
        )
        return usual and self._values.tolerance.grant(operation, pointer, RENDERING)

    def _expected(self, operation: Operation, pointer: str, was: Any, now: Any) -> bool:
        """Whether a difference is no loss: what varies, what a version always shows, and a state that went on."""
        grant = self._values.tolerance.grant
        if (operation.service, operation.name, pointer) in self._controls.noise:
            return grant(operation, pointer, VARIES)
        if self._controls.always(operation, pointer, now):
            return grant(operation, pointer, ALWAYS)
        if canonical(was) == EMPTY:
            return grant(operation, pointer, FILLED)
        went = self._learned.advances_to(operation, pointer, canonical(was), canonical(now))
        return went and grant(operation, pointer, ON_ITS_WAY)

    def _tells_otherwise(self, reference: Operation, operation: Operation, pointer: str, was: Any, now: Any) -> bool:
        place: Place = (operation.service, operation.session, operation.index, "read-back")
        versions = (reference.version, operation.version)
        otherwise = self._learned.tells_otherwise(place, versions, pointer) or self._controls.spelled_apart(
            reference, operation, pointer, was, now
        )
        return otherwise and self._values.tolerance.grant(operation, pointer, OTHERWISE)


def _writers(context: Context) -> dict[tuple[str, str, str], set[str]]:
    """Which versions of a service acknowledged writes in each replay."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    wrote = context.groups.operations(
        lambda group: group.source in ("replay", "live") and group.method not in SAFE and 0 < group.status < 300
    )
    for operation in wrote:
        found[operation.step, operation.replay, operation.service].add(operation.version)
    return found


def _disturbed(context: Context) -> set[Origin]:
    """Replays with a duplicate that arrives in a later step: it may rightly write an older value again."""
    return {origin(context, operation) for operation in context.groups.operations(lambda group: group.fault in LATE)}


def _back(context: Context, removal: Operation, operation: Operation, guarantee: str) -> Finding:
    return Finding(
        guarantee=guarantee,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, {removal.version, operation.version}),
        message=f"deleted ({called(removal)}), now {called(operation)}",
        experience="what was deleted is there again",
        evidence=(removal.id, operation.id),
        kind=FindingKind.BACK,
        detail="back",
    )


def _gone(context: Context, operation: Operation, wrote: set[str], guarantee: str, detail: str) -> Finding:
    written = f"written through {' and '.join(context.versions(operation.service, wrote))}, " if wrote else ""
    status = operation.response.status if operation.response else 0
    felt = f"what could be read before {'is gone' if status in GONE else 'cannot be opened'}"
    return Finding(
        guarantee=guarantee,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, wrote | {operation.version}),
        message=f"{written}read before, now {called(operation)}",
        experience=f"the rollback made it worse: {felt}" if guarantee == ROLLBACK else felt,
        evidence=(operation.parent, operation.id),
        kind=FindingKind.GONE,
        detail=detail,
    )


def _changed(
    context: Context,
    reference: Operation,
    operation: Operation,
    pointer: str,
    wrote: set[str],
    values: tuple[Any, Any],
    guarantee: str,
) -> Finding:
    missing = values[1] is NOTHING
    now = _not_there(reference, operation, pointer) if missing else f"is {values[1]!r} through {operation.version}"
    service, kinds = operation.service, (kind(values[0]), kind(values[1]))
    return Finding(
        guarantee=guarantee,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, wrote | {operation.version, reference.version}),
        message=f"{operation.request.target}: {pointer or 'the body'} was {values[0]!r} through {reference.version}, "
        f"{now}",
        experience="an entry that a list showed is not shown there now"
        if missing
        else "what was saved reads differently now",
        evidence=(reference.id, operation.id),
        kind=FindingKind.CHANGED,
        detail=f"changed {pointer}",
        cause="" if missing else retyped(service, pointer, {kinds[0]}, kinds[1]),
    )


def _not_there(reference: Operation, operation: Operation, pointer: str) -> str:
    """That an entry of a list is gone, where the list is whole; one that shows only so many may go on with it.

    A list is not known to be whole when its request asks for a part, or when it shows as many entries as before: what
    is new in it may have moved the others on.
    """
    before, after = (value_at(body_of(entry), pointer.removesuffix("/*")) for entry in (reference, operation))
    asked = {name.lower() for name, _ in parse_qsl(operation.request.target.partition("?")[2], True)}
    counted = isinstance(before, list) and isinstance(after, list)
    if not asked & PARTS and not (counted and len(after) >= len(before)):
        return f"is gone through {operation.version}"
    shown = f"the {len(after)} entries" if counted else "the entries"
    return f"is not among {shown} that {operation.version} shows: the list may go on"


NO_LOST_WRITE = Guarantee(GUARANTEE, head="lost", severity=100, check=check)
ROLLBACK_SAFE = Guarantee(ROLLBACK, head="rollb", severity=60, check=check_rollback)
