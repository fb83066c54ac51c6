"""Replicas that end by themselves: whose doing it is that requests go unanswered then, and resources are gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.story import NEW, OLD, Scene, Story, everywhere, told
from verifier.checks.verdict import Judgement
from verifier.history.model import Operation, Phase

HOW = "exited with status 1"


def _calm(scene: Scene) -> None:
    """A session that nothing disturbs: a thing is put, read, and read back."""
    story, name = scene.story, scene.story.fresh("t")
    story.send(f"PUT /things/{name}", scene.first, 200)
    read = story.send(f"GET /things/{name}", scene.second, 200, index=1)
    for version in (scene.first, scene.second):
        story.sweep(read, version, 200)


def _controls(*crashing: tuple[Phase, str], how: str = HOW) -> Story:
    """A whole rollout; in these phases replicas of that version end after a request that controls alone refuse."""
    story = Story()
    everywhere(_calm, story=story)
    for phase, version in crashing:
        story.step(phase)
        _calm(Scene(story, phase, version, version, False))
        story.send("GET /other", version, None, error="refused", index=7)
        story.event("exited", version, how)
    return story


def _crash(story: Story, version: str = OLD, *, how: str = HOW, error: str = "reset") -> Operation:
    """In a mixture: a write reaches a replica that ends, and the next one is refused. Returns the first."""
    story.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scene(story, "forward", first, second, False))
    story.replay = "hit"
    hit = story.send("PUT /things/0", version, None, error=error, outcome="info")
    story.replay = "hit too"
    story.send("PUT /things/1", version, None, error="refused")
    story.event("exited", version, how)
    return hit


def _found(judgement: Judgement, operation: str) -> set[tuple[str, str]]:
    return {(entry.guarantee, entry.attribution) for entry in judgement.violations if entry.operation == operation}


@pytest.mark.parametrize("error", ["refused", "closed", "reset", "timeout"])
def test_an_end_that_the_control_shows_too_is_the_versions_own_and_no_pass(error: str) -> None:
    story = _controls(("control-old", OLD))
    hit = _crash(story, error=error)
    judgement = story.judge()
    assert {attribution for _, attribution in told(judgement)} == {"pre-existing"}
    assert judgement.verdict == "unknown"
    causes = {entry.cause for entry in judgement.violations if hit.step in entry.steps}
    assert causes == {f"orders {OLD} ends by itself"}
    (sentence,) = judgement.unknowns
    assert sentence.startswith(f"orders {OLD} ends by itself ({HOW}), in control-old-3.1 too: 2 requests and reads")
    (step,) = (entry for entry in judgement.steps if entry.id == hit.step)
    assert step.verdict == "unknown"


def test_an_end_that_new_alone_shows_too_is_the_new_versions() -> None:
    story = _controls(("control-new", NEW))
    _crash(story, NEW)
    judgement = story.judge()
    assert _found(judgement, "PUT /things/{}") == {("available", "new-version")}
    assert judgement.verdict == "fail"


@pytest.mark.parametrize(
    ("controls", "version", "how"),
    [
        ([], OLD, HOW),  # only the mixture shows it
        ([("control-old", OLD)], NEW, HOW),  # the other version ends
        ([("control-new", NEW)], OLD, HOW),
        ([("control-old", OLD)], OLD, "exited with status 139"),  # it ends in another way
    ],
)
def test_an_end_that_no_control_shows_is_the_mixtures(controls: Any, version: str, how: str) -> None:
    story = _controls(*controls)
    _crash(story, version, how=how)
    judgement = story.judge()
    assert ("available", "mixed") in _found(judgement, "PUT /things/{}")
    assert judgement.verdict == "fail"


def test_a_request_that_fails_before_a_later_one_is_answered_is_not_the_ends_doing() -> None:
    story = _controls(("control-old", OLD))
    story.step("forward")
    story.send("PUT /things/0", OLD, None, error="reset", outcome="info")
    _calm(Scene(story, "forward", OLD, NEW, False))
    story.event("exited", OLD, HOW)
    assert ("available", "mixed") in _found(story.judge(), "PUT /things/{}")


def test_a_request_that_a_fault_cut_on_purpose_breaks_no_session() -> None:
    """It was sent when nothing else was answered any more; its client tried again, and is now answered 404."""
    story = _controls(("control-old", OLD))
    story.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scene(story, "forward", first, second, False))
    story.replay = "cut"
    story.send("PUT /things/0", OLD, None, error="reset", outcome="info", fault="reset")
    story.send("GET /things/0", NEW, 404, index=1)
    story.event("exited", OLD, HOW)
    assert _found(story.judge(), "GET /things/{}") == {("compatible", "mixed")}


def test_a_request_to_the_other_version_that_fails_is_not_the_ends_doing() -> None:
    story = _controls(("control-old", OLD))
    _crash(story)
    story.step("forward")
    story.send("PUT /things/2", NEW, None, error="reset", outcome="info")
    judgement = story.judge()
    assert ("available", "mixed") in _found(judgement, "PUT /things/{}")
    assert judgement.verdict == "fail"


@pytest.mark.parametrize(("live", "back", "excused"), [(True, False, True), (True, True, False), (False, False, False)])
def test_what_nobody_serves_after_the_end_is_the_ends_doing_until_the_version_is_back(
    live: bool, back: bool, excused: bool
) -> None:
    story = _controls(("control-old", OLD))
    _crash(story)
    story.step("forward", live={"orders": (OLD, NEW) if live else (NEW,)})
    if back:
        story.event("ready", OLD)
    story.send("GET /things/2", NEW, 200)
    story.send("DELETE /things/2", OLD, None, error="refused", replica="")
    found = _found(story.judge(), "DELETE /things/{}")
    assert found == {("available", "pre-existing" if excused else "mixed")}


@pytest.mark.parametrize(("hit", "retried", "attribution"), [
    (True, False, "pre-existing"), (True, True, "mixed"), (False, False, "mixed"),
])  # fmt: skip
def test_what_follows_in_the_session_of_an_unanswered_request(hit: bool, retried: bool, attribution: str) -> None:
    """A read is answered 404, since what it reads was never made; not so where a retry made it, or nothing was cut."""
    story = _controls(("control-old", OLD))
    write = _crash(story)
    story.replay = "hit" if hit else "other"
    if retried:
        story.send("PUT /things/0", NEW, 200, retry=write)
    story.send("GET /things/0", NEW, 404, index=1)
    assert _found(story.judge(), "GET /things/{}") == {("compatible", attribution)}


@pytest.mark.parametrize(("writer", "later", "attribution"), [
    (OLD, False, "pre-existing"),
    (NEW, False, "mixed"),  # the replica that ended never had it
    (OLD, True, "mixed"),  # it was still there after the end
])  # fmt: skip
def test_what_a_replica_took_along_is_gone(writer: str, later: bool, attribution: str) -> None:
    story = _controls(("control-old", OLD))
    story.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scene(story, "forward", first, second, False))
    story.replay = "hit"
    story.send("PUT /kept/1", writer, 200)
    read = story.send("GET /kept/1", NEW, 200, index=3)
    story.event("exited", OLD, HOW)
    story.sweep(read, NEW, 200 if later else 404)
    story.step("forward", live={"orders": (NEW,)})
    story.sweep(read, NEW, 404)
    assert _found(story.judge(), "GET /kept/{}") == {("no lost write", attribution)}


def test_sweeps_through_the_replica_that_ended_are_the_ends_doing_after_going_back_too() -> None:
    for phase in ("forward", "rollback"):
        story = _controls(("control-old", OLD))
        story.step(phase)
        _calm(Scene(story, phase, OLD, OLD, False))
        read = story.send("GET /kept/1", OLD, 200, index=3)
        story.send("GET /kept/1", OLD, None, error="refused", of=read, source="sweep")
        story.event("exited", OLD, HOW)
        assert {attribution for _, attribution in _found(story.judge(), "GET /kept/{}")} == {"pre-existing"}


def test_other_defects_of_a_crashing_version_stay_the_mixtures() -> None:
    """A value that reads differently, and an error of a living replica: no end of a replica explains them."""
    story = _controls(("control-old", OLD))
    _crash(story)
    read = story.send("GET /kept/1", NEW, (200, {"v": 1}), index=3)
    story.sweep(read, NEW, (200, {"v": 1}))
    story.sweep(read, NEW, (200, {"v": 2}))
    story.send("GET /things/5", NEW, 500, index=1)
    judgement = story.judge()
    assert _found(judgement, "GET /kept/{}") == {("no lost write", "mixed")}
    assert ("available", "mixed") in _found(judgement, "GET /things/{}")


@pytest.mark.parametrize(("error", "attribution"), [("refused", "pre-existing"), ("", "mixed")])
def test_a_call_that_an_ended_replica_never_answered_fails_who_called(error: str, attribution: str) -> None:
    story = _controls(("control-old", OLD))
    story.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scene(story, "forward", first, second, False))
    outer = story.send("POST /front", NEW, 502, service="front")
    story.send("GET /things/1", OLD, None if error else 200, error=error, of=outer, source="inner")
    story.event("exited", OLD, HOW)
    assert _found(story.judge(), "POST /front") == {("available", attribution)}
