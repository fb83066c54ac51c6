"""Which violations follow from one change: one rule for each kind of evidence that links them.

A rule yields links: violations whose links have an equal key belong together. A violation is linked to a cause only
where every one of its findings is explained by it, so that a defect of its own is not hidden behind another one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from verifier.checks import breaking, completes
from verifier.checks.context import CLIENT
from verifier.checks.evidence import Evidence, Link, field_of
from verifier.checks.renderings import shown_at
from verifier.checks.verdict import Finding, FindingKind
from verifier.contracts.expressions import body_json
from verifier.history.model import BY_FAULT
from verifier.history.outcome import SAFE
from verifier.plan.faults import LATE_REMOVAL

REMOVED = frozenset({404, 405, 410, 501})  # what is answered for an operation that does not exist


def told(evidence: Evidence) -> Iterator[Link]:
    """Causes that the checks know by themselves: a member of another type, and a replica that ended (`crashes.py`)."""
    for number, entry in enumerate(evidence.found):
        if cause := entry.violation.cause:
            yield Link(number, ("told", cause), cause, evidence.kind(number) is FindingKind.REPLICA)


def stops(evidence: Evidence) -> Iterator[Link]:
    """Requests of live traffic that a replica left unanswered in the step in which it was stopped.

    An error (5xx) of a replica that was told to end counts as well.

    Compares the unanswered request with the events of the replica that had it. It can be wrong where a replica left a
    request unanswered long before it was stopped.
    """
    by_id = evidence.context.by_id
    for number, failures in enumerate(evidence.failures):
        if evidence.kind(number) is not FindingKind.UNANSWERED:
            continue
        cut = [by_id.get(failure.id) for failure in failures]
        if all(
            operation is not None
            and operation.source == "live"
            and (operation.response is None or evidence.context.family(operation) == LATE_REMOVAL)
            and any(
                event.step == operation.step
                and event.what in ("stopped", "killed")
                and event.detail != BY_FAULT
                and event.at >= operation.started
                for event in evidence.replicas.get(operation.replica, ())
            )
            for operation in cut
        ):
            failure = failures[0]
            cause = f"{failure.service} {failure.version} leaves requests unanswered when it is stopped"
            yield Link(number, ("stop", failure.service, failure.version), cause)


def every_answer(evidence: Evidence) -> Iterator[Link]:
    """Errors of a version that answered nothing but errors (5xx) in a step, to at least two operations.

    Compares all responses of a version in a step. What differs between operations cannot be the cause then.
    """
    answers: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    right: set[tuple[str, str, str]] = set()
    for group in evidence.context.groups.where(lambda group: group.answered):
        at = (group.step, group.service, group.version)
        answers[at].add(group.name)
        if group.status < 500:
            right.add(at)
    broken = {at for at, names in answers.items() if at not in right and len(names) > 1}
    for number, failures in enumerate(evidence.failures):
        if all(f.status >= 500 and (f.step, f.service, f.version) in broken for f in failures):
            first = failures[0]
            cause = f"{first.service} {first.version} answers every request with an error"
            yield Link(number, ("every answer", first.service, first.version), cause)


def removed(evidence: Evidence) -> Iterator[Link]:
    """An operation that one version always answers as one that does not exist, and that another version answers.

    Compares all responses of a version to one operation. What is read through that version seems to be gone then, and
    is not: that the operation is missing leads.
    """
    statuses: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for group in evidence.context.groups.where(lambda group: group.answered and group.source in CLIENT):
        statuses[group.service, group.name, group.version].add(group.status)
    exists = {(service, name) for (service, name, _), found in statuses.items() if any(code < 300 for code in found)}
    gone = {at: found for at, found in statuses.items() if found <= REMOVED and at[:2] in exists}
    for number, failures in enumerate(evidence.failures):
        if all((f.service, f.operation, f.version) in gone and f.status for f in failures):
            first = failures[0]
            at = (first.service, first.operation, first.version)
            said = " or ".join(str(code) for code in sorted(gone[at]))
            cause = f"{first.service} {first.version} always answers {first.operation} with {said}"
            leads = evidence.kind(number) is FindingKind.STATUS
            yield Link(number, ("removed", *at), cause, leads)


def unended(evidence: Evidence) -> Iterator[Link]:
    """Accepted work that does not end, with the failed reads of that work and the effects that it did not have.

    Compares the accepted operations by their ids: those of a violation, and those that its reads were made for. Work
    whose last read failed is no cause: whether it ended is not known, and the failure of that read is told elsewhere.
    A read-back that shows a member as the last read of the work did shows the same open work; one that shows another
    value does not. It can be wrong where a member is wrong from the beginning and its work does not end either.
    """
    owner: dict[str, int] = {}  # the violation that tells of accepted work, by the ids of the work and its last read
    for number, entry in enumerate(evidence.found):
        if entry.violation.guarantee == completes.GUARANTEE:
            shown = zip(entry.findings, evidence.failures[number], strict=True)
            owner.update((name, number) for finding, last in shown if not last.failed for name in finding.evidence)
    if not owner:
        return
    by_id = evidence.context.by_id
    for number, entry in enumerate(evidence.found):
        works: list[int | None] = []
        for finding in entry.findings:
            proof = [by_id[name] for name in finding.evidence if name in by_id]
            ids = (name for operation in proof for name in (operation.id, operation.parent))
            work = next((owner[name] for name in ids if name in owner), None)
            works.append(work if _shows_no_more(evidence, finding) else None)
        if works and None not in works:
            (work, _), *_ = Counter(works).most_common(1)
            accepted = evidence.found[work or 0].violation
            cause = f"work that {accepted.service} accepted with {accepted.operation} does not end"
            leads = entry.violation.guarantee == completes.GUARANTEE
            yield Link(number, ("work", work), cause, leads)


def _shows_no_more(evidence: Evidence, finding: Finding) -> bool:
    """Whether a finding about a member that a read-back shows finds it as the read before did; true of all others."""
    read = evidence.context.by_id.get(finding.evidence[-1]) if finding.evidence else None
    if finding.kind is not FindingKind.CHANGED or read is None or read.source != "sweep":
        return True
    before = evidence.context.by_id.get(read.parent)
    pointer = finding.detail.partition(" ")[2]
    shown = [
        shown_at(body_json(operation.response.body), pointer)
        for operation in (before, read)
        if operation is not None and operation.response is not None
    ]
    return len(shown) == 2 and shown[0] == shown[1]


def same_field(evidence: Evidence) -> Iterator[Link]:
    """One member of the resources of one collection that is told differently, in whichever response it shows.

    Compares the name of the member and the path of the operation up to the first part that names one resource:
    `/orders` and `/orders/{}` show the same orders. It can be wrong where such resources have members of equal names.
    """
    for number, entry in enumerate(evidence.found):
        finding = entry.findings[0]
        if name := field_of(finding):
            collection = evidence.collection(finding.service, finding.operation)
            title = f"{name} in the responses of {finding.service} about {collection} differs"
            yield Link(number, ("field", finding.service, collection, name), title=title)


def same_failure(evidence: Evidence) -> Iterator[Link]:
    """One failure of one version, told of several operations or by several guarantees.

    Errors of the server (5xx) are one failure within one collection of resources: what a version cannot read, it can
    neither show nor change. Refusals are one failure if operation and status are equal, and requests without a response
    if the operation is. Behind the request of a client, the call between services that failed first is compared.
    """
    for number, failures in enumerate(evidence.failures):
        if not all(failure.failed and failure.id for failure in failures):
            continue
        places = {(f.service, f.version, f.operation, f.status) for f in failures}
        keys = frozenset(_place(evidence, *place) for place in places)
        own = evidence.found[number].violation.service
        leads = {service for service, *_ in places} == {own}  # not those that only waited for the service that failed
        yield Link(number, ("failure", keys), leads=leads, title=_failing(evidence, *min(places)))


def _place(evidence: Evidence, service: str, version: str, operation: str, status: int) -> tuple[str, ...]:
    if status >= 500:
        return (service, version, "error", evidence.collection(service, operation))
    route = evidence.route(service, operation)
    return (service, version, str(status), "" if route == operation else operation.partition(" ")[0], route)


def _failing(evidence: Evidence, service: str, version: str, operation: str, status: int) -> str:
    """What a version does wrong, in a few words."""
    if not status:
        return f"{service} {version} leaves {operation} unanswered"
    if status < 500:
        return f"{service} {version} answers {operation} with {status}"
    return f"{service} {version} answers requests for {evidence.collection(service, operation)} with {status}"


def doubled(evidence: Evidence) -> Iterator[Link]:
    """One effect of one operation that happened too often, told by several guarantees.

    Compares the calls of partners in the evidence, and the operation that they were made for.
    """
    by_id = evidence.context.by_id
    for number, entry in enumerate(evidence.found):
        proof = [by_id[name] for name in entry.violation.evidence if name in by_id]
        effects = {(operation.service, operation.name) for operation in proof if operation.effect == "applied"}
        if len(effects) == 1 and sum(operation.effect == "applied" for operation in proof) > 1:
            yield Link(number, ("doubled", entry.violation.operation, *effects))


def sessions(evidence: Evidence) -> Iterator[Link]:
    """Refusals and missing resources in sessions in which a write failed before, with the failure of that write.

    Compares the positions in a replay. What the write should have made is not there for the requests after it. A
    violation that also shows in a replay without such a failure is one of its own.
    """
    context = evidence.context
    broken: dict[tuple[str, str], tuple[int, int]] = {}  # by step and replay: the position, the violation
    for number, entry in enumerate(evidence.found):
        if evidence.kind(number) not in (FindingKind.UNANSWERED, FindingKind.STATUS):
            continue
        for finding in entry.findings:
            operation = context.by_id.get(finding.evidence[-1]) if finding.evidence else None
            if operation is not None and operation.index >= 0 and operation.request.method not in SAFE:
                at, here = (operation.step, operation.replay), (operation.index, number)
                broken[at] = min(here, broken.get(at, here))
    for number, failures in enumerate(evidence.failures):
        if evidence.kind(number) not in (FindingKind.STATUS, FindingKind.GONE):
            continue
        causes: list[int] = []
        for failure in failures:
            operation = context.by_id.get(failure.id)
            if operation is None or not 400 <= failure.status < 500:
                break
            origin = context.by_id.get(operation.parent, operation)
            position, cause = broken.get((origin.step, origin.replay), (operation.index, number))
            if cause == number or position >= operation.index:
                break
            causes.append(cause)
        if causes and len(causes) == len(failures):
            (cause, _), *_ = Counter(causes).most_common(1)
            yield Link(cause, ("session", cause), leads=True)
            yield Link(number, ("session", cause))


RULES: tuple[Callable[[Evidence], Iterator[Link]], ...] = (
    breaking.failed_steps,
    breaking.migrations,
    told,
    stops,
    every_answer,
    removed,
    unended,
    same_field,
    same_failure,
    doubled,
    sessions,
)
