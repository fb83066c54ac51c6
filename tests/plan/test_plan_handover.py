"""Handovers: planned for work that is accepted, where somebody is left to do it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plan.systems import matrix, service, version
from verifier.plan.confirmation import Target, confirmation
from verifier.plan.model import ExchangeShape, Plan, PlannedStep, Replay, SessionShape
from verifier.plan.planner import plan
from verifier.plan.render import render

SESSION = SessionShape(
    "s1",
    (
        ExchangeShape("read", "orders", False),
        ExchangeShape("order", "orders", True, accepts=True),
        ExchangeShape("wait", "orders", False, polled=True),
        ExchangeShape("rename", "orders", True),
        ExchangeShape("pay", "payments", True),
    ),
)


def made(replicas: int, strategy: str = "rolling") -> Plan:
    services = [
        service("orders", [version("1"), version("2")], replicas),
        service("payments", [version("7")]),
    ]
    return plan(matrix(services, strategy=strategy, faults=("handover",)), (SESSION,), 0)


def handovers(step: PlannedStep) -> list[Replay]:
    return [replay for replay in step.replays if replay.fault is not None]


@pytest.mark.parametrize("strategy", ["rolling", "canary", "blue-green"])
def test_work_is_handed_once_to_the_other_version_or_replica(strategy: str) -> None:
    """Between the replicas of a version in its first control; between versions in the first state that has both."""
    pairs: list[tuple[str, str]] = []
    for step in made(2, strategy).steps:
        versions = {entry.version for entry in step.state if entry.service == "orders"}
        here = [(replay.fault.first, replay.fault.second) for replay in handovers(step) if replay.fault]
        assert {name for pair in here for name in pair} <= versions
        pairs += here
    mixed = [] if strategy == "blue-green" else [("1", "2"), ("2", "1")]
    assert sorted(pairs) == sorted([("1", "1"), ("2", "2"), *mixed])


def test_only_work_that_is_accepted_is_handed_over_and_the_rest_goes_to_who_is_left() -> None:
    planned = [replay for step in made(2).steps for replay in handovers(step)]
    assert planned
    for replay in planned:
        assert replay.fault is not None
        assert (replay.fault.index, replay.fault.name) == (1, "order")
        assert replay.route[1:] == (replay.fault.first, replay.fault.second, replay.fault.second, "7")


def test_nobody_hands_over_to_nobody() -> None:
    assert not any(handovers(step) for step in made(1).steps)


def test_a_handover_can_be_tried_again_in_every_state() -> None:
    first = made(2)
    step = next(step for step in first.steps if step.phase == "forward" and len(step.state) > 2)
    (shown, *_) = handovers(step)
    again = confirmation(first, [Target(step.id, "s1", shown.route, shown.fault)])
    assert {path.kind for path in again} == {"control-old", "control-new", "control-upgrade", "rollout"}
    for found in (entry for path in again for entry in path.steps):
        for replay in found.replays:
            assert replay.fault is not None
            mixed = len([entry for entry in found.state if entry.service == "orders"]) > 1
            assert (replay.fault.first != replay.fault.second) is mixed
            assert replay.route[2] == replay.fault.second
        assert found.replays


def test_the_plan_names_them() -> None:
    text = render(replace(made(2)), replays=True)
    assert "2 handover" in text
    assert "handover at 2 order 1/2" in text
