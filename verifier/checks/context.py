"""A history indexed once for all checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from verifier.checks.groups import Group, Groups
from verifier.contracts.expressions import Address, Expression
from verifier.contracts.guarantees import OperationGuarantees
from verifier.contracts.registry import ContractRegistry
from verifier.history.model import History, Operation, Phase, ReplicaEvent, Step
from verifier.history.parents import root
from verifier.plan.faults import FAMILIES

T = TypeVar("T")

SENT = frozenset({"replay", "live", "inner"})  # who asks for work to be done: clients, and services of services
CLIENT = frozenset({"replay", "live", "poll", "sweep"})


@dataclass(slots=True)
class Context:
    """`children` are by the operation that caused them, without read-backs; `effects` by path, partner, operation."""

    history: History
    registry: ContractRegistry
    steps: dict[str, Step] = field(init=False)
    groups: Groups = field(init=False)
    by_id: dict[str, Operation] = field(init=False)
    children: dict[str, list[Operation]] = field(init=False)
    effects: dict[tuple[str, str, str], list[Operation]] = field(init=False)
    served: dict[str, set[tuple[str, str]]] = field(init=False)  # step: (service, version) that answered
    logged: dict[str, ReplicaEvent] = field(init=False)  # by operation that failed
    _keyed: dict[tuple[str, str, str, str], dict[str, list[Operation]]] = field(init=False)
    _once: dict[Callable[[Context], Any], Any] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = {step.id: step for step in self.history.steps}
        self.groups = Groups(self.history, self.steps)
        self.by_id = {operation.id: operation for operation in self.history.operations}
        self.children = defaultdict(list)
        self.effects = defaultdict(list)
        self.served = defaultdict(set)
        self.logged = {event.detail: event for event in self.history.replicas if event.what == "logged"}
        self._keyed = {}
        self._once = {}
        for group in self.groups.all:
            if group.answered:
                self.served[group.step].add((group.service, group.version))
        for operation in self.groups.operations(lambda group: group.source != "sweep"):
            if operation.parent:
                self.children[operation.parent].append(operation)
            if operation.effect == "applied" and not self.made_up(operation):
                self.effects[self.path(operation), operation.service, operation.name].append(operation)

    def once(self, compute: Callable[[Context], T]) -> T:
        """What a function finds in this history, computed once for all checks that share it."""
        if compute not in self._once:
            self._once[compute] = compute(self)
        found: T = self._once[compute]
        return found

    def path(self, operation: Operation) -> str:
        step = self.steps.get(operation.step)
        return step.path if step else operation.step.rpartition(".")[0]

    def phase(self, operation: Operation) -> str:
        """The phase of the step that sent an operation, "" where that is not known."""
        step = self.steps.get(operation.step)
        return step.phase if step else ""

    def root(self, operation: Operation) -> Operation:
        """The operation at the top of the chain of parents: what a client sent first."""
        return root(operation, self.by_id)

    def made_up(self, operation: Operation) -> bool:
        """Whether no client asked for an operation: a made-up request's own, or an inner call that it caused."""
        origin = self.by_id.get(operation.parent)
        return operation.source == "proof" or (origin is not None and origin.source == "proof")

    def work(self) -> Iterator[Operation]:
        """Every request for work that clients made, and that services made for them."""
        return self.groups.operations(is_work)

    def client_operations(self) -> Iterator[Operation]:
        return self.groups.operations(lambda group: group.source in CLIENT)

    def logged_beside(self, evidence: Iterable[str]) -> str:
        """What a replica logged when it failed at the last of these operations that failed; "" if that is not known.

        Behind a request that failed because an inner call did, it is the log of the replica that was called.
        """
        for name in reversed(list(evidence)):
            seen: set[str] = set()
            while calls := [call.id for call in self.children.get(name, ()) if self._is_logged(call, seen)]:
                name = calls[-1]
                seen.add(name)
            if (event := self.logged.get(name)) is not None:
                return f"{event.replica} logged at that moment:\n{event.log}"
        return ""

    def _is_logged(self, call: Operation, seen: set[str]) -> bool:
        return call.source == "inner" and call.id in self.logged and call.id not in seen

    def family(self, operation: Operation) -> str:
        return FAMILIES.get(operation.fault, "")

    def guarantees(self, operation: Operation | Group) -> OperationGuarantees | None:
        return self.registry.guarantees(operation.service, operation.version, operation.name)

    def template(self, operation: Operation) -> str:
        """The path template of an operation, "" where no contract names it."""
        found = self.registry.called(operation.service, operation.version, operation.request)
        return found.path if found else ""

    def value(self, expression: Expression | Address, operation: Operation) -> str | None:
        template = self.template(operation) if expression.names_path else ""
        return expression.value(operation.request, operation.response, template)

    def effects_by(self, path: str, partner: str, operation: str, key: Expression) -> dict[str, list[Operation]]:
        """The applied effects of one kind in a path, by the value of `key`; indexed once."""
        place = (path, partner, operation, key.text)
        if place not in self._keyed:
            found: dict[str, list[Operation]] = defaultdict(list)
            for effect in self.effects.get((path, partner, operation), []):
                value = self.value(key, effect)
                if value is not None:
                    found[value].append(effect)
            self._keyed[place] = found
        return self._keyed[place]

    def versions(self, service: str, found: set[str]) -> tuple[str, ...]:
        """Versions in order of age."""
        order = next((entry.versions for entry in self.history.run.services if entry.name == service), ())
        return tuple(sorted(found - {""}, key=lambda name: order.index(name) if name in order else len(order)))

    def live(self, step: str, service: str) -> set[str]:
        found = self.steps.get(step)
        return {entry.version for entry in found.state if entry.service == service} if found else set()


def is_work(group: Group) -> bool:
    """Whether these are requests for work that clients made, or services for them."""
    return group.source in SENT and not group.made_up


def as_control(step: Step) -> Phase | None:
    """The control that a step is, None where it is none. A rollout starts as one: all old, on fresh stores."""
    if step.phase == "forward" and step.kind == "start":
        return "control-old"
    return step.phase if step.phase.startswith("control") else None


def called(operation: Operation) -> str:
    """An operation in a sentence: what, through which version, and what came back."""
    came = str(operation.response.status) if operation.response else operation.error or "no answer"
    if operation.response is not None and operation.outcome == "info" and operation.response.status < 500:
        came += " (lost)"
    return f"{operation.request.method} {operation.request.target} → {operation.version or '?'}: {came}"
