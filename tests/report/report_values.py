"""A small run made by hand: one retry that crosses versions is charged twice, one duplicate is recognised."""

from __future__ import annotations

import json
from dataclasses import replace

from msgspec import structs

from verifier.checks.verdict import Judgement, StepVerdict, Violation
from verifier.history.model import History, Note, Operation, ReplicaEvent, Replicas, RunInfo, ServiceInfo, Step, Timing
from verifier.http.message import Request, Response
from verifier.plan.model import Count, Coverage, LeftOut, Path, Plan, PlannedStep

GUARANTEES = ("available", "compatible", "idempotent", "rollback safe")
OLD = (Replicas("orders", "1.4", 2), Replicas("payments", "1.2", 1))
MIXED = (Replicas("orders", "1.4", 1), Replicas("orders", "2.1", 1), Replicas("payments", "1.2", 1))
NEW = (Replicas("orders", "2.1", 2), Replicas("payments", "1.2", 1))
TIMING = Timing(42.1234, 10.0, 30.5, 0.25)


def operation(tail: str, step: str, /, **changes: object) -> Operation:
    """A placed order that was answered 202; `tail` ends its id."""
    body = json.dumps({"reference": "ref-1", "amount_cents": 1250}).encode()
    made = Operation(
        id=f"{step}/{tail}",
        step=step,
        replay=tail.split("/")[0],
        session="s1",
        index=0,
        attempt=1,
        source="replay",
        name="placeOrder",
        service="orders",
        version="1.4",
        replica="orders-1.4-1",
        request=Request("POST", "/orders", (("Idempotency-Key", "k-1"), ("Authorization", "Bearer secret")), body),
        response=Response(202, (("content-type", "application/json"),), b'{"id": "o-1", "status": "pending"}'),
        outcome="accepted",
        started=1.0,
        ended=1.1,
    )
    return structs.replace(made, **changes)  # type: ignore[arg-type]


def charge(parent: Operation, number: int, started: float, effect: str = "applied") -> Operation:
    """The call at the partner that an order causes."""
    return operation(
        "x",
        parent.step,
        id=f"{parent.id}/psp-{number}",
        replay=parent.replay,
        index=-1,
        source="partner",
        name="charge",
        service="psp",
        version="",
        replica="",
        request=Request("POST", "/charge", (), b'{"reference": "ref-1"}'),
        response=Response(201, (), b'{"id": "psp-1"}'),
        outcome="ok",
        started=started,
        ended=started + 0.1,
        caller="payments",
        caller_version="1.2",
        parent=parent.id,
        effect=effect,
    )


def retried() -> tuple[Operation, ...]:
    """The answer of 1.4 is lost, the retry reaches 2.1; both are charged."""
    first = operation("r7/1.1", "rollout.2", outcome="info", fault="lost-answer", started=12.0, ended=12.2)
    second = operation(
        "r7/1.2", "rollout.2", attempt=2, version="2.1", replica="orders-2.1-2", fault="lost-answer",
        parent=first.id, started=12.3, ended=12.4,
    )  # fmt: skip
    return first, second, charge(first, 1, 12.1), charge(second, 1, 12.35)


def repeated() -> tuple[Operation, ...]:
    """A duplicate that the partner recognises."""
    first = operation("r8/1.1", "rollout.2", fault="duplicate-after", started=13.0, ended=13.2)
    second = operation(
        "r8/1.2", "rollout.2", attempt=2, fault="duplicate-after", parent=first.id, started=13.3, ended=13.4
    )
    return first, second, charge(first, 1, 13.1), charge(second, 1, 13.35, "suppressed")


def plain(step: str, started: float) -> tuple[Operation, ...]:
    """An undisturbed order: what is usual."""
    first = operation("r1/1.1", step, started=started, ended=started + 0.2)
    return first, charge(first, 1, started + 0.1)


def step(name: str, kind: str, state: tuple[Replicas, ...], phase: str, started: float) -> Step:
    return Step(name, name.split(".")[0], phase, kind, f"{kind} in {name}", state, (), started, started + 5)  # type: ignore[arg-type]


