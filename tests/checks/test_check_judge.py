"""The judgement: fail beats unknown, unknown beats pass, and what was not tried is never passed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from tests.checks.scenes import place, poll, usual
from tests.checks.story import NEW, OLD, Scene, Story, everywhere, promised, told
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.history.model import History, Note, Operation, Phase
from verifier.plan.model import Plan


def doubled(scene: Scene) -> None:
    """A session in which, when broken, many guarantees fail at once."""
    story, order = scene.story, usual(scene)
    if scene.broken:
        story.charge(order)
        story.send(f"GET /orders/{order}", scene.second, (200, {"id": order, "note": "old"}), index=2)
        other = place(scene, order=story.fresh("o"), key=story.fresh("k"), to=scene.first)
        poll(scene, other, story.fresh("o"), "pending", "done", "pending")


def told_story(*broken: Phase) -> Story:
    story = Story.of_orders()
    everywhere(doubled, *broken, story=story)
    return story


def test_a_run_without_a_defect_passes() -> None:
    judgement = told_story().judge()
    assert (judgement.verdict, judgement.unknowns, judgement.violations) == ("pass", (), ())
    assert {step.verdict for step in judgement.steps} == {"pass"}


@pytest.mark.parametrize(
    ("phases", "attribution"),
    [
        ({"control-old", "control-new", "forward", "rollback"}, "pre-existing"),
        ({"control-old"}, "pre-existing"),
        ({"control-new", "forward", "rollback"}, "new-version"),
        ({"forward", "rollback"}, "mixed"),
        ({"forward"}, "mixed"),
        ({"rollback"}, "rollback"),
    ],
)
def test_attribution(phases: set[Phase], attribution: str) -> None:
    def play(scene: Scene) -> None:
        scene.story.send("GET /a", scene.first, None if scene.broken else 200)

    assert told(everywhere(play, *phases, story=Story())) == {("available", attribution)}


def test_a_loss_that_old_has_by_itself_is_no_news_after_a_rollback() -> None:
    """The same loss is called no lost write in a control and rollback safe after going back."""
    story = Story()

    def play(scene: Scene) -> None:
        read = story.send(f"GET /things/{story.fresh('t')}", scene.first, 200)
        for version in (scene.first, scene.second):
            story.sweep(read, version, 404 if scene.broken else 200)

    judgement = everywhere(play, "control-old", "rollback", story=story)
    assert {attribution for _, attribution in told(judgement)} == {"pre-existing"}
    assert judgement.verdict == "pass"


def test_a_rollout_starts_as_a_control_does() -> None:
    """What only its first step shows, all old on fresh stores, no deployment has added."""
    story = told_story()
    story.step("forward", kind="start", live={"orders": (OLD,)})
    usual(Scene(story, "forward", OLD, OLD, False))
    story.send("GET /orders/o1", OLD, 500)
    assert told(story.judge()) == {("available", "pre-existing")}
    assert story.judge().verdict == "pass"
    story.step("forward", kind="restart", live={"orders": (OLD,)})
    usual(Scene(story, "forward", OLD, OLD, False))
    story.send("GET /orders/o1", OLD, 502)
    assert told(story.judge()) == {("available", "pre-existing"), ("available", "rollback")}, "new has written here"


def test_steps_show_where_a_guarantee_failed() -> None:
    judgement = told_story("forward").judge()
    failed = {step.id for step in judgement.steps if step.verdict == "fail"}
    assert failed == {"rollout.1", "rollout.2"}
    for step in judgement.steps:
        cells = dict(step.guarantees)
        assert cells["idempotent"] == ("fail" if step.id in failed else "pass")


# What keeps a run from passing: each takes a whole story and spoils it.
def silent_version(story: Story) -> None:
    quiet = story.step("forward")
    story.send("GET /orders/o1", OLD, (200, {"id": "o1"}))
    assert quiet == story.steps[-1].id


def unanswered_version(story: Story) -> None:
    story.step("rollback", live={"orders": (OLD, NEW)})
    story.send("GET /orders/o1", OLD, (200, {"id": "o1"}))
    story.send("POST /orders", NEW, None, error="reset", outcome="info", fault="reset")


def counts(story: Story) -> None:
    story.notes.append(Note("", "count", "3 sent, 2 answered, 0 failed"))


@pytest.mark.parametrize("spoil", [silent_version, unanswered_version, counts])
def test_what_was_not_tried_is_unknown(spoil: Callable[[Story], None]) -> None:
    story = told_story()
    spoil(story)
    judgement = story.judge()
    assert judgement.verdict == "unknown"
    assert judgement.unknowns


def test_missing_steps_are_unknown() -> None:
    story = told_story()
    plan = story.plan()
    cut = structs.replace(story.history(), steps=story.steps[:-1])
    judgement = judge(cut, story.registry, plan)
    assert judgement.verdict == "unknown"
    assert any(story.steps[-1].id in sentence for sentence in judgement.unknowns)


def test_a_run_of_nothing_is_unknown() -> None:
    assert Story().judge().verdict == "unknown"


def test_a_run_without_a_control_is_unknown() -> None:
    story = Story()
    story.step("forward")
    for version in (OLD, NEW):
        story.send("GET /things/1", version, 200)
    assert story.judge().verdict == "unknown"


def test_old_equal_to_new_is_unknown() -> None:
    story = told_story()
    plan: Plan = replace(story.plan(), same=("orders 1.4 and 2.0 are the same image, command and environment",))
    assert judge(story.history(), story.registry, plan).verdict == "unknown"


@pytest.mark.parametrize(
    "declared",
    [
        "dropOrder: {idempotent: {key: $request.header.Idempotency-Key}}",
        "dropOrder: {completes: {poll: $response.header.X, state: $response.body#/s, final: [done]}}",
        "dropOrder: {effects: [{partner: psp, operation: charge, key: $request.body#/reference}]}",
        "dropOrder: {freshness: {class: read-your-writes, resource: $request.path.id}}",
        "listOrders: {freshness: {class: strong, resource: $request.query.customer}}",
    ],
)
def test_a_declared_guarantee_that_nothing_tested_is_unknown(declared: str) -> None:
    story = Story(registry=promised(f"service: orders\noperations:\n  {declared}\n"))

    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            story.send("GET /orders/o1", version, (200, {"id": "o1"}))

    judgement = everywhere(play, story=story)
    assert judgement.verdict == "unknown"
    assert any(declared.partition(":")[0] in sentence for sentence in judgement.unknowns)


@pytest.mark.parametrize("spoil", [silent_version, unanswered_version, counts])
def test_fail_beats_unknown(spoil: Callable[[Story], None]) -> None:
    story = told_story("forward")
    spoil(story)
    assert story.judge().verdict == "fail"


def test_what_the_old_version_does_too_does_not_hide_an_unknown() -> None:
    story = told_story("control-old", "control-new", "forward", "rollback")
    assert story.judge().verdict == "pass"
    counts(story)
    assert story.judge().verdict == "unknown"


def test_equal_histories_give_equal_judgements() -> None:
    first, second = told_story("forward").judge(), told_story("forward").judge()
    assert first == second


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("broken", [(), ("forward",), ("forward", "rollback")])
def test_independent_replays_may_end_in_any_order(seed: int, broken: tuple[Phase, ...]) -> None:
    """Operations of different replays change places in the history; the judgement does not."""
    story = told_story(*broken)
    usual_order = story.judge()
    assert bool(usual_order.violations) is bool(broken)
    history = story.history()
    shuffled = structs.replace(history, operations=interleaved(history, random.Random(seed)))
    assert shuffled != history
    assert judge(shuffled, story.registry, story.plan()) == usual_order


def interleaved(history: History, draw: random.Random) -> tuple[Operation, ...]:
    """The operations of each step in another order, but those of one replay in their own."""
    found: list[Operation] = []
    for step in history.steps:
        queues: dict[str, list[Operation]] = {}
        for operation in history.operations:
            if operation.step == step.id:
                queues.setdefault(operation.replay, []).append(operation)
        while queues:
            name = draw.choice(sorted(queues))
            found.append(queues[name].pop(0))
            if not queues[name]:
                del queues[name]
    return tuple(found)


def test_the_proofs_of_a_violation_are_in_the_history() -> None:
    story = told_story("forward")
    known = {operation.id for operation in story.operations}
    judgement: Judgement = story.judge()
    assert judgement.violations
    for violation in judgement.violations:
        assert violation.evidence
        assert set(violation.evidence) <= known
        assert violation.step in {step.id for step in story.steps}
        assert violation.experience
        assert violation.message
