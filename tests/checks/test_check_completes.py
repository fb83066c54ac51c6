"""Completes, forward-only states and honest completion: work that was accepted, and what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.history_builder import HistoryBuilder, Scenario, attributions, in_every_phase, with_guarantees
from tests.checks.order_scenarios import healthy_session, place_order, poll_order
from verifier.checks.verdict import Judgement


def worked(*states: str, charged: bool = True, **more: Any) -> Judgement:
    """Every session is healthy; where it is broken there is also an order whose polls show these states."""

    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        if scenario.broken:
            order = scenario.builder.fresh("o")
            made = place_order(scenario, order=order, key=order, to=scenario.first, **more)
            if charged:
                scenario.builder.charge(order)
            poll_order(scenario, made, order, *states)

    return in_every_phase(play, "forward")


@pytest.mark.parametrize(
    "states", [("done",), ("failed",), ("pending", "running", "done"), ("pending", "done", "done")]
)
def test_work_that_ends_passes(states: tuple[str, ...]) -> None:
    assert worked(*states).verdict == "pass"


@pytest.mark.parametrize("states", [("pending",), ("pending", "running"), ("unheard-of",)])
def test_work_that_never_ends_is_found(states: tuple[str, ...]) -> None:
    assert ("completes", "mixed") in attributions(worked(*states))


def test_work_whose_polls_are_refused_is_found() -> None:
    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        if scenario.broken:
            order = scenario.builder.fresh("o")
            made = place_order(scenario, order=order, key=order, to=scenario.first)
            scenario.builder.charge(order)
            for _ in range(3):
                scenario.builder.send(f"GET /operations/{order}", scenario.second, 404, of=made, source="poll")

    assert ("completes", "mixed") in attributions(in_every_phase(play, "forward"))


def test_work_that_nobody_can_ask_about_is_found() -> None:
    """Accepted, but the answer does not say where to ask: nothing was polled, and nothing may pass."""

    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        if scenario.broken:
            order = scenario.builder.fresh("o")
            answer = (202, {"id": order, "status": "pending"})
            scenario.builder.send("POST /orders", scenario.first, answer, key=order, body={"reference": order})
            scenario.builder.charge(order)

    assert attributions(in_every_phase(play, "forward")) == {("completes", "mixed")}


def test_work_that_was_not_accepted_need_not_end() -> None:
    assert worked(answer=(409, {"id": "x"})).verdict != "unknown"
    assert ("completes", "mixed") not in attributions(worked(answer=(200, {"id": "x"})))


@pytest.mark.parametrize(
    "states", [("running", "pending", "done"), ("done", "running"), ("failed", "done"), ("pending", "odd", "done")]
)
def test_a_state_that_goes_back_or_was_never_declared_is_found(states: tuple[str, ...]) -> None:
    assert ("forward-only states", "mixed") in attributions(worked(*states))


def test_work_that_goes_back_when_a_duplicate_arrives_is_found() -> None:
    """Seen done by the client, then pending by the client of the duplicate: it is one piece of work."""

    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        builder, order = scenario.builder, scenario.builder.fresh("o")
        first = place_order(scenario, order=order, key=order, to=scenario.first, fault="duplicate-after")
        builder.charge(order)
        poll_order(scenario, first, order, "done")
        again = place_order(scenario, order=order, key=order, to=scenario.second, retry=first, fault="duplicate-after")
        poll_order(scenario, again, order, *(("pending", "done") if scenario.broken else ("done",)))

    assert in_every_phase(play).verdict == "pass"
    assert attributions(in_every_phase(play, "forward")) == {("forward-only states", "mixed")}


def test_polls_that_overlap_have_no_order() -> None:
    """Two clients poll at the same time: what the slower one shows may be older."""

    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        builder, order = scenario.builder, scenario.builder.fresh("o")
        first = place_order(scenario, order=order, key=order, to=scenario.first, fault="duplicate-at-once")
        again = place_order(
            scenario, order=order, key=order, to=scenario.second, retry=first, fault="duplicate-at-once"
        )
        builder.charge(order)
        began = builder.clock
        poll_order(scenario, first, order, "pending", "done")
        builder.send(f"GET /operations/{order}", scenario.second, (200, {"status": "running"}), of=again, source="poll",
                     started=began)  # fmt: skip
        poll_order(scenario, again, order, "done")

    assert in_every_phase(play).verdict == "pass"


@pytest.mark.parametrize("charged", [True, False])
def test_done_without_the_effect_is_found(charged: bool) -> None:
    assert attributions(worked("done", charged=charged)) == (set() if charged else {("honest completion", "mixed")})


def test_failed_without_the_effect_is_honest() -> None:
    assert worked("failed", charged=False).verdict == "pass"


def test_an_effect_after_the_step_comes_too_late() -> None:
    """The user was told done in one step; the charge came in the next."""

    def story_with(late: bool) -> HistoryBuilder:
        builder = HistoryBuilder.of_orders()
        in_every_phase(healthy_session, builder=builder)
        builder.step("forward")
        scenario = Scenario(builder, "forward", "1.4", "2.0", late)
        healthy_session(scenario)
        made = place_order(scenario, order="late", key="late", to="1.4")
        poll_order(scenario, made, "late", "done")
        if not late:
            builder.charge("late")
        builder.step("forward")
        healthy_session(scenario)
        if late:
            builder.charge("late")
        return builder

    assert story_with(False).judge().verdict == "pass"
    assert attributions(story_with(True).judge()) == {("honest completion", "mixed")}


def test_done_at_once_must_have_had_its_effect_too() -> None:
    """Answered with the final state instead of being accepted: that is a report of completion as well."""
    for charged in (True, False):

        def play(scenario: Scenario, charged: bool = charged) -> None:
            healthy_session(scenario)
            order = scenario.builder.fresh("o")
            answer = (200, {"id": order, "status": "done"})
            if charged or not scenario.broken:
                scenario.builder.charge(order)
            place_order(scenario, order=order, key=order, to=scenario.first, answer=answer, index=7)

        found = {("honest completion", "mixed")}
        assert attributions(in_every_phase(play, "forward")) == (set() if charged else found)


EFFECTS = """
    service: orders
    operations:
      placeOrder:
        effects: [{{partner: psp, operation: charge, key: $request.body#/reference, times: {times}}}]
"""


@pytest.mark.parametrize(
    ("times", "charges", "found"),
    [
        ("exactly-once", 1, set()),
        ("exactly-once", 0, {"honest completion"}),
        ("exactly-once", 2, {"exactly-once effect"}),
        ("at-least-once", 3, set()),
        ("at-least-once", 0, {"honest completion"}),
        ("at-most-once", 0, set()),
        ("at-most-once", 2, {"exactly-once effect"}),
    ],
)
def test_how_often_an_effect_may_happen(times: str, charges: int, found: set[str]) -> None:
    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            order = scenario.builder.fresh("o")
            for _ in range(charges if scenario.broken else 1):
                scenario.builder.charge(order, version=version)
            place_order(scenario, order=order, key="", to=version, answer=(201, {"id": order}))

    builder = HistoryBuilder(registry=with_guarantees(EFFECTS.format(times=times)))
    assert {name for name, _ in attributions(in_every_phase(play, "forward", builder=builder))} == found


def test_a_retry_that_doubles_is_not_told_as_sent_once() -> None:
    def play(scenario: Scenario) -> None:
        order = healthy_session(scenario)
        if scenario.broken:
            scenario.builder.charge(order)

    assert attributions(in_every_phase(play, "forward")) == {("idempotent", "mixed")}