STEPS = (
    step("control-old-1.1", "start", OLD, "control-old", 0.0),
    step("rollout.1", "start", OLD, "forward", 6.0),
    step("rollout.2", "replace", MIXED, "forward", 11.0),
    step("rollout.3", "roll back", OLD, "rollback", 17.0),
    step("rollout.4", "go forward", MIXED, "rollback", 23.0),
    step("rollout.5", "replace", NEW, "forward", 29.0),
)


def history(*more: Operation) -> History:
    services = (ServiceInfo("payments", ("1.2",), "1.2", "1.2"), ServiceInfo("orders", ("1.4", "2.1"), "1.4", "2.1"))
    run = RunInfo(1, "0.1.0", "checkout-retry", 7, "process", services, ("psp",), (("orders", "1.4"),))
    replicas = (ReplicaEvent("rollout.2", "orders-2.1-2", "orders", "2.1", "ready", 11.5),)
    notes = (Note("rollout.2", "unmatched", "the value at /id was not found in any answer"),)
    operations = (*plain("control-old-1.1", 1.0), *plain("rollout.1", 7.0), *retried(), *repeated(), *more)
    return History(run, operations, STEPS, replicas, (), notes)


def plan() -> Plan:
    steps = [
        PlannedStep(entry.id, entry.kind, entry.phase, entry.description, (), entry.state, (), True) for entry in STEPS
    ]
    paths = (Path("control-old-1", "control-old", tuple(steps[:1])), Path("rollout", "rollout", tuple(steps[1:])))
    return Plan(1, "0.1.0", "checkout-retry", 7, paths, COVERAGE)


COVERAGE = Coverage(
    Count(3, 3), Count(4, 4), Count(60, 64), Count(20, 25), (LeftOut("faults on reads", "a read has no effect", 9),)
)

DOUBLED = Violation(
    guarantee="idempotent",
    attribution="mixed",
    service="orders",
    operation="placeOrder",
    step="rollout.2",
    versions=("1.4", "2.1"),
    message="one key had 2 effects at psp (charge) after POST /orders → 1.4: 202 (lost), then POST /orders → 2.1: 202",
    experience="charged twice: a retry with the same key was done again",
    evidence=tuple(entry.id for entry in retried()),
    reproduce="verifier run MATRIX --seed 7 --runtime process",
    steps=("rollout.2", "rollout.4"),
    count=3,
)
EARLIER = replace(
    DOUBLED,
    guarantee="compatible",
    attribution="pre-existing",
    step="control-old-1.1",
    versions=("1.4",),
    message="POST /orders → 1.4: 202: /id is no UUID",
    experience="a page that no longer loads",
    evidence=("control-old-1.1/r1/1.1",),
    steps=("control-old-1.1", "rollout.2"),
    count=2,
)


def judgement(
    violations: tuple[Violation, ...] = (DOUBLED, EARLIER),
    unknowns: tuple[str, ...] = ("orders declares getOrder freshness, and no operation tested it",),
) -> Judgement:
    broken = {
        (name, found.guarantee)
        for found in violations
        for name in found.steps
        if found.attribution != EARLIER.attribution
    }
    steps = []
    for entry in STEPS:
        cells = tuple((name, _state(entry, name, broken)) for name in GUARANTEES)
        bad = any(state == "fail" for _, state in cells)
        steps.append(
            StepVerdict(
                entry.id, entry.path, entry.kind, entry.phase, entry.description, entry.state,
                "fail" if bad else "pass", cells,
            )
        )  # fmt: skip
    verdict = "fail" if broken else "unknown" if unknowns else "pass"
    return Judgement(verdict, violations, tuple(steps), unknowns, COVERAGE)  # type: ignore[arg-type]


def _state(entry: Step, guarantee: str, broken: set[tuple[str, str]]) -> str:
    if (entry.id, guarantee) in broken:
        return "fail"
    return "" if guarantee == "rollback safe" and entry.phase != "rollback" else "pass"
