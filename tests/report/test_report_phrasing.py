"""How reports say things."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import report_values as values
from hypothesis import given
from hypothesis import strategies as st

from verifier.contracts.order import Move, Order
from verifier.history.model import Replicas
from verifier.plan.model import Declared
from verifier.report import phrasing
from verifier.report.bodies import MOST, excerpt, message


@given(st.text())
def test_printable_text_has_no_control_characters_and_no_surrogates(text: str) -> None:
    shown = phrasing.printable(text)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} - {"\n"} and character != "\n"
                   for character in shown)  # fmt: skip
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert phrasing.printable(text) == text


def test_an_escape_sequence_and_an_override_become_visible() -> None:
    assert phrasing.printable("a\x1b[31mb\u202ec\ud800") == "a\\x1b[31mb\\u202ec\\ud800"


def test_a_mixture_names_each_service_once() -> None:
    state = (Replicas("orders", "1.4", 1), Replicas("orders", "2.0", 2), Replicas("payments", "1.2", 1))
    assert phrasing.mixture(state) == "orders 1×1.4 + 2×2.0, payments 1×1.2"


def test_heads_are_unique() -> None:
    names = ["available", "something long a", "something long b", "avail"]
    assert len(set(phrasing.heads(names))) == len(names)


def test_the_three_verdicts_are_said_differently() -> None:
    failed = phrasing.sentence(values.judgement())
    unknown = phrasing.sentence(values.judgement((), ("x was not tested",)))
    passed = phrasing.sentence(values.judgement((), ()))
    assert failed.startswith(
        "Do not deploy this way. 1 defect violates 1 guarantee (idempotent). Users would have seen:"
    )
    assert "Users would have seen: charged twice" in failed
    assert unknown == ("No defect was found, but 1 item could not be verified, so the verdict is not a pass.")
    assert passed == "The rollout broke nothing that was tested in 6 steps."


def test_the_first_sentence_tells_the_worst_of_several_and_the_first_of_equals() -> None:
    refused = replace(values.DOUBLED, guarantee="available", experience="an error during the deploy")
    said = phrasing.sentence(values.judgement((refused, values.DOUBLED)))
    worst = "At worst, users would have seen: "
    assert f"2 defects violate 2 guarantees (available, idempotent). {worst}charged twice" in said
    missing = replace(refused, guarantee="of one's own", experience="something else")
    said = phrasing.sentence(values.judgement((missing, refused)))
    assert f"(of one's own, available). {worst}an error" in said
    again = replace(refused, experience="another error")
    said = phrasing.sentence(values.judgement((refused, again)))
    assert "2 defects violate 1 guarantee (available). Users would have seen: an error" in said


def test_a_pass_does_not_hide_what_was_broken_before() -> None:
    said = phrasing.sentence(values.judgement((values.EARLIER,), ()))
    assert said.endswith(" 1 defect already existed in the old version.")


def test_a_violation_of_a_state_that_was_rolled_back_to_names_the_point_of_no_return() -> None:
    worse = replace(values.DOUBLED, guarantee="rollback safe", attribution="rollback", steps=("rollout.3",))
    assert phrasing.going_back(values.judgement((worse,))) == (
        "Point of no return: rollout.2 (replace in rollout.2). Rolling back is not safe after it: "
        "1 of 1 rollback step violated a guarantee, first rollout.3."
    )


def test_its_twin_where_only_going_forward_again_is_violated_there_is_none() -> None:
    again = replace(values.DOUBLED, attribution="rollback", steps=("rollout.4",))
    said = phrasing.going_back(values.judgement((again,)))
    assert said == "Going forward again after a rollback is not safe: see rollout.4."


def test_what_the_mixture_broke_and_a_rollback_does_not_undo_is_said() -> None:
    left = replace(values.DOUBLED, steps=("rollout.2", "rollout.3"))
    said = phrasing.going_back(values.judgement((left,)))
    assert said == "Rolling back does not undo the damage: rollout.3 still shows it."


def test_its_twin_where_it_shows_only_until_the_last_replica_is_changed_back_it_is_undone() -> None:
    left = replace(values.DOUBLED, steps=("rollout.2", "rollout.3"), passing=("rollout.3",))
    said = phrasing.going_back(values.judgement((left,)))
    assert said == "Rolling back undoes it: rollout.3 shows it only while replicas are being replaced."
    more = replace(left, operation="another", passing=())
    said = phrasing.going_back(values.judgement((left, more)))
    assert said == "Rolling back does not undo the damage: rollout.3 still shows it."


def test_a_rollback_that_held_is_said_to_have_held() -> None:
    assert phrasing.going_back(values.judgement()) == "Rolling back was safe in 2 steps after a rollback."
    none = replace(values.judgement(), steps=values.judgement().steps[:2])
    assert phrasing.going_back(none) == ""


def test_safe_orders_are_named_or_what_to_expand_first() -> None:
    plan = values.plan()
    safe = replace(plan, declared=Declared(order=Order((("payments", "orders"),), 1)))
    stuck = Order((), 0, ("orders placeOrder body required",), (Move("expand", "orders", "accept both"),))
    assert phrasing.orders(plan) == []
    assert phrasing.orders(safe) == ["Safe upgrade orders: payments → orders."]
    assert phrasing.orders(replace(plan, declared=Declared(order=stuck))) == [
        "No upgrade order is safe. Conflicts: orders placeOrder body required.",
        "1. expand orders: accept both",
    ]


def test_a_cell_that_only_the_old_version_spoils_is_no_failure() -> None:
    judgement = values.judgement((values.EARLIER,))
    states = {step.id: phrasing.cell(judgement, step, "compatible") for step in judgement.steps}
    assert states["rollout.2"] == "before"
    assert states["rollout.5"] == "pass"


def test_a_body_is_pretty_where_it_is_json_and_cut_where_it_is_long() -> None:
    assert message((), b'{"a":[1]}').body == '{\n  "a": [\n    1\n  ]\n}'
    assert message((), b"plain\r\ntext").body == "plain\ntext"
    assert message((), b"x" * (MOST + 7)).body.endswith("x\n… 7 more characters")
    assert message((), b"\xff\xfe").body == "(2 bytes of binary data)"
    assert message((("Content-Encoding", "gzip"),), b"abc").body == "(3 bytes, gzip)"
    assert excerpt((), b'{"a": "b",\n "c": 1}', 12) == '{ "a": "b",…'


def test_json_that_parsing_would_change_stays_as_it_came() -> None:
    assert message((), b'{"a": 1, "a": 2}').body == '{"a": 1, "a": 2}'
    assert message((), b"[" * 100_000).body.startswith("[[[")


def test_secrets_are_not_shown() -> None:
    shown = message((("Authorization", "Bearer abc"), ("COOKIE", "s=1"), ("X", "y")), b"")
    assert shown.headers == (("Authorization", "(not shown)"), ("COOKIE", "(not shown)"), ("X", "y"))


@given(st.binary(max_size=200))
def test_any_body_can_be_shown(body: bytes) -> None:
    assert len(message((), body).body) <= 40 * MOST
