"""A defect names all steps that show it in the order of the run, whichever shows it best."""

from __future__ import annotations

import pytest

from tests.checks.history_builder import NEW, OLD, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.attribution import violations
from verifier.checks.context import Context
from verifier.checks.verdict import Finding, Judgement
from verifier.contracts.registry import ContractRegistry


def test_steps_come_in_the_order_of_the_run_whichever_shows_it_best() -> None:
    builder = HistoryBuilder()
    for kind in ("control-old", "control-new", "forward", "rollback"):
        builder.step(kind)
    *_, third, fourth = builder.steps
    context = Context(builder.history(), ContractRegistry())

    def finding(step: str, *versions: str) -> Finding:
        return Finding("available", "orders", "GET /a", step, versions, "500", "an error", ())

    (found,) = violations(context, [finding(fourth.id, OLD, NEW), finding(third.id, NEW), finding(third.id, NEW)])
    assert (found.step, found.steps, found.first, found.count) == (fourth.id, (third.id, fourth.id), third.id, 3)


def _session(login: int, reached: bool, mixed: int, builder: HistoryBuilder) -> Judgement:
    """A login and a page: what new answers to the login alone, whether it goes on, what the page is answered."""

    def play(scenario: Scenario) -> None:
        alone = scenario.phase == "control-new"
        builder.send("POST /login", scenario.first, login if scenario.first == NEW else 303)
        if reached or not alone:
            builder.send("GET /home", scenario.second, mixed if scenario.broken else 200, index=1)

    return in_every_phase(play, "forward", builder=builder)


def test_what_the_new_version_alone_does_not_reach_is_not_laid_to_the_mixture() -> None:
    judgement = _session(403, False, 401, HistoryBuilder())
    assert attributions(judgement) == {("compatible", "new-version")}
    home = next(entry for entry in judgement.violations if entry.operation == "GET /home")
    assert home.message.endswith("; the new version by itself does not get this far")


def test_what_the_new_version_alone_reaches_and_answers_well_is_the_mixtures() -> None:
    judgement = _session(403, True, 401, HistoryBuilder())
    found = {entry.operation: entry.attribution for entry in judgement.violations}
    assert found == {"POST /login": "new-version", "GET /home": "mixed"}


def test_a_session_that_new_did_not_run_to_its_end_but_did_not_break_either_is_the_mixtures() -> None:
    assert attributions(_session(303, False, 401, HistoryBuilder())) == {("compatible", "mixed")}


def test_a_step_that_shows_a_defect_to_live_traffic_alone_shows_it_in_passing() -> None:
    builder = HistoryBuilder()
    for kind in ("control-old", "control-new", "forward", "rollback", "rollback"):
        builder.step(kind)
        source = "live" if len(builder.steps) == 4 else "replay"
        builder.send(
            "GET /a", NEW if kind == "control-new" else OLD, 404 if len(builder.steps) > 2 else 200, source=source
        )
    (found,) = builder.judge().violations
    assert (found.steps, found.passing) == (("rollout.1", "rollout.2", "rollout.3"), ("rollout.2",))


@pytest.mark.parametrize(("settled", "name"), [(True, "rollback"), (False, "mixed")])
def test_what_live_traffic_meets_while_going_back_has_the_name_of_what_stays(settled: bool, name: str) -> None:
    """The new version leaves while live traffic is sent. What the old one cannot read shows afterwards, too, or not."""
    builder = HistoryBuilder()
    for kind in ("control-old", "control-new", "forward", "rollback"):
        builder.step(kind)
    step = builder.steps[-1].id
    live = builder.send("GET /a", OLD, (200, {"n": 2}), source="live")
    read = builder.sweep(live, OLD, (200, {"n": 2}))
    found = [Finding("no lost write", "orders", "GET /a", step, (OLD, NEW), "n", "it differs", (live.id,))]
    if settled:
        found.append(Finding("rollback safe", "orders", "GET /a", step, (OLD,), "n", "it differs", (read.id,)))
    context = Context(builder.history(), ContractRegistry())
    assert {entry.attribution for entry in violations(context, found)} == {name}
