"""Accepted is not completed, with nothing declared: work ends in every state as it does in the controls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.verdict import Judgement


def accepting(how: str, shown: str, *broken: Any, of_new: bool = False, **more: Any) -> Judgement:
    """A job that ends in the controls, and as given where it is broken (`of_new`: wherever new code accepted it)."""

    def play(scenario: Scenario) -> None:
        accepted = scenario.builder.send("POST /jobs", scenario.first, (202, {"id": 1}))
        if scenario.broken or (of_new and scenario.first == NEW):
            scenario.builder.end(accepted, how, shown, **more)
        else:
            scenario.builder.end(accepted)

    return in_every_phase(play, *broken, builder=HistoryBuilder())


def test_work_that_always_ends_passes() -> None:
    assert accepting("ended", "done").verdict == "pass"


def test_work_that_the_mixture_never_ends_is_found() -> None:
    judgement = accepting("open", "queued", "forward")
    assert attributions(judgement) == {("completes", "mixed")}
    (found,) = judgement.violations
    assert "last shown: queued; it never ended on this path" in found.message
    assert f"1×orders {OLD}, 1×orders {NEW}" in found.message, "who was there to do the work"


def test_work_that_the_new_version_accepts_and_never_ends_is_its_own() -> None:
    assert attributions(accepting("open", "queued", of_new=True)) == {("completes", "new-version")}


def test_work_that_no_read_could_follow_is_found() -> None:
    judgement = accepting("unreadable", "status 500", "forward")
    assert "no read succeeded, the last was status 500" in judgement.violations[0].message


@pytest.mark.parametrize(("declared", "found"), [(True, True), (False, False)])
def test_a_final_state_that_no_control_shows_is_found_where_states_are_declared(declared: bool, found: bool) -> None:
    """Undeclared, `shown` is what the client waited for: it has seen that, or the work is open."""

    def play(scenario: Scenario) -> None:
        accepted = scenario.builder.send("POST /jobs", scenario.first, (202, {"id": 1}))
        scenario.builder.end(accepted, "ended", "failed" if scenario.broken else "done", declared=declared)

    judgement = in_every_phase(play, "forward", builder=HistoryBuilder())
    assert (("completes", "mixed") in attributions(judgement)) is found


def test_work_that_ends_only_after_going_back_is_found_and_says_where() -> None:
    builder, accepted = HistoryBuilder(), []

    def play(scenario: Scenario) -> None:
        if scenario.phase == "rollback":
            for operation in accepted:
                builder.end(operation, late=True)
        job = builder.send("POST /jobs", scenario.first, (202, {"id": 1}))
        builder.end(job, "open" if scenario.broken else "ended", "queued")
        if scenario.broken:
            accepted.append(job)

    judgement = in_every_phase(play, "forward", builder=builder)
    assert attributions(judgement) == {("completes", "mixed")}
    assert "it ended later, in rollout.3" in judgement.violations[0].message


def test_brief_waiting_counts_only_where_the_work_never_ends() -> None:
    """Where others of a step had waited in vain, the rest waits briefly: what ends later is no counterexample."""

    def judged(late: bool) -> Judgement:
        builder = HistoryBuilder()

        def play(scenario: Scenario) -> None:
            job = builder.send("POST /jobs", scenario.first, (202, {"id": 1}))
            builder.end(job, "open" if scenario.broken else "ended", "queued", brief=scenario.broken)
            if scenario.broken and late:
                builder.end(job, late=True)

        return in_every_phase(play, "forward", builder=builder)

    assert judged(late=True).verdict == "pass"
    assert attributions(judged(late=False)) == {("completes", "mixed")}


def test_waiting_that_no_control_could_follow_is_unknown() -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        builder.end(builder.send("POST /jobs", scenario.first, (202, {"id": 1})), "open", "queued")

    judgement = in_every_phase(play, builder=builder)
    assert judgement.verdict == "unknown"
    assert any("in no control with all old did the work end as recorded" in told for told in judgement.unknowns)


@pytest.mark.parametrize("ends", [0, 1])
def test_work_whose_sessions_all_broke_off_was_not_examined(ends: int) -> None:
    """In the mixture, what the new version accepts is waited for once or never; the old version's work is."""
    left = ends

    def play(scenario: Scenario) -> None:
        nonlocal left
        accepted = scenario.builder.send("POST /jobs", scenario.first, (202, {"id": 1}))
        if scenario.phase != "forward" or scenario.first == OLD or left:
            scenario.builder.end(accepted)
            left -= scenario.phase == "forward" and scenario.first == NEW

    judgement = in_every_phase(play, builder=HistoryBuilder())
    told = [entry for entry in judgement.unknowns if "broke off before it waited" in entry]
    assert told == ([] if ends else [
        f"orders {NEW} accepted POST /jobs 4 times going forward, and every session broke off before it waited for the "
        "work: whether it was completed was not examined"
    ])  # fmt: skip


def test_one_lost_job_in_a_control_does_not_excuse_many() -> None:
    """Seven of eight are lost in the mixture, and one of forty where a replica of old is restarted."""
    builder = HistoryBuilder()
    for phase, version, tries, lost in (
        ("control-old", OLD, 40, 1), ("control-new", NEW, 8, 0), ("forward", NEW, 8, 7),
    ):  # fmt: skip
        builder.step(phase)  # type: ignore[arg-type]
        for number in range(tries):
            builder.replay = f"r{number}"
            job = builder.send("POST /jobs", version, (202, {"id": number}), index=0)
            builder.end(job, "open" if number < lost else "ended", "queued")
    builder.send("POST /other", OLD)
    assert ("completes", "mixed") in attributions(builder.judge())
