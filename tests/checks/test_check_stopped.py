"""A run that was stopped is judged up to its last completed step: what is missing in the step under way proves nothing.

The twins are the same histories with the step under way completed, where all of it is found.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from tests.checks.history_builder import HistoryBuilder, Scenario, attributions, in_every_phase
from tests.checks.order_scenarios import healthy_session, place_order, poll_order
from verifier.checks.judge import judge
from verifier.checks.stopped import completed
from verifier.checks.verdict import Judgement
from verifier.history.model import NOT_COMPLETED, History, Note


def complete(history: History) -> History:
    return history


def killed(history: History) -> History:
    """The last step is recorded when it ends, and a kill leaves only a part of what is recorded in it."""
    run = structs.replace(history.run, unfinished=True)
    return structs.replace(history, run=run, steps=history.steps[:-1])


def interrupted(history: History) -> History:
    last = structs.replace(history.steps[-1], error=f"{NOT_COMPLETED}CancelledError")
    return structs.replace(
        history, steps=(*history.steps[:-1], last), notes=(Note("", "interrupted", "ended by hand"),)
    )


STOPS = pytest.mark.parametrize("stop", [killed, interrupted])


def judged(builder: HistoryBuilder, stop: Callable[[History], History]) -> Judgement:
    return judge(stop(builder.history()), builder.registry, builder.plan())


def work_in_hand(scenario: Scenario) -> None:
    """Accepted work that nobody has asked for until its bound."""
    poll_order(scenario, place_order(scenario, order="hand", key="hand", to="1.4"), "hand", "running")


def work_without_an_end(scenario: Scenario) -> None:
    made = place_order(scenario, order="open", key="open", to="1.4")
    scenario.builder.charge("open")
    poll_order(scenario, made, "open", "running")
    scenario.builder.end(made, "open", "running")


def a_charge_that_is_not_yet_recorded(scenario: Scenario) -> None:
    poll_order(scenario, place_order(scenario, order="free", key="free", to="1.4"), "free", "done")


def an_answer_that_the_end_cut_off(scenario: Scenario) -> None:
    scenario.builder.send("GET /orders", "2.0", None, error="reset")
    scenario.builder.event("exited", "2.0", "exited with status 137")


UNDER_WAY = pytest.mark.parametrize(
    "happens",
    [
        work_in_hand,
        work_without_an_end,
        a_charge_that_is_not_yet_recorded,
        an_answer_that_the_end_cut_off,
    ],
)


def with_last_step(happens: Callable[[Scenario], None], *, lasts: int = 1) -> HistoryBuilder:
    """A safe run, and one more step in which something happens; with `lasts` 2 there is a healthy one after it."""
    builder = HistoryBuilder.of_orders()
    in_every_phase(healthy_session, builder=builder)
    for number in range(lasts):
        builder.step("forward")
        scenario = Scenario(builder, "forward", "1.4", "2.0", True)
        for to in ("1.4", "2.0"):
            healthy_session(Scenario(builder, "forward", to, to, False))
        if number == 0:
            happens(scenario)
    return builder


@STOPS
@UNDER_WAY
def test_what_is_missing_in_the_step_under_way_is_no_violation(
    happens: Callable[[Scenario], None], stop: Callable[[History], History]
) -> None:
    found = judged(with_last_step(happens), stop)
    assert (found.verdict, attributions(found)) == ("unknown", set())
    assert attributions(judged(with_last_step(happens), complete)), "the twin: there it is one"


@STOPS
@UNDER_WAY
def test_what_a_completed_step_shows_is_told_and_fails_nothing(
    happens: Callable[[Scenario], None], stop: Callable[[History], History]
) -> None:
    """Nothing of a stopped run was confirmed, so it is unknown; its twin that ended fails."""
    builder = with_last_step(happens, lasts=2)
    whole, found = judged(builder, complete), judged(builder, stop)
    assert (whole.verdict, found.verdict) == ("fail", "unknown")
    assert attributions(found) == attributions(whole)


@STOPS
def test_calls_for_earlier_requests_count_and_those_of_the_step_under_way_do_not(
    stop: Callable[[History], History],
) -> None:
    builder = HistoryBuilder.of_orders()
    builder.step("control-old")
    earlier = builder.send("POST /orders", "1.4", 202)
    builder.step("forward")
    later = builder.send("POST /orders", "1.4", 202)
    inner = builder.send("POST /pay", "1", 200, service="payments", source="inner", of=earlier)
    in_hand = builder.send("POST /pay", "1", 200, service="payments", source="inner", of=later)
    charges = [builder.charge("x") for _ in range(5)]
    parents = [earlier.id, inner.id, "", in_hand.id, "forward.1/r1/9.1"]
    called = {charge.id: structs.replace(charge, parent=name) for charge, name in zip(charges, parents, strict=True)}
    builder.operations[:] = [called.get(entry.id, entry) for entry in builder.operations]
    whole = builder.history()
    kept = completed(stop(whole), builder.plan()).operations
    assert {entry.id for entry in kept} == {earlier.id, inner.id, *(charge.id for charge in charges[:3])}
    assert completed(whole, builder.plan()) == whole


def test_a_killed_run_says_that_it_was_stopped() -> None:
    builder = HistoryBuilder.of_orders()
    in_every_phase(healthy_session, builder=builder)
    whole = builder.history()
    stopped = structs.replace(whole, run=structs.replace(whole.run, unfinished=True))
    assert judge(whole, builder.registry, builder.plan()).verdict == "pass"
    found = judge(stopped, builder.registry, builder.plan())
    assert found.verdict == "unknown"
    assert found.unknowns == ("the run was stopped: what comes later was not tested",)
