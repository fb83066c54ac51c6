"""Available: what the controls answer is answered in every state, and replicas come up on the data they find."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.story import NEW, OLD, Answer, Scene, Story, everywhere, told
from verifier.checks.verdict import Judgement


def answered(answer: Answer, **more: Any) -> Judgement:
    """An operation that is answered with 200, and otherwise where it is broken."""

    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            if scene.broken:
                scene.story.send("GET /things/1", version, answer, **more)
            scene.story.send("GET /things/1", version, 200)

    return everywhere(play, "forward", story=Story())


@pytest.mark.parametrize("source", ["replay", "live", "poll"])
@pytest.mark.parametrize(
    ("answer", "error"), [(500, ""), (503, ""), (None, "refused"), (None, "timeout"), (None, "reset"), (None, "closed")]
)
def test_a_request_that_fails_is_found(source: str, answer: Answer, error: str) -> None:
    assert ("available", "mixed") in told(answered(answer, error=error, source=source))


def test_a_request_that_is_answered_passes() -> None:
    assert answered(200).verdict == "pass"


def test_an_answer_that_a_fault_cut_on_purpose_is_none_of_the_services_doing() -> None:
    assert told(answered(None, error="reset", fault="reset")) == set()
    assert told(answered(None, error="closed", fault="reset")) == set()


def test_a_retry_that_is_cut_by_the_service_itself_is_found() -> None:
    """Only the first attempt is cut on purpose."""

    def play(scene: Scene) -> None:
        story = scene.story
        for version in (scene.first, scene.second):
            first = story.send("POST /things", version, None, error="reset", fault="reset", outcome="info")
            cut: Any = (None, "reset") if scene.broken else (200, "")
            story.send("POST /things", version, cut[0], error=cut[1], fault="reset", retry=first)

    assert everywhere(play, story=Story()).verdict == "pass"
    assert told(everywhere(play, "forward", story=Story())) == {("available", "mixed")}


def test_what_the_old_version_fails_at_too_is_no_news() -> None:
    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            scene.story.send("GET /broken", version, 500)
            scene.story.send("GET /things/1", version, 200)

    judgement = everywhere(play, story=Story())
    assert (judgement.verdict, told(judgement)) == ("pass", {("available", "pre-existing")})


@pytest.mark.parametrize("what", ["never-ready", "exited", "command-failed"])
def test_a_replica_that_does_not_come_up_is_found(what: str) -> None:
    def story_with(phase: Any, version: str, happened: str) -> Story:
        story = Story()
        everywhere(_calm, story=story)
        story.step(phase)
        _calm(Scene(story, phase, OLD, NEW if phase == "forward" else OLD, False))
        story.event(happened, version, "exit code 1\nlast line")
        return story

    assert told(story_with("forward", NEW, what).judge()) == {("available", "mixed")}
    assert told(story_with("rollback", OLD, what).judge()) == {("rollback safe", "rollback")}
    assert story_with("forward", NEW, "stopped").judge().verdict == "pass"


def _calm(scene: Scene) -> None:
    for version in (scene.first, scene.second):
        scene.story.send("GET /things/1", version, 200)
