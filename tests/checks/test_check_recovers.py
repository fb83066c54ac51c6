"""Work whose doer was killed ends as it does without a kill; whatever else a kill leaves behind is not judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.checks.history_builder import (
    NEW,
    OLD,
    HistoryBuilder,
    Scenario,
    attributions,
    in_every_phase,
    with_guarantees,
)
from verifier.checks.verdict import Judgement


def killed(
    lost: Callable[[Scenario], bool], *, how: str = "open", shown: str = "running", old: bool = True, **more: Any
) -> Judgement:
    """A job that ends in every phase, and one whose doer is killed; `old`: also in the controls with all old."""

    def play(scenario: Scenario) -> None:
        builder = scenario.builder
        builder.end(builder.send("POST /jobs", scenario.first, (202, {"id": 1})), **more)
        if old or scenario.phase != "control-old":
            builder.replay += "-killed"
            accepted = builder.kill(builder.send("POST /jobs", scenario.first, (202, {"id": 2})))
            builder.end(accepted, *((how, shown) if lost(scenario) else ()), **more)

    return in_every_phase(play, "forward", builder=HistoryBuilder())


def test_work_that_is_taken_up_again_passes() -> None:
    judgement = killed(lambda scenario: False)
    assert (judgement.verdict, judgement.violations) == ("pass", ())
    assert all(dict(step.guarantees)["recovers"] == "pass" for step in judgement.steps)


@pytest.mark.parametrize(
    ("lost", "attribution"),
    [
        (lambda scenario: True, "pre-existing"),
        (lambda scenario: scenario.first == NEW, "new-version"),
        (lambda scenario: scenario.broken, "mixed"),
        (lambda scenario: scenario.phase == "rollback", "rollback"),
    ],
)
def test_work_that_is_not_taken_up_again_is_one_finding_of_who_loses_it(
    lost: Callable[[Scenario], bool], attribution: str
) -> None:
    judgement = killed(lost)
    assert attributions(judgement) == {("recovers", attribution)}
    (found,) = judgement.violations
    assert "was killed in the middle of work and replaced; then the client waited" in found.message
    assert f"1×orders {NEW if attribution == 'new-version' else OLD}" in found.message
    assert "last shown: running" in found.message


def test_without_a_kill_in_a_control_with_all_old_nothing_is_concluded() -> None:
    """Old may lose such work as well: nobody has tried."""
    assert killed(lambda scenario: scenario.broken, old=False).violations == ()


@pytest.mark.parametrize(("declared", "found"), [(True, True), (False, False)])
def test_work_that_ends_in_another_state_after_a_kill_is_found_where_states_are_declared(
    declared: bool, found: bool
) -> None:
    judgement = killed(lambda scenario: scenario.broken, how="ended", shown="failed", declared=declared)
    assert attributions(judgement) == ({("recovers", "mixed")} if found else set())


def test_what_old_shows_after_a_kill_teaches_nothing_about_work_without_one() -> None:
    """A job that fails after a crash must not fail without one."""

    def play(scenario: Scenario) -> None:
        builder = scenario.builder
        job = builder.send("POST /jobs", scenario.first, (202, {"id": 1}))
        builder.end(job, "ended", "failed" if scenario.broken else "done", declared=True)
        builder.replay += "-killed"
        builder.end(builder.kill(builder.send("POST /jobs", scenario.first, 202)), "ended", "failed", declared=True)

    judgement = in_every_phase(play, "forward", builder=HistoryBuilder())
    assert attributions(judgement) == {("recovers", "pre-existing"), ("completes", "mixed")}


@pytest.mark.parametrize("kill", [True, False])
def test_what_a_kill_leaves_behind_is_not_judged_by_others(kill: bool) -> None:
    """A request that it cut, and a charge that was made once more: the moment of a kill is chance."""

    def play(scenario: Scenario) -> None:
        builder = scenario.builder
        reference = builder.fresh("ref")
        accepted = builder.send("POST /orders", scenario.first, (202, {"id": "o"}), body={"reference": reference})
        if kill:
            accepted = builder.kill(accepted)
        builder.end(accepted)
        builder.charge(reference)
        if scenario.broken:
            builder.charge(reference)
            fault = {"fault": "kill"} if kill else {}
            builder.send("PUT /orders/o", scenario.first, None, error="reset", **fault)

    judgement = in_every_phase(play, "forward", builder=HistoryBuilder.of_orders())
    others = {guarantee for guarantee, _ in attributions(judgement)} - {"completes", "honest completion"}
    assert bool(others) is not kill, others


def test_a_declared_recovery_that_nobody_tried_is_no_pass() -> None:
    registry = with_guarantees("""
        service: orders
        operations:
          placeOrder: {recovers: {within: 30s}}
        """)
    assert registry.recovers("orders", OLD, "placeOrder") == 30.0
    builder = HistoryBuilder(registry=registry)
    builder.step("control-old")
    builder.send("POST /orders", OLD, (202, {"id": "o1"}), body={"reference": "r"})
    assert "orders declares placeOrder recovers, and no operation tested it" in builder.judge().unknowns
