"""Idempotent: the retry that is done twice, and the one that is not."""

from __future__ import annotations

import pytest

from tests.checks.scenes import place, poll, usual
from tests.checks.story import Scene, Story, everywhere, told
from verifier.checks.verdict import Attribution, Judgement
from verifier.history.model import Phase


def retried(scene: Scene) -> None:
    """A retry that, when broken, charges again."""
    order = usual(scene)
    if scene.broken:
        scene.story.charge(order, version=scene.second)


@pytest.mark.parametrize(
    ("where", "attribution"),
    [
        (("control-old", "control-new", "forward", "rollback"), "pre-existing"),
        (("control-old",), "pre-existing"),
        (("control-new", "forward"), "new-version"),
        (("forward",), "mixed"),
        (("forward", "rollback"), "mixed"),
        (("rollback",), "rollback"),
    ],
)
def test_a_doubled_effect_is_told_with_whose_doing_it_is(where: tuple[Phase, ...], attribution: Attribution) -> None:
    judgement = everywhere(retried, *where)
    assert told(judgement) == {("idempotent", attribution)}
    assert judgement.verdict == ("pass" if attribution == "pre-existing" else "fail")


def test_a_retry_with_one_effect_passes() -> None:
    judgement = everywhere(retried)
    assert (judgement.verdict, judgement.violations, judgement.unknowns) == ("pass", (), ())


def test_the_violation_names_both_versions_and_both_attempts() -> None:
    judgement = everywhere(retried, "forward")
    violation = judgement.violations[0]
    assert (violation.service, violation.operation, violation.versions) == ("orders", "placeOrder", ("1.4", "2.0"))
    operations = {operation.id: operation for operation in _history(retried, "forward").operations}
    first, second, *charges = (operations[entry] for entry in violation.evidence)
    assert (first.name, second.parent) == ("placeOrder", first.id)
    assert [entry.name for entry in charges] == ["charge", "charge"]


def _history(play, *broken: Phase):  # type: ignore[no-untyped-def]
    story = Story.of_orders()
    everywhere(play, *broken, story=story)
    return story.history()


def test_two_answers_to_one_key_that_disagree_are_told() -> None:
    def play(scene: Scene) -> None:
        usual(scene)
        story, order, key = scene.story, scene.story.fresh("o"), scene.story.fresh("k")
        first = place(scene, order=order, key=key, to=scene.first, outcome="info", fault="lost-answer")
        other = story.fresh("o") if scene.broken else order
        place(scene, order=other, key=key, to=scene.second, retry=first, fault="lost-answer",
              answer=(202, {"id": other}))  # fmt: skip

    safe = everywhere(play)
    assert ("idempotent", "mixed") not in told(safe)
    assert ("idempotent", "mixed") in told(everywhere(play, "forward"))


def test_effects_that_are_told_apart_by_the_answer_are_added_up() -> None:
    """Counted per answered id: a retry that makes a second order has one effect for each id, and two for its key."""
    story = Story(registry=_promises("key: $request.body#/order, match: $response.body#/id"))

    def play(scene: Scene) -> None:
        key, order = scene.story.fresh("k"), scene.story.fresh("o")
        first = place(scene, order=order, key=key, to=scene.first, answer=(201, {"id": order}))
        _charge(scene, order)
        other = scene.story.fresh("o") if scene.broken else order
        place(scene, order=order, key=key, to=scene.second, retry=first, answer=(201, {"id": other}))
        if scene.broken:
            _charge(scene, other)

    assert told(everywhere(play, "forward", story=story)) == {("idempotent", "mixed")}


def test_effects_count_where_the_first_attempt_had_no_answer_to_name_them_by() -> None:
    story = Story(registry=_promises("key: $request.body#/order, match: $response.body#/id"))

    def play(scene: Scene) -> None:
        key, order = scene.story.fresh("k"), scene.story.fresh("o")
        first = place(scene, order=order, key=key, to=scene.first, fault="reset", error="reset", outcome="info",
                      response=None)  # fmt: skip
        _charge(scene, order)
        place(scene, order=order, key=key, to=scene.second, retry=first, answer=(201, {"id": order}), fault="reset")
        if scene.broken:
            _charge(scene, order)

    assert everywhere(play, story=story).verdict == "pass"
    assert told(everywhere(play, "forward", story=Story(registry=story.registry))) == {("idempotent", "mixed")}


