"""Idempotent: the retry that is done twice, and the one that is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.history_builder import Answer, HistoryBuilder, Scenario, attributions, in_every_phase
from tests.checks.order_scenarios import healthy_session, place_order, poll_order
from verifier.checks.verdict import Attribution, Judgement
from verifier.history.model import Phase


def retried(scenario: Scenario) -> None:
    """A retry that, when broken, charges again."""
    order = healthy_session(scenario)
    if scenario.broken:
        scenario.builder.charge(order, version=scenario.second)


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
    judgement = in_every_phase(retried, *where)
    assert attributions(judgement) == {("idempotent", attribution)}
    assert judgement.verdict == ("pass" if attribution == "pre-existing" else "fail")


def test_a_retry_with_one_effect_passes() -> None:
    judgement = in_every_phase(retried)
    assert (judgement.verdict, judgement.violations, judgement.unknowns) == ("pass", (), ())


def test_the_violation_names_both_versions_and_both_attempts() -> None:
    judgement = in_every_phase(retried, "forward")
    violation = judgement.violations[0]
    assert (violation.service, violation.operation, violation.versions) == ("orders", "placeOrder", ("1.4", "2.0"))
    operations = {operation.id: operation for operation in _history(retried, "forward").operations}
    first, second, *charges = (operations[entry] for entry in violation.evidence)
    assert (first.name, second.parent) == ("placeOrder", first.id)
    assert [entry.name for entry in charges] == ["charge", "charge"]


def _history(play, *broken: Phase):  # type: ignore[no-untyped-def]
    builder = HistoryBuilder.of_orders()
    in_every_phase(play, *broken, builder=builder)
    return builder.history()


def test_two_answers_to_one_key_that_disagree_are_told() -> None:
    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        builder, order, key = scenario.builder, scenario.builder.fresh("o"), scenario.builder.fresh("k")
        first = place_order(scenario, order=order, key=key, to=scenario.first, outcome="info", fault="lost-answer")
        other = builder.fresh("o") if scenario.broken else order
        place_order(scenario, order=other, key=key, to=scenario.second, retry=first, fault="lost-answer",
                    answer=(202, {"id": other}))  # fmt: skip

    safe = in_every_phase(play)
    assert ("idempotent", "mixed") not in attributions(safe)
    assert ("idempotent", "mixed") in attributions(in_every_phase(play, "forward"))


def test_effects_that_are_told_apart_by_the_answer_are_added_up() -> None:
    """Counted per answered id: a retry that makes a second order has one effect for each id, and two for its key."""
    builder = HistoryBuilder(registry=_promises("key: $request.body#/order, match: $response.body#/id"))

    def play(scenario: Scenario) -> None:
        key, order = scenario.builder.fresh("k"), scenario.builder.fresh("o")
        first = place_order(scenario, order=order, key=key, to=scenario.first, answer=(201, {"id": order}))
        _charge(scenario, order)
        other = scenario.builder.fresh("o") if scenario.broken else order
        place_order(scenario, order=order, key=key, to=scenario.second, retry=first, answer=(201, {"id": other}))
        if scenario.broken:
            _charge(scenario, other)

    assert attributions(in_every_phase(play, "forward", builder=builder)) == {("idempotent", "mixed")}


def test_effects_count_where_the_first_attempt_had_no_answer_to_name_them_by() -> None:
    builder = HistoryBuilder(registry=_promises("key: $request.body#/order, match: $response.body#/id"))

    def play(scenario: Scenario) -> None:
        key, order = scenario.builder.fresh("k"), scenario.builder.fresh("o")
        first = place_order(
            scenario,
            order=order,
            key=key,
            to=scenario.first,
            fault="reset",
            error="reset",
            outcome="info",
            response=None,
        )
        _charge(scenario, order)
        place_order(
            scenario, order=order, key=key, to=scenario.second, retry=first, answer=(201, {"id": order}), fault="reset"
        )
        if scenario.broken:
            _charge(scenario, order)

    assert in_every_phase(play, builder=builder).verdict == "pass"
    assert attributions(in_every_phase(play, "forward", builder=HistoryBuilder(registry=builder.registry))) == {
        ("idempotent", "mixed")
    }


def _charge(scenario: Scenario, order: str) -> None:
    scenario.builder.send("POST /charges", "", (201, {}), body={"order": order}, source="partner", service="psp",
                          name="charge", effect="applied")  # fmt: skip


def _promises(effect: str):  # type: ignore[no-untyped-def]
    from tests.checks.history_builder import with_guarantees

    return with_guarantees(f"""
        service: orders
        operations:
          placeOrder:
            idempotent: {{key: $request.header.Idempotency-Key, same: [$request.header.Idempotency-Key]}}
            effects: [{{partner: psp, operation: charge, {effect}}}]
    """)


def test_a_duplicate_that_comes_in_a_later_step_counts_for_the_key() -> None:
    """A late duplicate that is done again is found, and belongs to the step in which it came."""

    def story_with(again: bool) -> HistoryBuilder:
        builder = HistoryBuilder.of_orders()
        in_every_phase(healthy_session, builder=builder)
        builder.step("forward")
        scenario = Scenario(builder, "forward", "1.4", "2.0", again)
        first = place_order(scenario, order="late", key="late", to="1.4", fault="duplicate-next-step")
        builder.charge("late")
        poll_order(scenario, first, "late", "done")
        healthy_session(scenario)
        builder.step("rollback")
        healthy_session(Scenario(builder, "rollback", "1.4", "1.4", again))
        late = place_order(scenario, order="late", key="late", to="1.4", retry=first, fault="duplicate-next-step")
        poll_order(scenario, late, "late", "done", to="1.4")
        if again:
            builder.charge("late")
        return builder

    assert story_with(False).judge().verdict == "pass"
    found = story_with(True).judge()
    assert attributions(found) == {("idempotent", "rollback")}
    assert found.violations[0].step == story_with(True).steps[-1].id


def test_equal_keys_on_different_stores_are_different_keys() -> None:
    builder = HistoryBuilder.of_orders()

    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        if scenario.first == scenario.second and scenario.phase.startswith("control"):
            place_once(scenario, "same")

    def place_once(scenario: Scenario, key: str) -> None:
        done = place_order(scenario, order="same", key=key, to=scenario.first)
        scenario.builder.charge("same")
        poll_order(scenario, done, "same", "done")

    assert in_every_phase(play, builder=builder).verdict == "pass"


def test_an_effect_that_may_happen_more_than_once_is_not_doubled() -> None:
    registry = _promises("key: $request.body#/order, match: $request.body#/reference, times: at-least-once")

    def play(scenario: Scenario) -> None:
        key, order = scenario.builder.fresh("k"), scenario.builder.fresh("o")
        first = place_order(scenario, order=order, key=key, to=scenario.first, answer=(201, {"id": order}))
        place_order(scenario, order=order, key=key, to=scenario.second, retry=first, answer=(201, {"id": order}))
        _charge(scenario, order)
        _charge(scenario, order)

    assert in_every_phase(play, builder=HistoryBuilder(registry=registry)).verdict == "pass"


def undeclared(values: dict[str, list[str]], key: str = "k") -> Judgement:
    """A request with a key, sent twice, where nothing is declared; what each phase answers to the two."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh(key) if key else ""
        first, second = values["broken" if scenario.broken else scenario.phase if scenario.phase in values else ""]
        produced = ("$response.body#/id",)
        sent = builder.send("POST /things", scenario.first, (201, {"id": first}), key=name,
                            produced=tuple((entry, first) for entry in produced))  # fmt: skip
        builder.send("POST /things", scenario.second, (201, {"id": second}), key=name, retry=sent,
                     produced=tuple((entry, second) for entry in produced))  # fmt: skip

    return in_every_phase(play, "forward", builder=builder)


