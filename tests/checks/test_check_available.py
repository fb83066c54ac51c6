"""Available: what the controls answer is answered in every state, and replicas come up on the data they find."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, Answer, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.verdict import Judgement


def answered(answer: Answer, **more: Any) -> Judgement:
    """An operation that is answered with 200, and otherwise where it is broken."""

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            if scenario.broken:
                scenario.builder.send("GET /things/1", version, answer, **more)
            scenario.builder.send("GET /things/1", version, 200)

    return in_every_phase(play, "forward", builder=HistoryBuilder())


@pytest.mark.parametrize("source", ["replay", "live", "poll"])
@pytest.mark.parametrize(
    ("answer", "error"), [(500, ""), (503, ""), (None, "refused"), (None, "timeout"), (None, "reset"), (None, "closed")]
)
def test_a_request_that_fails_is_found(source: str, answer: Answer, error: str) -> None:
    assert ("available", "mixed") in attributions(answered(answer, error=error, source=source))


def test_a_request_that_is_answered_passes() -> None:
    assert answered(200).verdict == "pass"


def test_an_answer_that_a_fault_cut_on_purpose_is_none_of_the_services_doing() -> None:
    assert attributions(answered(None, error="reset", fault="reset")) == set()
    assert attributions(answered(None, error="closed", fault="reset")) == set()


def test_a_retry_that_is_cut_by_the_service_itself_is_found() -> None:
    """Only the first attempt is cut on purpose."""

    def play(scenario: Scenario) -> None:
        builder = scenario.builder
        for version in (scenario.first, scenario.second):
            first = builder.send("POST /things", version, None, error="reset", fault="reset", outcome="info")
            cut: Any = (None, "reset") if scenario.broken else (200, "")
            builder.send("POST /things", version, cut[0], error=cut[1], fault="reset", retry=first)

    assert in_every_phase(play, builder=HistoryBuilder()).verdict == "pass"
    assert attributions(in_every_phase(play, "forward", builder=HistoryBuilder())) == {("available", "mixed")}


def test_what_the_old_version_fails_at_too_is_no_news() -> None:
    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            scenario.builder.send("GET /broken", version, 500)
            scenario.builder.send("GET /things/1", version, 200)

    judgement = in_every_phase(play, builder=HistoryBuilder())
    assert (judgement.verdict, attributions(judgement)) == ("pass", {("available", "pre-existing")})


@pytest.mark.parametrize("what", ["never-ready", "exited", "command-failed"])
def test_a_replica_that_does_not_come_up_is_found(what: str) -> None:
    def story_with(phase: Any, version: str, happened: str) -> HistoryBuilder:
        builder = HistoryBuilder()
        in_every_phase(_calm, builder=builder)
        builder.step(phase)
        _calm(Scenario(builder, phase, OLD, NEW if phase == "forward" else OLD, False))
        builder.event(happened, version, "exit code 1\nlast line")
        return builder

    assert attributions(story_with("forward", NEW, what).judge()) == {("available", "mixed")}
    assert attributions(story_with("rollback", OLD, what).judge()) == {("rollback safe", "rollback")}
    assert story_with("forward", NEW, "stopped").judge().verdict == "pass"


def _calm(scenario: Scenario) -> None:
    for version in (scenario.first, scenario.second):
        scenario.builder.send("GET /things/1", version, 200)
