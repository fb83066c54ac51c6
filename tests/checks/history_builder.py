"""Histories written by hand, in few words: steps, and what was sent in them and answered.

    builder = HistoryBuilder.of_orders()
    builder.step("forward")
    first = builder.send("POST /orders", "1.4", (202, {"id": "o1"}), key="k")
    builder.send("POST /orders", "2.0", (202, {"id": "o2"}), key="k", retry=first)
    builder.judge().violations

`in_every_phase` plays one scenario in every phase of a rollout, so that only what it does differently in one phase
can be found. A clock counts one second for every operation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

from msgspec import structs

from verifier.checks.judge import judge
from verifier.checks.registered import DECLARATIONS
from verifier.checks.verdict import Judgement
from verifier.contracts.guarantees import read
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.history.model import (
    BY_FAULT,
    End,
    FaultInjected,
    History,
    Note,
    Operation,
    Outcome,
    Phase,
    ReplicaEvent,
    Replicas,
    RunInfo,
    ServiceInfo,
    Source,
    Step,
)
from verifier.history.outcome import outcome_of
from verifier.http.message import Request, Response
from verifier.plan.model import Count, Coverage, Plan, PlannedStep
from verifier.plan.model import Path as PlanPath

CONTRACTS = Path(__file__).parent / "contracts"
OLD, NEW = "1.4", "2.0"
PHASES: tuple[Phase, ...] = ("control-old", "control-old", "control-new", "forward", "forward", "rollback")
Answer = int | tuple[int, Any] | None
EMPTY = Coverage(Count(0, 0), Count(0, 0), Count(0, 0), Count(0, 0))


@cache
def orders_contracts() -> ContractRegistry:
    """Contracts and guarantees of the service of these histories, equal in both versions."""
    return ContractRegistry(
        tuple(version_contract("orders", name, CONTRACTS / "orders" / f"{name}.yaml") for name in (OLD, NEW))
    )


@dataclass(slots=True)
class HistoryBuilder:
    """`services` maps a name to its versions, oldest first. Without promises nothing is declared."""

    services: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"orders": (OLD, NEW)})
    registry: ContractRegistry = field(default_factory=ContractRegistry)
    clock: float = 0.0
    operations: list[Operation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    events: list[ReplicaEvent] = field(default_factory=list)
    faults: list[FaultInjected] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    replay: str = "r1"
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    def of_orders(cls) -> HistoryBuilder:
        return cls(registry=orders_contracts())

    def fresh(self, prefix: str) -> str:
        """A name that nothing else in the history has."""
        return f"{prefix}{next(self._numbers)}"

    def step(
        self,
        phase: Phase,
        *,
        kind: str = "replace",
        live: Mapping[str, tuple[str, ...]] | None = None,
        error: str = "",
    ) -> str:
        """Begin a step. By default both versions live on the way forward, and one of them elsewhere."""
        self._end()
        controls = sum(step.phase == phase for step in self.steps) + 1
        path = "rollout" if phase in ("forward", "rollback") else f"{phase}-{controls}"
        number = sum(step.path == path for step in self.steps) + 1
        slices = {"control-old": slice(0, 1), "control-new": slice(-1, None), "rollback": slice(0, 1)}
        mixture = live or {name: versions[slices.get(phase, slice(None))] for name, versions in self.services.items()}
        state = tuple(Replicas(name, version, 1) for name, versions in mixture.items() for version in versions)
        self.steps.append(Step(f"{path}.{number}", path, phase, kind, phase, state, (), self.clock, self.clock, error))
        self.replay = "r1"
        return self.steps[-1].id

    def send(
        self,
        what: str,
        to: str,
        answer: Answer = 200,
        *,
        body: Any = None,
        key: str = "",
        retry: Operation | None = None,
        of: Operation | None = None,
        source: Source = "replay",
        service: str = "orders",
        index: int | None = None,
        headers: Mapping[str, str] | None = None,
        error: str = "",
        outcome: Outcome | None = None,
        **more: Any,
    ) -> Operation:
        """One operation. `retry`: of the same request, sent before; `of`: the operation that it polls or reads for."""
        method, target = what.split()
        sent = (("Idempotency-Key", key),) if key else ()
        request = Request(method, target, sent, b"" if body is None else json.dumps(body).encode())
        response = _response(answer, headers or {})
        parent = retry or of
        started, self.clock = self.clock, self.clock + 1
        known = self.registry.operation(service, to, method, request.path)
        parent_index = parent.index if parent else 0
        made = Operation(
            id=f"{self.steps[-1].id}/{self.replay}/{self.fresh('op')}",
            step=self.steps[-1].id,
            replay=parent.replay if parent else self.replay,
            session="s1",
            index=parent_index if index is None else index,
            attempt=2 if retry else 1,
            source=source,
            name=known.id if known else f"{method} {re.sub(r'[a-z]*[0-9]+', '{}', request.path)}",
            service=service,
            version=to,
            replica=f"{service}-{to}-1",
            request=request,
            response=response,
            outcome=outcome or outcome_of(method, response, error, True),
            started=started,
            ended=self.clock,
            error=error,
            parent=parent.id if parent else "",
        )
        self.operations.append(structs.replace(made, **more))
        return self.operations[-1]

    def sweep(self, read: Operation, to: str, answer: Answer = 200) -> Operation:
        """Read back, through a version, what an earlier operation read."""
        what = f"{read.request.method} {read.request.target}"
        return self.send(what, to, answer, of=read, source="sweep", service=read.service)

    def charge(self, reference: str, *, by: str = "orders", version: str = OLD, effect: str = "applied") -> Operation:
        """A call of the partner that takes payments."""
        return self.send("POST /charges", "", (201, {"id": self.fresh("c")}), body={"reference": reference},
                         source="partner", service="psp", name="charge", caller=by, caller_version=version,
                         effect=effect)  # fmt: skip

    def end(
        self, accepted: Operation, how: str = "ended", shown: str = "done", *, late: bool = False, **more: Any
    ) -> None:
        """What became of accepted work, as its client saw it in the current step."""
        made = End(
            self.steps[-1].id, accepted.replay, accepted.session, accepted.index + 1, accepted.id, accepted.service,
            accepted.name, accepted.version, how, shown, 0.1 if how == "ended" else 5.0, 5.0, 3, "", self.clock,
            "$.state = done", late=late,
        )  # type: ignore[arg-type]  # fmt: skip
        self.ends.append(structs.replace(made, **more))

    def event(self, what: str, version: str, detail: str = "") -> None:
        step = self.steps[-1].id
        self.events.append(ReplicaEvent(step, f"orders-{version}-1", "orders", version, what, self.clock, detail))

    def kill(self, accepted: Operation) -> Operation:
        """All replicas of the version that accepted work are killed in the middle of it. Returns the acceptance."""
        told = (accepted.id, accepted.name, accepted.version, accepted.version, accepted.ended)
        self.faults.append(FaultInjected(accepted.step, accepted.replay, "kill", *told))
        self.event("killed", accepted.version, BY_FAULT)
        disturbed = structs.replace(accepted, fault="kill")
        self.operations[self.operations.index(accepted)] = disturbed
        return disturbed

    def history(self) -> History:
        self._end()
        services = tuple(ServiceInfo(name, found, found[0], found[-1]) for name, found in self.services.items())
        run = RunInfo(1, "0", "test", 7, "process", services, ("psp",), (("orders", OLD),))
        return History(
            run,
            tuple(self.operations),
            tuple(self.steps),
            tuple(self.events),
            tuple(self.faults),
            tuple(self.notes),
            tuple(self.ends),
        )

    def plan(self) -> Plan:
        """The plan that these steps carry out."""
        kinds = {"control-old": "control-old", "control-new": "control-new"}
        paths: dict[str, list[PlannedStep]] = {}
        for step in self.steps:
            planned = PlannedStep(step.id, step.kind, step.phase, "", (), step.state, (), False)
            paths.setdefault(step.path, []).append(planned)
        found = tuple(
            PlanPath(name, kinds.get(steps[0].phase, "rollout"), tuple(steps))  # type: ignore[arg-type]
            for name, steps in paths.items()
        )
        return Plan(1, "0", "test", 7, found, EMPTY)

    def judge(self) -> Judgement:
        return judge(self.history(), self.registry, self.plan())

    def _end(self) -> None:
        if self.steps:
            self.steps[-1] = structs.replace(self.steps[-1], ended=self.clock)
            self.clock += 1


def _response(answer: Answer, headers: Mapping[str, str]) -> Response | None:
    if answer is None:
        return None
    status, body = answer if isinstance(answer, tuple) else (answer, None)
    if isinstance(body, bytes):
        return Response(status, tuple(headers.items()), body)
    kind = () if body is None else (("Content-Type", "application/json"),)
    return Response(status, (*kind, *headers.items()), b"" if body is None else json.dumps(body).encode())


@dataclass(frozen=True, slots=True)
class Scenario:
    """One phase of a history. `first` writes and `second` reads or retries; on the way forward each is either version.

    `broken` says whether the defect shows in this scenario.
    """

    builder: HistoryBuilder
    phase: Phase
    first: str
    second: str
    broken: bool


Play = Callable[[Scenario], None]


def in_every_phase(play: Play, *broken: Phase, builder: HistoryBuilder | None = None) -> Judgement:
    """Play a scenario in every phase; the defect shows in the phases `broken`, forward only where versions meet."""
    builder = builder or HistoryBuilder.of_orders()
    pairs = {"control-old": [(OLD, OLD)], "control-new": [(NEW, NEW)], "rollback": [(OLD, OLD)],
             "forward": [(OLD, NEW), (NEW, OLD), (OLD, OLD), (NEW, NEW)]}  # fmt: skip
    for phase in PHASES:
        builder.step(phase)
        for number, (first, second) in enumerate(pairs[phase], 1):
            builder.replay = f"r{number}"
            shows = phase in broken and (first != second or phase != "forward")
            play(Scenario(builder, phase, first, second, shows))
    return builder.judge()


def attributions(judgement: Judgement) -> set[tuple[str, str]]:
    """What was found: guarantees with their attribution."""
    return {(violation.guarantee, violation.attribution) for violation in judgement.violations}


def with_guarantees(text: str) -> ContractRegistry:
    """The contracts of `orders_contracts` with other guarantees, given as YAML."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "guarantees.yaml"
        file.write_text(dedent(text), encoding="utf-8")
        found = read(file, DECLARATIONS)
    return ContractRegistry(tuple(replace(entry, guarantees=found) for entry in orders_contracts().entries))
