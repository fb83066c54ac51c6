"""Compatible: answers against the controls where nothing is declared, and against contracts where something is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.scenes import place, poll, usual
from tests.checks.story import Answer, Scene, Story, everywhere, told
from verifier.checks.verdict import Judgement

FOUND = {("compatible", "mixed")}


def answered(usually: Answer, broken: Answer, what: str = "GET /things/1", **more: Any) -> Judgement:
    """An undeclared operation that answers one thing in general and another where it is broken."""

    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            scene.story.send(what, version, broken if scene.broken else usually, **more)

    return everywhere(play, "forward", story=Story())


@pytest.mark.parametrize(
    ("usually", "broken"),
    [
        (200, 404),
        (200, 302),
        (404, 200),
        ((200, {"id": 1}), (200, {})),
        ((200, {"id": 1}), (200, {"id": "1"})),
        ((200, {"id": 1}), (200, {"id": None})),
        ((200, {"a": {"b": [{"c": 1}]}}), (200, {"a": {"b": [{"c": 1}, {"d": 1}]}})),
        ((200, [1]), (200, {"items": [1]})),
        ((200, {"id": 1}), (200, b"<html>sorry</html>")),
        ((200, {"id": 1}), 204),
        ((200, {"id": 1}), (200, None)),
        ((200, {"id": 1}), (200, b'{"id": 1')),
    ],
)
def test_an_answer_that_the_old_version_never_gives_is_found(usually: Answer, broken: Answer) -> None:
    assert told(answered(usually, broken)) == FOUND


@pytest.mark.parametrize(
    ("usually", "broken"),
    [
        (200, 201),
        (204, 204),
        ((200, {"id": 1}), (201, {"id": 2, "more": True})),
        ((200, {"n": 1}), (200, {"n": 1.5})),
        ((200, {"items": [{"a": 1}]}), (200, {"items": []})),
        ((200, {"items": []}), (200, {"items": [{"a": 1}]})),
        ((200, b"<html>1</html>"), (200, b"<html>2</html>")),
        ((404, {"error": "none"}), (404, {"reason": "none"})),
    ],
)
def test_an_answer_of_the_same_class_and_shape_passes(usually: Answer, broken: Answer) -> None:
    judgement = answered(usually, broken)
    assert (judgement.verdict, judgement.violations) == ("pass", ())


def test_a_head_request_has_no_body_to_miss() -> None:
    assert answered(200, 200, "HEAD /things/1").verdict == "pass"


@pytest.mark.parametrize("sometimes", [{"id": 1}, {"id": 1, "note": None}, {"id": 1, "note": "x"}])
def test_what_varies_between_the_controls_does_not_alarm(sometimes: dict[str, Any]) -> None:
    """The controls answer with the note, with null and without it: all of these are right later on."""
    story = Story()
    bodies = iter([{"id": 1, "note": "a"}, {"id": 1, "note": None}, {"id": 1}])

    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            story.send("GET /things/1", version, (200, next(bodies, sometimes)))

    assert everywhere(play, "forward", story=story).verdict == "pass"


def test_what_does_not_vary_between_the_controls_alarms() -> None:
    assert told(answered((200, {"id": 1, "note": "a"}), (200, {"id": 1}))) == FOUND


def test_a_status_that_varies_between_the_controls_does_not_alarm() -> None:
    story = Story()
    statuses = iter([200, 404])

    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            story.send("GET /things/1", version, next(statuses, 404 if scene.broken else 200))

    assert everywhere(play, "forward", story=story).verdict == "pass"


def test_an_optional_field_that_the_contract_lets_be_absent_or_null_does_not_alarm() -> None:
    """In the controls the note was always there; the contract says that it need not be."""

    def play(scene: Scene) -> None:
        order = usual(scene)
        body: dict[str, Any] = {"id": order} if scene.first == "1.4" else {"id": order, "note": None}
        shown = body if scene.broken else {"id": order, "note": "n"}
        scene.story.send(f"GET /orders/{order}", scene.second, (200, shown), index=3)

    judgement = everywhere(play, "forward")
    assert ("compatible", "mixed") not in told(judgement)


def test_a_field_that_the_contract_does_not_know_alarms_when_it_goes_missing() -> None:
    """The contract neither names nor forbids the field, so the controls are the specification."""

    def play(scene: Scene) -> None:
        order = usual(scene)
        shown = {"id": order} if scene.broken else {"id": order, "weight": 3}
        scene.story.send(f"GET /orders/{order}", scene.second, (200, shown), index=3)

    def weighed(scene: Scene) -> None:
        order = scene.story.fresh("o")
        shown = {"id": order} if scene.broken else {"id": order, "weight": 3}
        for version in (scene.first, scene.second):
            scene.story.send(f"GET /orders/{order}", version, (200, shown), index=3)

    assert ("compatible", "mixed") in told(everywhere(weighed, "forward"))


def test_polls_that_were_polled_past_do_not_alarm() -> None:
    """Work that was always done at once in the controls is seen pending later: its answer has another shape."""
    story = Story()

    def play(scene: Scene, last: Any = None) -> None:
        for version in (scene.first, scene.second):
            read = story.send("GET /jobs/1", version, (200, {"state": "pending"} if scene.broken else _done()))
            if scene.broken:
                story.send("GET /jobs/1", version, (200, {"state": "running", "since": None}), of=read, source="poll")
                story.send("GET /jobs/1", version, (200, last or _done()), of=read, source="poll")

    assert everywhere(play, "forward", story=story).verdict == "pass"
    story = Story()
    judgement = everywhere(lambda scene: play(scene, {"state": "done"}), "forward", story=story)
    assert told(judgement) == FOUND


def _done() -> dict[str, Any]:
    return {"state": "done", "result": 1}


def test_an_answer_that_asks_to_come_back_is_not_the_last_word() -> None:
    """409 with Retry-After, then the answer of the controls: that is how a client is asked to wait."""
    later = {"Retry-After": "1"}

    def play(scene: Scene, patient: bool = True) -> None:
        usual(scene)
        order, key = scene.story.fresh("o"), scene.story.fresh("k")
        first = place(scene, order=order, key=key, to=scene.first, fault="late-arrival", outcome="info")
        if scene.broken:
            scene.story.send("POST /orders", scene.second, (409, {"id": order}), key=key, body={"reference": order},
                             headers=later, retry=first, fault="late-arrival")  # fmt: skip
        if patient or not scene.broken:
            again = place(scene, order=order, key=key, to=scene.second, retry=first, fault="late-arrival")
            poll(scene, again, order, "done")
        scene.story.charge(order)
        poll(scene, first, order, "done")

    assert everywhere(play, "forward").verdict == "pass"
    assert told(everywhere(lambda scene: play(scene, False), "forward")) == FOUND


@pytest.mark.parametrize(("late", "found"), [(404, False), (422, False), (302, True)])
def test_two_at_once_may_come_out_as_one_after_the_other(late: int, found: bool) -> None:
    """What the old version answers to a repetition it may also answer to one of two that race."""
    story = Story()

    def play(scene: Scene) -> None:
        story.send("DELETE /things/1", scene.first, 204)
        first = story.send("DELETE /things/1", scene.first, 204, fault="duplicate-after")
        story.send("DELETE /things/1", scene.second, 404, retry=first, fault="duplicate-after")
        first = story.send("DELETE /things/1", scene.first, 204, fault="duplicate-at-once")
        answer = late if scene.broken else 204
        story.send("DELETE /things/1", scene.second, answer, retry=first, fault="duplicate-at-once")

    assert (told(everywhere(play, "forward", story=story)) == FOUND) is found


def _removed_twice(fault: str, first: int | None, again: int) -> Story:
    """A thing is removed, and again because the first answer did not come: in the controls after a reset."""
    story = Story()

    def play(scene: Scene) -> None:
        story.send("DELETE /things/1", scene.first, 204)
        kind, before, after = (fault, first, again) if scene.broken else ("reset", None, 404)
        lost = story.send("DELETE /things/1", scene.first, before, fault=kind, outcome="info")
        story.send("DELETE /things/1", scene.second, after, retry=lost, fault=kind)

    return everywhere(play, "forward", story=story)


@pytest.mark.parametrize(
    ("first", "again", "found"), [(204, 404, False), (422, 404, True), (204, 422, False), (204, 302, True)]
)
def test_a_lost_answer_is_what_an_undisturbed_request_gets_and_only_its_retry_meets_what_was_done(
    first: int, again: int, found: bool
) -> None:
    """In the controls the connection was reset instead: of the first of two no answer is known there."""
    assert (("compatible", "mixed") in told(_removed_twice("lost-answer", first, again))) is found


@pytest.mark.parametrize(
    ("late", "retry", "found"),
    [(404, 204, False), (204, 404, False), (None, 204, False), (204, 204, True), (404, 302, True), (404, 404, False)],
)
def test_of_two_that_overtake_each_other_only_one_may_be_answered_as_the_first(
    late: int | None, retry: int, found: bool
) -> None:
    """In the controls the retry came second, and met what the first had done."""
    assert (("compatible", "mixed") in told(_removed_twice("late-arrival", late, retry))) is found


@pytest.mark.parametrize(("in_controls", "found"), [(None, False), (404, False), (200, True)])
def test_what_comes_after_its_session_may_meet_what_the_session_removed(in_controls: int | None, found: bool) -> None:
    """A duplicate that arrives in a later step is held to what late ones were answered, not to immediate ones."""
    story = Story()

    def play(scene: Scene) -> None:
        story.send("PATCH /things/1", scene.second, 200)
        first = story.send("PATCH /things/1", scene.first, 200, fault="duplicate-after")
        story.send("PATCH /things/1", scene.first, 200, retry=first, fault="duplicate-after")
        answer = 404 if scene.broken else in_controls
        first = story.send("PATCH /things/1", scene.first, 200, fault="duplicate-next-step")
        story.step(scene.phase)
        story.send("PATCH /things/1", scene.first, 200)
        story.send("PATCH /things/1", scene.second, 200)
        if answer is not None:
            story.send("PATCH /things/1", scene.second, answer, retry=first, fault="duplicate-next-step")

    assert (told(everywhere(play, "forward", story=story)) == FOUND) is found


def test_nobody_waits_for_a_duplicate_that_comes_later() -> None:
    """Asked to come back, a client does so in its own step; a duplicate in a later one is nobody's any more."""
    story, later = Story(), {"Retry-After": "1"}

    def play(scene: Scene) -> None:
        fault = "duplicate-next-step"
        first = story.send("PUT /things/1", scene.first, 409 if scene.broken else 201, headers=later, fault=fault)
        if scene.broken:
            story.send("PUT /things/1", scene.first, 201, retry=first, fault=fault)
        story.step(scene.phase)
        for version in (scene.first, scene.second):
            story.send("PUT /things/2", version, 201, index=1)
        story.send("PUT /things/1", scene.second, 409 if scene.broken else 200, headers=later, retry=first, fault=fault)

    assert everywhere(play, "forward", story=story).violations == ()


