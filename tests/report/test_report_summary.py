"""What a whole run says in a few sentences."""

from __future__ import annotations

from dataclasses import replace

import report_values as values
from msgspec import structs

from verifier.checks.verdict import Violation
from verifier.contracts.order import Move, Order
from verifier.history.model import Replicas, ServiceInfo
from verifier.plan.model import Declared
from verifier.report import rolling_back, summary


def test_the_three_verdicts_are_said_differently() -> None:
    failed = summary.sentence(values.judgement())
    unknown = summary.sentence(values.judgement((), ("x was not tested",)))
    passed = summary.sentence(values.judgement((), ()))
    assert failed.startswith(
        "Do not deploy this way. 1 defect violates 1 guarantee (idempotent). Users would have seen:"
    )
    assert "Users would have seen: charged twice" in failed
    assert unknown == ("No defect was found, but 1 item could not be verified, so the verdict is not a pass.")
    assert passed == "The rollout broke nothing that was tested in 6 steps."


def test_the_first_sentence_tells_the_worst_of_several_and_the_first_of_equals() -> None:
    refused = replace(values.DOUBLED, guarantee="available", experience="an error during the deploy")
    said = summary.sentence(values.judgement((refused, values.DOUBLED)))
    worst = "At worst, users would have seen: "
    assert f"2 defects violate 2 guarantees (available, idempotent). {worst}charged twice" in said
    missing = replace(refused, guarantee="of one's own", experience="something else")
    said = summary.sentence(values.judgement((missing, refused)))
    assert f"(of one's own, available). {worst}an error" in said
    again = replace(refused, experience="another error")
    said = summary.sentence(values.judgement((refused, again)))
    assert "2 defects violate 1 guarantee (available). Users would have seen: an error" in said


def test_a_pass_does_not_hide_what_was_broken_before() -> None:
    said = summary.sentence(values.judgement((values.EARLIER,), ()))
    assert said.endswith(" 1 defect already existed in the old version.")


def test_a_violation_of_a_state_that_was_rolled_back_to_names_the_point_of_no_return() -> None:
    worse = replace(values.DOUBLED, guarantee="rollback safe", attribution="rollback", steps=("rollout.3",))
    assert rolling_back.going_back(values.judgement((worse,))) == (
        "Point of no return: rollout.2 (replace in rollout.2). Rolling back is not safe after it: "
        "1 of 1 rollback step violated a guarantee, first rollout.3."
    )


def test_its_twin_where_only_going_forward_again_is_violated_there_is_none() -> None:
    again = replace(values.DOUBLED, attribution="rollback", steps=("rollout.4",))
    said = rolling_back.going_back(values.judgement((again,)))
    assert said == "Going forward again after a rollback is not safe: see rollout.4."


def test_what_the_mixture_broke_and_a_rollback_does_not_undo_is_said() -> None:
    left = replace(values.DOUBLED, steps=("rollout.2", "rollout.3"))
    said = rolling_back.going_back(values.judgement((left,)))
    assert said == "Rolling back does not undo the damage: rollout.3 still shows it."


def test_its_twin_where_it_shows_only_until_the_last_replica_is_changed_back_it_is_undone() -> None:
    left = replace(values.DOUBLED, steps=("rollout.2", "rollout.3"), passing=("rollout.3",))
    said = rolling_back.going_back(values.judgement((left,)))
    assert said == "Rolling back undoes it: rollout.3 shows it only while replicas are being replaced."
    more = replace(left, operation="another", passing=())
    said = rolling_back.going_back(values.judgement((left, more)))
    assert said == "Rolling back does not undo the damage: rollout.3 still shows it."


def test_a_rollback_that_held_is_said_to_have_held() -> None:
    assert rolling_back.going_back(values.judgement()) == "Rolling back was safe in 2 steps after a rollback."
    none = replace(values.judgement(), steps=values.judgement().steps[:2])
    assert rolling_back.going_back(none) == ""


def test_safe_orders_are_named_or_what_to_expand_first() -> None:
    plan, calm = values.plan(), (values.judgement((), ()), values.history())
    safe = replace(plan, declared=Declared(order=Order((("payments", "orders"),), 1)))
    stuck = Order((), 0, ("orders placeOrder body required",), (Move("expand", "orders", "accept both"),))
    assert summary.orders(plan, *calm) == []
    assert summary.orders(safe, *calm) == ["Safe upgrade orders: payments → orders."]
    assert summary.orders(replace(plan, declared=Declared(order=stuck)), *calm) == [
        "No upgrade order is safe. Conflicts: orders placeOrder body required.",
        "1. expand orders: accept both",
    ]


MIXED = (Replicas("a", "1", 1), Replicas("a", "2", 1), Replicas("b", "1", 1))


def _orders(*violations: Violation, known: bool = True) -> list[str]:
    """What is told of two orders that the contracts allow, where `a` was upgraded first."""
    plan = replace(values.plan(), declared=Declared(order=Order((("a", "b"), ("b", "a")), 2, known=known)))
    services = (ServiceInfo("a", ("1", "2"), "1", "2"), ServiceInfo("b", ("1", "2"), "1", "2"))
    run = structs.replace(values.history().run, services=services)
    judgement = values.judgement(violations, ())
    steps = tuple(replace(step, state=MIXED) if step.id == "rollout.2" else step for step in judgement.steps)
    return summary.orders(plan, replace(judgement, steps=steps), structs.replace(values.history(), run=run))