def test_a_key_in_its_usual_header_is_kept_though_nothing_is_declared() -> None:
    judgement = undeclared({"": ["a", "a"], "broken": ["a", "b"]})
    assert attributions(judgement) == {("idempotent", "mixed")}
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


def repeated_with_key(
    usual: tuple[Answer, Answer], broken: tuple[Answer, Answer], control: tuple[Answer, Answer] | None = None
) -> Judgement:
    """A request that the verifier repeats with its key; nothing later uses a value of the responses.

    `control` is what the old version answers by itself, where that differs from what is usual.
    """
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        key = builder.fresh("key-")
        own = control if control is not None and scenario.phase == "control-old" else None
        first, second = own or (broken if scenario.broken else usual)
        fault = "duplicate-after"
        sent = builder.send("POST /things", scenario.first, first, key=key, fault=fault)
        if second is not None:
            builder.send("POST /things", scenario.second, second, key=key, retry=sent, fault=fault)

    return in_every_phase(play, "forward", builder=builder)


def made(name: str, **more: Any) -> Answer:
    return (201, {"id": name, "lines": [{"sku": "a", "count": 1}], **more})


@pytest.mark.parametrize(
    ("usual", "broken", "found"),
    [
        ((made("a"), made("a")), (made("a"), made("b")), True),
        ((made("a"), made("a")), (made("a"), (201, {"id": "a", "lines": [{"sku": "a", "count": 2}]})), True),
        ((made("a"), made("a")), (made("a"), (400, {"error": "seen"})), True),
        ((made("a"), made("a")), (made("a"), made("a", told="later")), False),  # one version tells more
        ((made("a", n=1), made("a", n=1)), (made("a", n=1), made("a", n=1.0)), False),
        ((made("a", at=1), made("a", at=2)), (made("a", at=3), made("a", at=4)), False),  # it varies by itself
        ((made("a", at=1), made("a", at=2)), (made("a", at=3), made("b", at=4)), True),
    ],
)
def test_responses_to_one_key_are_compared_whole(
    usual: tuple[Answer, Answer], broken: tuple[Answer, Answer], found: bool
) -> None:
    assert (("idempotent", "mixed") in attributions(repeated_with_key(usual, broken))) is found


def test_a_key_that_no_control_repeats_is_not_judged_and_does_not_pass() -> None:
    judgement = repeated_with_key((made("a"), made("a")), (made("a"), made("b")), control=(made("a"), None))
    assert "idempotent" not in {violation.guarantee for violation in judgement.violations}
    assert any("was repeated with its Idempotency-Key in no control" in entry for entry in judgement.unknowns)
    assert judgement.verdict == "unknown"
