"""Order per key: what a service calls for one key happens in the declared order, whichever version calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.history_builder import (
    NEW,
    OLD,
    HistoryBuilder,
    Scenario,
    attributions,
    in_every_phase,
    with_guarantees,
)
from tests.checks.order_scenarios import place_order
from verifier.checks.context import Context
from verifier.checks.order_per_key import NAME, check
from verifier.checks.registered import DECLARATIONS
from verifier.contracts.guarantees import read
from verifier.contracts.registry import ContractRegistry
from verifier.errors import BadInput
from verifier.history.model import Operation

CALLS = ("psp.authorize", "psp.capture", "mail.confirm")
DECLARED = f"""\
service: orders
operations:
  placeOrder:
    order: {{key: $request.body#/order, of: [{", ".join(CALLS)}]}}
"""


def call(builder: HistoryBuilder, name: str, order: str, by: str, **more: Any) -> Operation:
    """A call of a partner (psp) or of another service (mail), for one order."""
    service, _, operation = name.partition(".")
    defaults: dict[str, Any] = {"source": "partner", "effect": "applied"} if service == "psp" else {"source": "inner"}
    defaults |= {"service": service, "name": operation, "caller": "orders", "caller_version": by}
    return builder.send("POST /calls", "", 201, body={"order": order}, **(defaults | more))


def played(*names: str, registry: ContractRegistry | None = None, **more: Any) -> HistoryBuilder:
    """A history in which the calls happen as named in every phase; where versions meet, each makes every other one."""
    builder = HistoryBuilder(registry=with_guarantees(DECLARED) if registry is None else registry)

    def play(scenario: Scenario) -> None:
        order = builder.fresh("o")
        place_order(scenario, order=order, key=builder.fresh("k"), to=scenario.first)
        calls = names if scenario.broken else tuple(sorted(names, key=CALLS.index))
        for number, name in enumerate(calls):
            call(builder, name, order, (scenario.first, scenario.second)[number % 2], **more)

    in_every_phase(play, "forward", builder=builder)
    return builder


def test_a_call_after_one_that_is_listed_behind_it_is_a_violation() -> None:
    judgement = played("psp.capture", "psp.authorize").judge()
    assert attributions(judgement) == {(NAME, "mixed")}
    (found,) = judgement.violations
    assert (found.service, found.operation, found.versions) == ("orders", "placeOrder", (OLD, NEW))
    assert "psp.authorize happened after psp.capture for $request.body#/order = o" in found.message
    assert len(found.evidence) == 2


@pytest.mark.parametrize(
    "names",
    [
        ("psp.authorize", "psp.capture"),
        ("psp.authorize", "mail.confirm"),  # a call may be left out
        ("psp.authorize", "psp.capture", "psp.capture", "mail.confirm"),  # or repeated
    ],
)
def test_calls_in_their_order_pass(names: tuple[str, ...]) -> None:
    judgement = played(*names).judge()
    assert (judgement.verdict, judgement.violations, judgement.unknowns) == ("pass", (), ())
    assert {dict(step.guarantees)[NAME] for step in judgement.steps} == {"pass"}


def test_a_call_of_a_service_counts_as_one_of_a_partner() -> None:
    assert attributions(played("mail.confirm", "psp.capture").judge()) == {(NAME, "mixed")}


def test_what_took_no_effect_has_no_place_in_the_order() -> None:
    builder = played("psp.capture", "psp.authorize", effect="suppressed")
    assert attributions(builder.judge()) == set()
    assert builder.judge().unknowns == ("orders declares placeOrder order per key, and no operation tested it",)


def test_where_nothing_is_declared_nothing_is_said() -> None:
    builder = played(
        "psp.capture", "psp.authorize", registry=with_guarantees("service: orders\noperations: {placeOrder: {}}\n")
    )
    judgement = builder.judge()
    assert (judgement.verdict, attributions(judgement)) == ("pass", set())
    assert {dict(step.guarantees)[NAME] for step in judgement.steps} == {""}


def test_keys_and_paths_have_orders_of_their_own() -> None:
    builder = HistoryBuilder(registry=with_guarantees(DECLARED))
    builder.step("forward")
    call(builder, "psp.capture", "o1", OLD)
    call(builder, "psp.authorize", "o2", OLD)
    builder.step("control-new")
    call(builder, "psp.authorize", "o1", NEW)
    assert check(Context(builder.history(), builder.registry), builder.plan()).findings == []


def test_a_key_goes_on_in_later_steps_of_its_path() -> None:
    builder = HistoryBuilder(registry=with_guarantees(DECLARED))
    builder.step("forward")
    first = call(builder, "psp.capture", "o1", OLD)
    builder.step("forward")
    second = call(builder, "psp.authorize", "o1", NEW)
    (found,) = check(Context(builder.history(), builder.registry), builder.plan()).findings
    assert found.evidence == (first.id, second.id)


def test_calls_of_another_service_are_its_own_affair() -> None:
    builder = HistoryBuilder(registry=with_guarantees(DECLARED))
    builder.step("forward")
    for name in ("psp.capture", "psp.authorize"):
        call(builder, name, "o1", OLD, caller="web")
    assert check(Context(builder.history(), builder.registry), builder.plan()).findings == []


@given(
    st.lists(
        st.tuples(st.sampled_from(CALLS), st.sampled_from(("o1", "o2")), st.integers(0, 12), st.integers(1, 5)),
        max_size=9,
    )
)
def test_the_same_calls_as_brute_force(calls: list[tuple[str, str, int, int]]) -> None:
    """Every pair is looked at: a call is out of order when one listed behind it had ended before it began."""
    builder = HistoryBuilder(registry=with_guarantees(DECLARED))
    builder.step("forward")
    made = [
        (CALLS.index(name), key, call(builder, name, key, OLD, started=float(began), ended=float(began + took)))
        for name, key, began, took in calls
    ]
    expected = {
        second.id
        for position, key, second in made
        if any(other > position and at == key and first.ended <= second.started for other, at, first in made)
    }
    found = check(Context(builder.history(), builder.registry), builder.plan()).findings
    # Each version declares the order; the one that makes the call is OLD, so each call is told once.
    assert sorted(finding.evidence[1] for finding in found) == sorted(expected)
    operations = {operation.id: operation for _, _, operation in made}
    for finding in found:
        first, second = (operations[name] for name in finding.evidence)
        assert first.ended <= second.started
        assert CALLS.index(f"{first.service}.{first.name}") > CALLS.index(f"{second.service}.{second.name}")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("{of: [psp.a, psp.b]}", "needs 'key'"),
        ("{key: $request.body#/order}", "needs 'of'"),
        ("{key: $request.body#/order, of: [psp.a]}", "needs 'of'"),
        ("{key: $request.body#/order, of: [psp.a, b]}", "'b' must be SERVICE.OPERATION"),
        ("{key: $request.body#/order, of: [psp.a, psp.b, psp.a]}", "'psp.a' stands twice"),
        ("{key: order, of: [psp.a, psp.b]}", "order"),
        ("{key: $request.body#/order, of: [psp.a, psp.b], off: 1}", "unknown key 'off'; did you mean 'of'?"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_bad_input(tmp_path: Path, order: str, said: str) -> None:
    file = tmp_path / "guarantees.yaml"
    file.write_text(f"service: orders\noperations: {{placeOrder: {{order: {order}}}}}\n", encoding="utf-8")
    with pytest.raises(BadInput) as raised:
        read(file, DECLARATIONS)
    assert said in str(raised.value)
    assert f"{file}:2" in str(raised.value)
