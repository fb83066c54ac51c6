"""Late removal: one replica of each version on each path is told to end before it is out of rotation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plan.systems import matrix, service, version
from verifier.matrix.model import FAULTS, StopPolicy
from verifier.plan.confirmation import Target, confirmation
from verifier.plan.model import ExchangeShape, Path, Plan, SessionShape
from verifier.plan.planner import plan
from verifier.plan.render import render

SESSION = SessionShape("s1", (ExchangeShape("order", "orders", True), ExchangeShape("read", "orders", False)))


def made(
    replicas: int = 1,
    *,
    strategy: str = "rolling",
    rollback: str = "ends",
    faults: tuple[str, ...] = ("late-removal",),
    late: float = 1.0,
) -> Plan:
    orders = replace(service("orders", [version("1"), version("2")], replicas), stop=StopPolicy(late_removal=late))
    system = matrix([orders, service("inside", [version("7")])], strategy=strategy, rollback=rollback, faults=faults)
    return plan(system, (SESSION,), 0)


def late(path: Path) -> list[tuple[str, str, str, str]]:
    """Step, what is done, the service, and its version afterwards."""
    return [
        (step.id, action.kind, action.service, action.version)
        for step in path.steps
        for action in step.actions
        if action.late_removal
    ]


def paths(planned: Plan) -> dict[str, Path]:
    return {path.id: path for path in planned.paths}


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_a_control_ends_one_replica_late_and_others_in_order(replicas: int) -> None:
    """So that either way to end has a control. A service that no client calls itself is left alone."""
    found = paths(made(replicas))
    for name, release in (("control-old-1", "1"), ("control-old-2", "1"), ("control-new", "2")):
        assert late(found[name]) == [(f"{name}.2", "restart", "orders", release)]
        restarts = [action for action in found[name].steps[1].actions if action.service == "orders"]
        assert len(restarts) == max(2, replicas)
        assert {action.slot for action in restarts if not action.late_removal} | {restarts[-1].slot} == set(
            range(1, replicas + 1)
        )
    assert late(found["control-upgrade"]) == []


@pytest.mark.parametrize("strategy", ["rolling", "canary", "blue-green"])
def test_a_rollout_ends_the_first_replica_of_each_version_late(strategy: str) -> None:
    found = late(paths(made(2, strategy=strategy))["rollout"])
    assert [entry[1:] for entry in found] == (
        [("stop", "orders", "1"), ("stop", "orders", "2")]
        if strategy == "blue-green"
        else [("replace", "orders", "2"), ("replace", "orders", "1")]
    )


def test_without_a_rollback_no_new_replica_is_ended_in_the_rollout() -> None:
    assert [entry[3] for entry in late(paths(made(2, rollback="none"))["rollout"])] == ["2"]


@pytest.mark.parametrize(
    "planned",
    [
        made(strategy="recreate"),  # a declared downtime
        made(faults=tuple(kind for kind in FAULTS if kind != "late-removal")),
        made(late=0.0),  # a load balancer that is never late
    ],
)
def test_where_nothing_is_removed_late(planned: Plan) -> None:
    assert [late(path) for path in planned.paths] == [[]] * 5


def test_the_confirmation_ends_the_same_replicas_late() -> None:
    planned = made(2)
    for path in confirmation(planned, [Target("rollout.7", "s1", ("1", "1"))]):
        original = paths(planned)[path.id.removeprefix("confirm-")]
        assert [entry[1:] for entry in late(path)] == [entry[1:] for entry in late(original)]


def test_the_plan_names_it() -> None:
    assert "late-removal of orders" in render(made())
    assert "late-removal" not in render(made(late=0.0))