def _charge(scene: Scene, order: str) -> None:
    scene.story.send("POST /charges", "", (201, {}), body={"order": order}, source="partner", service="psp",
                     name="charge", effect="applied")  # fmt: skip


def _promises(effect: str):  # type: ignore[no-untyped-def]
    from tests.checks.story import promised

    return promised(f"""
        service: orders
        operations:
          placeOrder:
            idempotent: {{key: $request.header.Idempotency-Key, same: [$request.header.Idempotency-Key]}}
            effects: [{{partner: psp, operation: charge, {effect}}}]
    """)


def test_a_duplicate_that_comes_in_a_later_step_counts_for_the_key() -> None:
    """A late duplicate that is done again is found, and belongs to the step in which it came."""

    def story_with(again: bool) -> Story:
        story = Story.of_orders()
        everywhere(usual, story=story)
        story.step("forward")
        scene = Scene(story, "forward", "1.4", "2.0", again)
        first = place(scene, order="late", key="late", to="1.4", fault="duplicate-next-step")
        story.charge("late")
        poll(scene, first, "late", "done")
        usual(scene)
        story.step("rollback")
        usual(Scene(story, "rollback", "1.4", "1.4", again))
        late = place(scene, order="late", key="late", to="1.4", retry=first, fault="duplicate-next-step")
        poll(scene, late, "late", "done", to="1.4")
        if again:
            story.charge("late")
        return story

    assert story_with(False).judge().verdict == "pass"
    found = story_with(True).judge()
    assert told(found) == {("idempotent", "rollback")}
    assert found.violations[0].step == story_with(True).steps[-1].id


def test_equal_keys_on_different_stores_are_different_keys() -> None:
    story = Story.of_orders()

    def play(scene: Scene) -> None:
        usual(scene)
        if scene.first == scene.second and scene.phase.startswith("control"):
            place_once(scene, "same")

    def place_once(scene: Scene, key: str) -> None:
        done = place(scene, order="same", key=key, to=scene.first)
        scene.story.charge("same")
        poll(scene, done, "same", "done")

    assert everywhere(play, story=story).verdict == "pass"


def test_an_effect_that_may_happen_more_than_once_is_not_doubled() -> None:
    registry = _promises("key: $request.body#/order, match: $request.body#/reference, times: at-least-once")

    def play(scene: Scene) -> None:
        key, order = scene.story.fresh("k"), scene.story.fresh("o")
        first = place(scene, order=order, key=key, to=scene.first, answer=(201, {"id": order}))
        place(scene, order=order, key=key, to=scene.second, retry=first, answer=(201, {"id": order}))
        _charge(scene, order)
        _charge(scene, order)

    assert everywhere(play, story=Story(registry=registry)).verdict == "pass"


def undeclared(values: dict[str, list[str]], key: str = "k") -> Judgement:
    """A request with a key, sent twice, where nothing is declared; what each phase answers to the two."""
    story = Story()

    def play(scene: Scene) -> None:
        name = story.fresh(key) if key else ""
        first, second = values["broken" if scene.broken else scene.phase if scene.phase in values else ""]
        produced = ("$response.body#/id",)
        sent = story.send("POST /things", scene.first, (201, {"id": first}), key=name,
                          produced=tuple((entry, first) for entry in produced))  # fmt: skip
        story.send("POST /things", scene.second, (201, {"id": second}), key=name, retry=sent,
                   produced=tuple((entry, second) for entry in produced))  # fmt: skip

    return everywhere(play, "forward", story=story)


def test_a_key_in_its_usual_header_is_kept_though_nothing_is_declared() -> None:
    judgement = undeclared({"": ["a", "a"], "broken": ["a", "b"]})
    assert told(judgement) == {("idempotent", "mixed")}
    assert "$response.body#/id was a and b after POST /things → 1.4: 201" in judgement.violations[0].message


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"": ["a", "a"], "broken": ["b", "b"]}, "k"),
        ({"": ["a", "b"], "broken": ["a", "b"]}, "k"),  # the old version has never kept it
        ({"": ["a", "a"], "control-old": ["a", "b"], "broken": ["a", "b"]}, "k"),
        ({"": ["a", "a"], "broken": ["a", "b"]}, ""),
    ],
)
def test_what_agrees_or_never_had_to_passes(values: dict[str, list[str]], key: str) -> None:
    judgement = undeclared(values, key)
    assert (judgement.verdict, judgement.violations) == ("pass", ())