def test_the_first_of_two_that_are_far_apart_says_nothing_about_a_repetition() -> None:
    """The controls show a DELETE whose duplicate comes in a later step, the rollout one that comes right after."""
    story = Story()

    def play(scene: Scene) -> None:
        first = story.send("DELETE /things/1", scene.first, 204, fault="duplicate-next-step")
        story.send("DELETE /things/2", scene.second, 204, index=1)
        if scene.broken:
            first = story.send("DELETE /things/1", scene.first, 204, fault="duplicate-after")
            story.send("DELETE /things/1", scene.second, 404, retry=first, fault="duplicate-after")

    assert everywhere(play, "forward", story=story).verdict == "pass"


@pytest.mark.parametrize(("pair", "found"), [((0, 1), False), ((1, 2), True)])
def test_what_is_sent_early_is_held_to_what_was_sent_early(pair: tuple[int, int], found: bool) -> None:
    """1 and 2 were swapped in the controls and both answered; 0 and 1 never were."""
    story = Story()

    def play(scene: Scene) -> None:
        story.replay = "r1"
        for index in (2, 1):
            story.send("POST /things", scene.first, 201, index=index, fault="reorder")
        story.send("POST /things", scene.second, 201, index=3)
        if scene.broken:
            story.replay = "r2"
            story.send("POST /things", scene.second, 404, index=pair[1], fault="reorder")

    assert (told(everywhere(play, "forward", story=story)) == FOUND) is found


