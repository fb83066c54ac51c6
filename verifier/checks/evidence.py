"""What the findings of each violation show, looked up once for the rules that link consequences to causes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from verifier.checks.attribution import Attributed
from verifier.checks.cells import cells
from verifier.checks.context import Context
from verifier.checks.verdict import Attribution, Finding, FindingKind
from verifier.history.model import Operation, ReplicaEvent
from verifier.pointers import is_index, names

_ID = re.compile(r"\d+|[0-9a-fA-F-]{8,}|(?=.*\d)[\w.~-]{12,}|.*\{.*")  # a segment of a path that names one resource


@dataclass(frozen=True, slots=True)
class Failure:
    """What one finding shows: `version` of `service` gave the response `status` (0: none) to `operation` in `step`.

    `service` and `version` are those that failed first: behind a failed request, the call that it failed for.
    """

    step: str
    service: str
    version: str
    operation: str
    status: int
    id: str  # of the operation in the history; "" for a replica

    @property
    def failed(self) -> bool:
        return not self.status or self.status >= 400


@dataclass(frozen=True, slots=True)
class Link:
    """Ties the violation `number` to all others with an equal `key`.

    `cause` names what they follow from, "" where nothing does. A violation that `leads` is the cause itself. `title` is
    what several violations without a cause are called together.
    """

    number: int
    key: tuple[object, ...]
    cause: str = ""
    leads: bool = False
    title: str = ""


@dataclass(slots=True)
class Evidence:
    """The violations of a run with their findings. `failures` has, for each violation, one entry for each finding."""

    context: Context
    found: Sequence[Attributed]
    failures: list[list[Failure]] = field(init=False)
    cells: dict[str, Attribution] = field(init=False)
    position: dict[str, int] = field(init=False)  # of a step in the run
    replicas: dict[str, list[ReplicaEvent]] = field(init=False)
    _routes: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = cells(self.context.history)
        self.position = {step.id: number for number, step in enumerate(self.context.history.steps)}
        self.replicas = {}
        for event in self.context.history.replicas:
            self.replicas.setdefault(event.replica, []).append(event)
        self.failures = [[self._failure(finding) for finding in entry.findings] for entry in self.found]

    def kind(self, number: int) -> FindingKind:
        return self.found[number].findings[0].kind

    def replica_of(self, finding: Finding) -> str:
        return next((name for name in finding.evidence if name in self.replicas), "")

    def all_of(self, number: int, holds: Callable[[Failure], bool]) -> bool:
        return all(holds(failure) for failure in self.failures[number])

    def route(self, service: str, operation: str) -> str:
        """The path of an operation with {} for what names one resource: one route, whatever its instances are called.

        An operation that has neither a path template nor a path in its name is its own route.
        """
        key = (service, operation)
        if key not in self._routes:
            _, _, path = operation.partition(" ")
            self._routes[key] = _generalised(path) if path.startswith("/") else operation
        return self._routes[key]

    def collection(self, service: str, operation: str) -> str:
        """The route up to the first part that names one resource: /orders for /orders, /orders/{} and so on."""
        route = self.route(service, operation)
        return route.partition("/{}")[0] or route

    def _failure(self, finding: Finding) -> Failure:
        named = [self.context.by_id[name] for name in finding.evidence if name in self.context.by_id]
        if not named:
            events = self.replicas.get(self.replica_of(finding), ())
            version = events[0].version if events else ""
            return Failure(finding.step, finding.service, version, finding.operation, 0, "")
        refused = finding.kind is FindingKind.CONTRACT and finding.detail.startswith("refused by")
        operation = self._behind(named[0] if refused else named[-1])
        self._learn(operation)
        status = operation.response.status if operation.response else 0
        return Failure(finding.step, operation.service, operation.version, operation.name, status, operation.id)

    def _behind(self, operation: Operation) -> Operation:
        """The failed or refused call that a failed request waited for, and so on: where the failure began."""
        seen = {operation.id}
        while is_failed(operation):
            calls = [
                entry
                for entry in self.context.children.get(operation.id, ())
                if entry.source == "inner" and entry.id not in seen and (is_failed(entry) or _is_refused(entry))
            ]
            if not calls:
                break
            operation = calls[-1]
            seen.add(operation.id)
        return operation

    def _learn(self, operation: Operation) -> None:
        """Note the path template of an operation whose name, from a contract, does not tell it."""
        key = (operation.service, operation.name)
        if key not in self._routes and (template := self.context.template(operation)):
            self._routes[key] = _generalised(template)


def is_failed(operation: Operation) -> bool:
    """Whether a request was not answered, or with an error of the server."""
    return operation.response is None or operation.response.status >= 500


def _is_refused(operation: Operation) -> bool:
    return operation.response is not None and operation.response.status >= 400


def field_of(finding: Finding) -> str:
    """The member of a body that a finding is about, wherever the body stands in a list; "" if it names none."""
    if finding.kind not in (FindingKind.SHAPE, FindingKind.CHANGED):
        return ""
    how, _, pointer = finding.detail.partition(" ")
    told = names(pointer) if how in ("shape", "changed") else [finding.detail]
    fields = [name for name in told if name not in ("", "*") and not is_index(name)]
    return fields[-1] if fields else ""


def _generalised(path: str) -> str:
    path = path.partition("?")[0]
    return "/".join("{}" if _ID.fullmatch(segment) else segment for segment in path.split("/"))
