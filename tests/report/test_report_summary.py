"""What a whole run says in a few sentences."""

from __future__ import annotations

from dataclasses import replace

import report_values as values

from verifier.contracts.order import Move, Order
from verifier.plan.model import Declared
from verifier.report import summary


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
    assert summary.going_back(values.judgement((worse,))) == (
        "Point of no return: rollout.2 (replace in rollout.2). Rolling back is not safe after it: "
        "1 of 1 rollback step violated a guarantee, first rollout.3."
    )


def test_its_twin_where_only_going_forward_again_is_violated_there_is_none() -> None:
    again = replace(values.DOUBLED, attribution="rollback", steps=("rollout.4",))
    said = summary.going_back(values.judgement((again,)))
    assert said == "Going forward again after a rollback is not safe: see rollout.4."


def test_what_the_mixture_broke_and_a_rollback_does_not_undo_is_said() -> None:
    left = replace(values.DOUBLED, steps=("rollout.2", "rollout.3"))
    said = summary.going_back(values.judgement((left,)))
    assert said == "Rolling back does not undo the damage: rollout.3 still shows it."


def test_its_twin_where_it_shows_only_until_the_last_replica_is_changed_back_it_is_undone() -> None:
    left = replace(values.DOUBLED, steps=("rollout.2", "rollout.3"), passing=("rollout.3",))
    said = summary.going_back(values.judgement((left,)))
    assert said == "Rolling back undoes it: rollout.3 shows it only while replicas are being replaced."
    more = replace(left, operation="another", passing=())
    said = summary.going_back(values.judgement((left, more)))
    assert said == "Rolling back does not undo the damage: rollout.3 still shows it."


def test_a_rollback_that_held_is_said_to_have_held() -> None:
    assert summary.going_back(values.judgement()) == "Rolling back was safe in 2 steps after a rollback."
    none = replace(values.judgement(), steps=values.judgement().steps[:2])
    assert summary.going_back(none) == ""


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