def test_live_traffic_is_held_to_what_undisturbed_replays_were_answered() -> None:
    story = Story()

    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            story.send("GET /things/1", version, 200)
            if scene.phase == "forward":
                story.send("GET /things/1", version, 404 if scene.broken else 200, source="live")

    assert told(everywhere(play, "forward", story=story)) == FOUND
    story = Story()
    assert everywhere(play, story=story).verdict == "pass"


@pytest.mark.parametrize(("status", "found"), [(200, False), (418, True)])
def test_an_answer_outside_the_contract_is_found(status: int, found: bool) -> None:
    def play(scene: Scene) -> None:
        usual(scene)
        for version in (scene.first, scene.second):
            answer = (status, {"id": "x"}) if scene.broken else (200, {"id": "x"})
            scene.story.send("GET /orders/x", version, answer, index=5)

    assert (told(everywhere(play, "forward")) >= FOUND) is found


def test_versions_of_two_services_may_have_equal_names() -> None:
    """A new caller whose version is named like the old version of the callee was not built for that one."""
    import dataclasses

    from tests.checks.story import orders_contracts
    from verifier.contracts.registry import ContractRegistry

    old, new = orders_contracts().entries
    strict = dataclasses.replace(old, version="2.0", guarantees=None)
    newer = dataclasses.replace(new, version="3.0", contract=None, guarantees=None)
    story = Story(
        services={"orders": ("2.0", "3.0"), "web": ("1.0", "2.0")}, registry=ContractRegistry((strict, newer))
    )

    def inner(caller_version: str) -> Any:
        story.step("forward")
        return story.send("GET /orders/x", "3.0", (200, {"another": 1}), source="inner", caller="web",
                          caller_version=caller_version)  # fmt: skip

    from verifier.checks import compatible
    from verifier.checks.context import Context

    built_for_old, built_for_new = inner("1.0"), inner("2.0")
    found = compatible.check(Context(story.history(), story.registry), story.plan()).findings
    assert {finding.evidence[0] for finding in found} == {built_for_old.id}
    assert built_for_new.id not in {finding.evidence[0] for finding in found}