def test_no_order_is_told_where_no_contract_says_anything() -> None:
    assert _orders() == ["Safe upgrade orders: a → b; b → a."]
    assert _orders(known=False) == []


def test_an_order_that_a_violation_contradicts_is_not_told() -> None:
    mixed = replace(values.DOUBLED, steps=("rollout.2",))
    assert _orders(mixed) == ["Safe upgrade orders: b → a."]
    assert _orders(replace(mixed, attribution="new-version")) == []
    assert _orders(values.EARLIER) == ["Safe upgrade orders: a → b; b → a."]


def test_the_point_of_no_return_is_the_step_of_the_cause() -> None:
    """The step after going back shows it again: what did it is the migration, steps before."""
    cause = "expand of orders 2.1 breaks orders 1.4"
    first = replace(
        values.DOUBLED, guarantee="no lost write", attribution="migration", steps=("rollout.1",), cause=cause
    )
    later = replace(
        values.DOUBLED, guarantee="rollback safe", attribution="rollback", steps=("rollout.3",), cause=cause
    )
    said = rolling_back.going_back(values.judgement((first, later)))
    assert said.startswith("Point of no return: rollout.1 (start in rollout.1).")
    alone = rolling_back.going_back(values.judgement((first, replace(later, cause=""))))
    assert alone.startswith("Point of no return: rollout.2 (replace in rollout.2).")


def test_the_gravest_cause_is_named_then_what_was_confirmed_then_the_earliest() -> None:
    light = replace(values.DOUBLED, guarantee="available", cause="a replica ends", confirmed=True)
    sure = replace(light, cause="another", confirmed=True, guarantee="no lost write", steps=("rollout.4",))
    unsure = replace(sure, cause="a third", confirmed=None, steps=("rollout.2",), lasting=True)
    early = replace(sure, cause="the first", steps=("rollout.2",))
    for found, gravest in (((light, sure), "another"), ((unsure, sure), "another"), ((sure, early), "the first")):
        for order in (found, found[::-1]):
            said = summary.sentence(values.judgement(order))
            assert f"2 defects violate {len({entry.guarantee for entry in found})} " in said
            assert f"The gravest: {gravest}. " in said
    assert "Its cause: a replica ends. " in summary.sentence(values.judgement((light,)))


def test_what_was_tried_again_is_counted() -> None:
    judgement = values.judgement()
    again = replace(judgement, confirmation=judgement.steps[2:3])
    assert summary.confirmed(again, values.history()) == "Confirmed: tried again 2 times in 1 step."
    assert summary.confirmed(judgement, values.history()) == ""


def test_every_rollout_has_a_point_of_no_return_with_its_reason() -> None:
    """Nothing was rolled back from the last state of the sample, which replaces a replica."""
    (point,) = rolling_back.points(values.judgement(()))
    assert (point.path, point.step, point.seen) == ("rollout", "rollout.5", False)
    assert point.reason == "No rollback was tried after it: the rollout asks for none here."


def test_a_migration_at_the_end_is_a_point_of_no_return_because_it_comes_last() -> None:
    judgement = values.judgement(())
    last = replace(judgement.steps[-1], kind="finalize", description="contract for orders 2.1")
    (point,) = rolling_back.points(replace(judgement, steps=(*judgement.steps[:-1], last)))
    assert str(point) == (
        "rollout: rollout.5 (contract for orders 2.1). No rollback was tried after it: this migration comes last."
    )
    (point,) = rolling_back.points(replace(judgement, steps=judgement.steps[:-1]))
    assert str(point) == "rollout: none. Every state was left by a rollback, 1 in all."


def test_damage_that_rolling_back_does_not_undo_is_not_hidden_by_the_point_of_no_return() -> None:
    """A double charge of before stays, though each state can be left."""
    judgement = values.judgement((replace(values.DOUBLED, steps=("rollout.2", "rollout.3")),))
    steps = [replace(step, verdict="fail") if step.id == "rollout.3" else step for step in judgement.steps[:-1]]
    (point,) = rolling_back.points(replace(judgement, steps=tuple(steps)))
    assert str(point) == (
        "rollout: none. Rolling back adds no damage, and does not undo what was done before: see rollout.3."
    )


def test_a_rollback_that_fails_names_the_step_that_it_does_not_undo_and_the_cause() -> None:
    worse = replace(values.DOUBLED, attribution="rollback", step="rollout.3", steps=("rollout.3",), cause="lost")
    (point,) = rolling_back.points(values.judgement((worse,)))
    assert (point.step, point.seen, point.reason) == ("rollout.2", True, "After it rollout.3 shows: lost.")


def test_paths_have_points_of_their_own() -> None:
    judgement = values.judgement(())
    second = [replace(step, path="rollout-2", id=f"rollout-2.{at}") for at, step in enumerate(judgement.steps[1:], 1)]
    found = rolling_back.points(replace(judgement, steps=(*judgement.steps, *second)))
    assert [(point.path, point.step) for point in found] == [("rollout", "rollout.5"), ("rollout-2", "rollout-2.5")]
