"""Compatible: answers fit the contract of the version that served them and of the client that asked.

Nothing declared is still something checked: the controls are the specification. An operation must be answered
with a status class that the old version's controls showed at the same place, and with a body of the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from msgspec import structs

from verifier.checks import declared
from verifier.checks.baseline import Baseline, comes_later, shape_key
from verifier.checks.causes import retyped
from verifier.checks.context import CLIENT, Context, called
from verifier.checks.empty_texts import REASON as EMPTY_TEXT
from verifier.checks.empty_texts import EmptyTexts
from verifier.checks.eventshapes import with_value
from verifier.checks.files import Files
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.provenance import Provenance
from verifier.checks.readback import LATE
from verifier.checks.shapes import Misfit, body_kind
from verifier.checks.verdict import CheckResult, Finding, FindingKind
from verifier.contracts.compiled import Check
from verifier.contracts.conform import Conformance
from verifier.contracts.expressions import body_json
from verifier.contracts.mismatch import Mismatch
from verifier.history.model import Operation
from verifier.http.message import Response, header
from verifier.plan.model import Plan
from verifier.pointers import MISSING

GUARANTEE = declared.GUARANTEE
_POSITION = re.compile(r"/\d+(?=/|$)")  # in a list: its entries may stand in any order
RETRY_LATER = frozenset({409, 425, 429, 503})


def check(context: Context, plan: Plan) -> CheckResult:
    """What was answered, what the contracts declare, and how made-up requests were answered."""
    result = check_answers(context, plan)
    result.add(declared.check(context, plan))
    result.add(declared.check_made(context, plan))
    return result


def check_answers(context: Context, plan: Plan) -> CheckResult:
    result = CheckResult(GUARANTEE)
    baseline, validators = Baseline(context, plan), _Validators(context)
    files, provenance, empty = Files(context), Provenance(context), EmptyTexts(context)
    for group in context.groups.where(_is_examined):
        result.ran(group.step, group.service, group.name, group.count)
    for group, operation in context.groups.pairs(_is_examined):
        response = operation.response
        if response is None:
            continue
        if group.source in CLIENT:
            if not baseline.is_usual(group, operation, response):
                found = _against_controls(context, operation, response, baseline, validators, empty, result)
                result.findings += (_explained(context, operation, finding, provenance) for finding in found)
            for finding in _other_files(context, operation, response, files):
                result.findings.append(_explained(context, operation, finding, provenance))
            result.findings += validators.answer(operation, response)
        else:
            result.findings += validators.inner(operation, response)
    return result


def _is_examined(group: Group) -> bool:
    return not group.failed and (group.source in CLIENT or group.source in ("inner", "partner"))


def _against_controls(
    context: Context,
    operation: Operation,
    response: Response,
    baseline: Baseline,
    validators: _Validators,
    empty: EmptyTexts,
    result: CheckResult,
) -> Iterable[Finding]:
    known = baseline.known(baseline.place(operation))
    status = response.status // 100
    if known and status not in known:
        was = " or ".join(f"{entry}xx" for entry in sorted(known))
        # A sweep that finds nothing is a lost write, and is told there.
        excused = operation.source == "sweep" or _retried_later(context, operation) or baseline.overtook(operation)
        excused = excused or (known == {5} and status < 4)  # an error that is mended: at most a remark
        if not excused and not baseline.follows_shorter_session(operation):
            message = f"{called(operation)}; the old version answers {was}"
            yield _finding(context, operation, message, FindingKind.STATUS, f"{status}xx")
        return
    if status != 2 or operation.request.method == "HEAD":
        return
    for misfit in _misfits(operation, response, baseline):
        pointer = misfit.pointer
        if _superseded_by_poll(context, operation) or validators.allows(operation, response, pointer):
            continue
        if empty.explain(operation, misfit):
            result.tolerated[f"{operation.service} {operation.name}: {pointer}", EMPTY_TEXT] += 1
            continue
        message = f"{called(operation)}: {pointer or 'the body'} {misfit.what}"
        found = _finding(context, operation, message, FindingKind.SHAPE, f"shape {pointer}")
        yield replace(found, cause=retyped(operation.service, pointer, misfit.was, misfit.now))


def _explained(context: Context, operation: Operation, finding: Finding, provenance: Provenance) -> Finding:
    """A refusal, with the version whose session, token or id the request carried where that was another one."""
    giver = provenance.by_another(operation) if finding.kind is not FindingKind.SHAPE else None
    if giver is None:
        return finding
    given = f"; the request carries what {giver.version} gave in answer to {giver.request.method} {giver.request.path}"
    versions = context.versions(operation.service, {*finding.versions, giver.version})
    evidence = (giver.id, *finding.evidence)
    return replace(finding, message=f"{finding.message}{given}", versions=versions, evidence=evidence)


def _other_files(context: Context, operation: Operation, response: Response, files: Files) -> Iterable[Finding]:
    for message in files.misfits(operation, response):
        found = _finding(context, operation, message, FindingKind.FILE, "file")
        yield replace(found, experience="what was saved reads differently now")


def _misfits(operation: Operation, response: Response, baseline: Baseline) -> Iterable[Misfit]:
    key, body = shape_key(operation, response), body_json(response.body)
    kinds = baseline.kinds.get(key, set())
    if kinds and (kind := body_kind(response)) not in kinds:
        yield Misfit("", f"is {kind}, was {' or '.join(sorted(kinds))} in the answers of the old version alone")
    elif body is not MISSING and key in baseline.shapes:
        for misfit in baseline.shapes[key].misfits(body):
            told = (
                "; every answer of the old version alone has it"
                if misfit.lacking
                else " in the answers of the old version alone"
            )
            yield replace(misfit, what=f"{misfit.what}{told}")
    elif key in baseline.events:
        yield from baseline.events[key].misfits(response)


def _retried_later(context: Context, operation: Operation) -> bool:
    """An answer that asks to come back later is not the last word where the client did, and was answered.

    Nobody waits for the answer to a duplicate that comes in a later step: its client was answered long ago.
    """
    if not _asks_to_wait(operation):
        return False
    if operation.fault in LATE and comes_later(context, operation):
        return True
    first = operation.parent or operation.id
    attempts = [*context.children.get(first, ()), *([context.by_id[first]] if first in context.by_id else ())]
    return any(
        other.source in ("replay", "live")
        and other.step == operation.step
        and other.response is not None
        and other.outcome != "info"
        and not _asks_to_wait(other)
        for other in attempts
    )


def _asks_to_wait(operation: Operation) -> bool:
    answer = operation.response
    return answer is not None and answer.status in RETRY_LATER and header(answer.headers, "Retry-After") is not None


def _superseded_by_poll(context: Context, operation: Operation) -> bool:
    """Whether the client went on asking: unfinished work may rightly look different from finished work."""
    origin = operation.parent if operation.source == "poll" else operation.id
    polls = [
        entry
        for entry in context.children.get(origin, ())
        if entry.source == "poll" and entry.request.target == operation.request.target
    ]
    return bool(polls) and polls[-1].id != operation.id


def _finding(context: Context, operation: Operation, message: str, kind: FindingKind, detail: str) -> Finding:
    live = context.live(operation.step, operation.service)
    return Finding(
        guarantee=GUARANTEE,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, {operation.version} | live),
        message=message,
        experience="a page that no longer loads",
        evidence=(operation.id,),
        kind=kind,
        detail=detail,
        family=context.family(operation),
    )


class _Validators:
    """Validators for the contracts of a run, compiled once; `client` is the version whose client was recorded."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = dict(context.history.run.client_versions)
        self._old = {entry.name: entry.old for entry in context.history.run.services}
        self._new = {entry.name: entry.new for entry in context.history.run.services}
        self._known: dict[tuple[str, str], Conformance | None] = {}
        self._compiled: dict[str, Check | None] = {}
        self._held: dict[tuple[str, str], list[tuple[str, Conformance]]] = {}

    def _of(self, service: str, version: str) -> Conformance | None:
        key = (service, version)
        if key not in self._known:
            contract = self._context.registry.contract(service, version)
            self._known[key] = Conformance(contract, self._compiled) if contract is not None else None
        return self._known[key]

    def answer(self, operation: Operation, response: Response) -> Iterable[Finding]:
        found: list[Finding] = []
        for version, conformance in self._held_by_client(operation.service, operation.version):
            for mismatch in conformance.answer(operation.request, response):
                found.append(self._mismatch(operation, mismatch, "the answer", version))
        return found

    def _held_by_client(self, service: str, version: str) -> list[tuple[str, Conformance]]:
        """The contracts of the version that answers and of the version whose client asks."""
        known = self._held.get((service, version))
        if known is None:
            versions = dict.fromkeys((version, self._client.get(service, "")))
            known = [(name, found) for name in versions if (found := self._of(service, name)) is not None]
            self._held[service, version] = known
        return known

    def allows(self, operation: Operation, response: Response, pointer: str) -> bool:
        """Whether the old contract speaks of the value at the pointer and accepts the answer as it is.

        It speaks of a value when it refuses the answer with some other value in its place.
        """
        old = self._of(operation.service, self._old.get(operation.service, ""))
        if old is None or old.answer(operation.request, response):
            return False

        def refused(value: Any) -> bool:
            changed = with_value(response, pointer, value)
            return bool(old.answer(operation.request, structs.replace(response, body=changed)))

        others: tuple[Any, ...] = (None, True, -0.5, "", [], {})
        return bool(pointer) and any(refused(value) for value in others)

    def inner(self, operation: Operation, response: Response) -> Iterable[Finding]:
        """Inner calls: the caller was built for the provider that it was released with."""
        own = self._of(operation.service, operation.version)
        for mismatch in own.request(operation.request) if own else ():
            caller = f"{operation.caller} {operation.caller_version}"
            yield self._mismatch(operation, mismatch, f"the request of {caller}", operation.version)
        old_caller = self._old.get(operation.caller) == operation.caller_version
        built_for = self._old.get(operation.service, "") if old_caller else ""
        yield from self._each(operation, response, operation.version, built_for)

    def _each(self, operation: Operation, response: Response, own: str, other: str) -> Iterable[Finding]:
        found = [
            (mismatch, version)
            for version in ((own,) if own == other else (own, other))
            if (conformance := self._of(operation.service, version)) is not None
            for mismatch in conformance.answer(operation.request, response)
        ]
        return [self._mismatch(operation, mismatch, "the answer", version) for mismatch, version in found]

    def _mismatch(self, operation: Operation, mismatch: Mismatch, what: str, version: str) -> Finding:
        name = f"{operation.service} {version}".strip()
        where = f" at {mismatch.pointer}" if mismatch.pointer else ""
        message = f"{called(operation)}: {what} breaks the contract of {name}{where}: {mismatch.message}"
        place = _POSITION.sub("/*", mismatch.pointer)
        # Not by version: what the old version does to its own document is no news when the new one does it to its own.
        found = _finding(self._context, operation, message, FindingKind.CONTRACT, f"{mismatch.rule} {place}")
        if mismatch.rule != "body-schema" or what != "the answer" or mismatch.mistyped is None:
            return found
        pointer, mistyped = place.removeprefix("/body"), mismatch.mistyped
        return replace(found, cause=retyped(operation.service, pointer, mistyped.allowed, mistyped.found))


COMPATIBLE = Guarantee(GUARANTEE, head="compat", severity=20, check=check, unknowns=declared.unresolved)
