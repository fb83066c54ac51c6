"""Completes, forward-only states and honest completion: work that was accepted, and what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.scenes import place, poll, usual
from tests.checks.story import Scene, Story, everywhere, promised, told
from verifier.checks.verdict import Judgement


def worked(*states: str, charged: bool = True, **more: Any) -> Judgement:
    """Every scene is usual; where it is broken there is also an order whose polls show these states."""

    def play(scene: Scene) -> None:
        usual(scene)
        if scene.broken:
            order = scene.story.fresh("o")
            made = place(scene, order=order, key=order, to=scene.first, **more)
            if charged:
                scene.story.charge(order)
            poll(scene, made, order, *states)

    return everywhere(play, "forward")


@pytest.mark.parametrize(
    "states", [("done",), ("failed",), ("pending", "running", "done"), ("pending", "done", "done")]
)
def test_work_that_ends_passes(states: tuple[str, ...]) -> None:
    assert worked(*states).verdict == "pass"


@pytest.mark.parametrize("states", [("pending",), ("pending", "running"), ("unheard-of",)])
def test_work_that_never_ends_is_found(states: tuple[str, ...]) -> None:
    assert ("completes", "mixed") in told(worked(*states))


def test_work_whose_polls_are_refused_is_found() -> None:
    def play(scene: Scene) -> None:
        usual(scene)
        if scene.broken:
            order = scene.story.fresh("o")
            made = place(scene, order=order, key=order, to=scene.first)
            scene.story.charge(order)
            for _ in range(3):
                scene.story.send(f"GET /operations/{order}", scene.second, 404, of=made, source="poll")

    assert ("completes", "mixed") in told(everywhere(play, "forward"))


def test_work_that_nobody_can_ask_about_is_found() -> None:
    """Accepted, but the answer does not say where to ask: nothing was polled, and nothing may pass."""

    def play(scene: Scene) -> None:
        usual(scene)
        if scene.broken:
            order = scene.story.fresh("o")
            answer = (202, {"id": order, "status": "pending"})
            scene.story.send("POST /orders", scene.first, answer, key=order, body={"reference": order})
            scene.story.charge(order)

    assert told(everywhere(play, "forward")) == {("completes", "mixed")}


def test_work_that_was_not_accepted_need_not_end() -> None:
    assert worked(answer=(409, {"id": "x"})).verdict != "unknown"
    assert ("completes", "mixed") not in told(worked(answer=(200, {"id": "x"})))


@pytest.mark.parametrize(
    "states", [("running", "pending", "done"), ("done", "running"), ("failed", "done"), ("pending", "odd", "done")]
)
def test_a_state_that_goes_back_or_was_never_declared_is_found(states: tuple[str, ...]) -> None:
    assert ("forward-only states", "mixed") in told(worked(*states))


def test_work_that_goes_back_when_a_duplicate_arrives_is_found() -> None:
    """Seen done by the client, then pending by the client of the duplicate: it is one piece of work."""

    def play(scene: Scene) -> None:
        usual(scene)
        story, order = scene.story, scene.story.fresh("o")
        first = place(scene, order=order, key=order, to=scene.first, fault="duplicate-after")
        story.charge(order)
        poll(scene, first, order, "done")
        again = place(scene, order=order, key=order, to=scene.second, retry=first, fault="duplicate-after")
        poll(scene, again, order, *(("pending", "done") if scene.broken else ("done",)))

    assert everywhere(play).verdict == "pass"
    assert told(everywhere(play, "forward")) == {("forward-only states", "mixed")}


def test_polls_that_overlap_have_no_order() -> None:
    """Two clients poll at the same time: what the slower one shows may be older."""

    def play(scene: Scene) -> None:
        usual(scene)
        story, order = scene.story, scene.story.fresh("o")
        first = place(scene, order=order, key=order, to=scene.first, fault="duplicate-at-once")
        again = place(scene, order=order, key=order, to=scene.second, retry=first, fault="duplicate-at-once")
        story.charge(order)
        began = story.clock
        poll(scene, first, order, "pending", "done")
        story.send(f"GET /operations/{order}", scene.second, (200, {"status": "running"}), of=again, source="poll",
                   started=began)  # fmt: skip
        poll(scene, again, order, "done")

    assert everywhere(play).verdict == "pass"


@pytest.mark.parametrize("charged", [True, False])
def test_done_without_the_effect_is_found(charged: bool) -> None:
    assert told(worked("done", charged=charged)) == (set() if charged else {("honest completion", "mixed")})


def test_failed_without_the_effect_is_honest() -> None:
    assert worked("failed", charged=False).verdict == "pass"


def test_an_effect_after_the_step_comes_too_late() -> None:
    """The user was told done in one step; the charge came in the next."""

    def story_with(late: bool) -> Story:
        story = Story.of_orders()
        everywhere(usual, story=story)
        story.step("forward")
        scene = Scene(story, "forward", "1.4", "2.0", late)
        usual(scene)
        made = place(scene, order="late", key="late", to="1.4")
        poll(scene, made, "late", "done")
        if not late:
            story.charge("late")
        story.step("forward")
        usual(scene)
        if late:
            story.charge("late")
        return story

    assert story_with(False).judge().verdict == "pass"
    assert told(story_with(True).judge()) == {("honest completion", "mixed")}


def test_done_at_once_must_have_had_its_effect_too() -> None:
    """Answered with the final state instead of being accepted: that is a report of completion as well."""
    for charged in (True, False):

        def play(scene: Scene, charged: bool = charged) -> None:
            usual(scene)
            order = scene.story.fresh("o")
            answer = (200, {"id": order, "status": "done"})
            if charged or not scene.broken:
                scene.story.charge(order)
            place(scene, order=order, key=order, to=scene.first, answer=answer, index=7)

        found = {("honest completion", "mixed")}
        assert told(everywhere(play, "forward")) == (set() if charged else found)


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
    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            order = scene.story.fresh("o")
            for _ in range(charges if scene.broken else 1):
                scene.story.charge(order, version=version)
            place(scene, order=order, key="", to=version, answer=(201, {"id": order}))

    story = Story(registry=promised(EFFECTS.format(times=times)))
    assert {name for name, _ in told(everywhere(play, "forward", story=story))} == found


def test_a_retry_that_doubles_is_not_told_as_sent_once() -> None:
    def play(scene: Scene) -> None:
        order = usual(scene)
        if scene.broken:
            scene.story.charge(order)

    assert told(everywhere(play, "forward")) == {("idempotent", "mixed")}