def test_a_field_that_is_missing_is_said_to_be_missing_now_and_never_before() -> None:
    (told_of,) = answered((200, {"id": 1, "title": "t"}), (200, {"id": 1})).violations
    assert told_of.message.endswith("/title is missing; every answer of the old version alone has it")
    (told_of,) = answered((200, {"id": 1}), (200, {"id": "1"})).violations
    assert told_of.message.endswith("/id is string, was number in the answers of the old version alone")


@pytest.mark.parametrize(
    ("request_", "in_controls", "found"),
    [
        ("POST /names", (201, 409), False),
        ("POST /names", (201, 201), True),
        ("POST /names", (409, 409), True),
        ("GET /names/1", (200, 404), True),
    ],
)
def test_a_write_that_varies_by_itself_in_one_session_does_so_in_another(
    request_: str, in_controls: tuple[int, int], found: bool
) -> None:
    """Of replays that take one name, one gets it. A read is another matter: it asks for what its own session made."""
    story = Story()
    good = 200 if request_.startswith("GET") else 201

    def play(scene: Scene) -> None:
        for number, status in enumerate(in_controls, 1):
            story.replay = f"r{number}"
            story.send(request_, scene.first, status)
        story.replay = "r9"
        story.send(request_, scene.second, (404 if good == 200 else 409) if scene.broken else good, session="s2")

    assert (("compatible", "mixed") in told(everywhere(play, "forward", story=story))) is found


@pytest.mark.parametrize(("ends_early", "found"), [(True, False), (False, True)])
def test_a_late_duplicate_after_a_session_that_ended_early_meets_what_that_did_not_remove(
    ends_early: bool, found: bool
) -> None:
    story = Story()

    def play(scene: Scene) -> None:
        story.replay = "r1"
        first = story.send("PUT /things/1", scene.first, 200, fault="duplicate-next-step")
        if not (scene.broken and ends_early):
            story.send("DELETE /things/1", scene.first, 204, index=1)
        story.replay = "r2"
        story.send("PUT /things/2", scene.second, 200, index=2, session="s2")
        story.step(scene.phase)
        story.replay = "r2"
        story.send("PUT /things/2", scene.first, 200, index=2, session="s2")
        story.send("PUT /things/2", scene.second, 200, index=2, session="s2")
        late = 200 if scene.broken else 404
        story.send("PUT /things/1", scene.second, late, retry=first, fault="duplicate-next-step")

    assert (("compatible", "mixed") in told(everywhere(play, "forward", story=story))) is found
