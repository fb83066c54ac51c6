"""What follows from a replica that ended by itself.

It compares every failed request and every resource that is gone with the ends of replicas: the requests that a replica
left unanswered when it ended, those that nobody served until its version was back, the sessions that had to go on
without these responses, and the resources that it alone had. All of these have the end as their cause.

Where a version ends in the controls too, which requests an end hits is chance: in the mixture others than in the
controls. What follows from it is then no violation of the mixture, and no pass either, for what the mixture adds there
cannot be seen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from verifier.checks import available
from verifier.checks.causes import ends
from verifier.checks.context import Context, as_control
from verifier.checks.replays import Origin, origin
from verifier.checks.verdict import Crash, Finding, FindingKind
from verifier.history.model import Operation, Phase, ReplicaEvent
from verifier.history.outcome import SAFE

CUT = frozenset({"refused", "closed", "reset", "timeout"})


@dataclass(frozen=True, slots=True)
class _Ended:
    """One replica that ended by itself: it answered what began until `alive`, and was gone at `gone`, in seconds."""

    exit: Crash
    event: ReplicaEvent
    alive: float
    gone: float


class CrashAttribution:
    """Looks up what an end of a replica explains. An end that no control shows is a cause, and excuses nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cut: dict[str, _Ended] = {}  # by operation
        self._broken: dict[Origin, tuple[float, _Ended]] = {}  # sessions, and since when
        self._ended: dict[tuple[str, str], list[_Ended]] = defaultdict(list)  # by path and replica
        self._wrote: dict[tuple[Origin, str], set[str]] = defaultdict(set)  # replicas that acknowledged writes
        self._read: dict[tuple[str, str], float] = {}  # by path and resource: when it was last read back
        if any(event.what == "exited" for event in context.history.replicas):
            self._look(self._in_controls())

    def explained(self, finding: Finding) -> Finding:
        """The finding itself, or one that names the end that it follows from.

        Outside the controls it is laid to the version that ended if a control shows the end too.
        """
        ended = self._behind(finding)
        if ended is None:
            return finding
        found, step = ended.exit, self._context.steps.get(finding.step)
        caused = replace(finding, cause=ends(found.service, found.version))
        if step is not None and as_control(step) is not None:
            return caused
        told = f"{finding.message}; {found.service} {found.version} had ended by itself"
        if not found.control:
            return replace(caused, message=told)
        family = f"{finding.family} after {found.service} {found.version} ended by itself".strip()
        return replace(caused, message=f"{told}, as in {found.control}", family=family, after=found)

    def _in_controls(self) -> dict[tuple[str, str, str], Crash]:
        """Ends in controls by service, version and how: the exit status."""
        phases: dict[tuple[str, str, str], dict[str, Phase]] = defaultdict(dict)
        for event in self._context.history.replicas:
            step = self._context.steps.get(event.step)
            if event.what == "exited" and step is not None and (phase := as_control(step)) is not None:
                phases[_key(event)][event.step] = phase
        return {key: Crash(*key, next(iter(found)), frozenset(found.values())) for key, found in phases.items()}

    def _look(self, known: dict[tuple[str, str, str], Crash]) -> None:
        context = self._context
        served: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        for operation in context.history.operations:
            served[context.path(operation), operation.replica].append(operation)
            if operation.response is None or operation.response.status >= 300:
                continue
            if operation.source == "sweep":
                read = (context.path(operation), operation.parent)
                self._read[read] = max(operation.started, self._read.get(read, operation.started))
            elif operation.request.method not in SAFE:
                self._wrote[origin(context, operation), operation.service].add(operation.replica)
        for event in context.history.replicas:
            if event.what == "exited":
                found = known.get(_key(event)) or Crash(*_key(event), "", frozenset())
                path = _path(context, event)
                self._add(found, event, path, served[path, event.replica], served[path, ""])

    def _add(
        self, found: Crash, event: ReplicaEvent, path: str, own: list[Operation], nobodys: list[Operation]
    ) -> None:
        sent = [entry for entry in own if entry.started <= event.at and not available.cut_on_purpose(entry)]
        alive = max((operation.started for operation in sent if operation.response is not None), default=0.0)
        cut = [entry for entry in sent if entry.response is None and entry.error in CUT and entry.ended > alive]
        ended = _Ended(found, event, alive, min((entry.ended for entry in cut), default=event.at))
        self._ended[path, event.replica].append(ended)
        for operation in (*cut, *self._unserved(event, path, nobodys)):
            self._note(operation, ended)

    def _unserved(self, event: ReplicaEvent, path: str, nobodys: list[Operation]) -> Iterator[Operation]:
        """Requests for a version that should have been there, until another replica of it came up.

        Requests that no version at all could serve name none. They wait for any replica of the service.
        """
        ready = [
            other
            for other in self._context.history.replicas
            if other.what == "ready"
            and other.service == event.service
            and other.at > event.at
            and _path(self._context, other) == path
        ]
        back = min((other.at for other in ready if other.version == event.version), default=float("inf"))
        any_back = min((other.at for other in ready), default=float("inf"))
        for operation in nobodys:
            if operation.service != event.service or operation.error != "refused" or operation.started < event.at:
                continue
            live = event.version in self._context.live(operation.step, event.service)
            meant = operation.version == event.version and live and operation.started < back
            if meant or (not operation.version and operation.started < any_back):
                yield operation

    def _note(self, operation: Operation, ended: _Ended) -> None:
        """The operation, those that it was called for, and the session that has to go on without its answer."""
        self._cut.setdefault(operation.id, ended)
        while operation.source == "inner" and operation.parent in self._context.by_id:
            operation = self._context.by_id[operation.parent]
            self._cut.setdefault(operation.id, ended)
        if operation.source == "sweep" or self._answered_again(operation):
            return
        place = origin(self._context, operation)
        since = self._broken.get(place)
        if since is None or operation.started < since[0]:
            self._broken[place] = (operation.started, ended)

    def _answered_again(self, operation: Operation) -> bool:
        """Whether its client tried again and was answered: then the session goes on as if nothing had happened."""
        attempts = self._context.children.get(operation.parent or operation.id, ())
        return any(
            entry.source == operation.source
            and entry.step == operation.step
            and entry.response is not None
            and entry.response.status < 400
            for entry in attempts
        )

    def _behind(self, finding: Finding) -> _Ended | None:
        named = [self._context.by_id[name] for name in finding.evidence if name in self._context.by_id]
        if not named:
            return None
        last = named[-1]
        if finding.kind is FindingKind.UNANSWERED:
            return self._cut.get(last.id)
        if finding.kind is FindingKind.STATUS:
            return self._cut.get(last.id) or self._follows(last)
        if finding.kind is FindingKind.GONE:
            return self._cut.get(last.id) or self._lost_with(last)
        return None

    def _follows(self, operation: Operation) -> _Ended | None:
        """What a session is answered after a request of it was not: what that one should have made is not there."""
        since, ended = self._broken.get(origin(self._context, operation), (0.0, None))
        return ended if operation.started >= since else None

    def _lost_with(self, sweep: Operation) -> _Ended | None:
        """A replica that acknowledged a write of the session, and since whose end nobody has read the resource."""
        path, wrote = self._context.path(sweep), self._wrote.get((origin(self._context, sweep), sweep.service), ())
        read = self._read.get((path, sweep.parent), float("-inf"))
        ends = (ended for replica in sorted(wrote) for ended in self._ended.get((path, replica), ()))
        return next((ended for ended in ends if ended.alive < sweep.started and read < ended.gone), None)


def unknowns(findings: Iterable[Finding]) -> Iterator[str]:
    """A sentence for each version whose ends explain findings: of the mixture these say nothing."""
    steps: dict[Crash, Counter[str]] = defaultdict(Counter)
    for finding in findings:
        if finding.after is not None:
            steps[finding.after][finding.step] += 1
    for found, where in steps.items():
        names = list(where)
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield (
            f"{found.service} {found.version} ends by itself ({found.how or 'unknown how'}), in {found.control} too: "
            f"{where.total()} requests and reads that it took along in {shown} are laid to that version, "
            "and whether the mixture would have answered them is not known"
        )


def _key(event: ReplicaEvent) -> tuple[str, str, str]:
    return (event.service, event.version, event.detail)


def _path(context: Context, event: ReplicaEvent) -> str:
    step = context.steps.get(event.step)
    return step.path if step is not None else event.step.rpartition(".")[0]
