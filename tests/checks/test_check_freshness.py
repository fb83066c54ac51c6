"""Read-your-writes: after an acknowledged write its writer reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.checks.history_builder import (
    NEW,
    HistoryBuilder,
    Scenario,
    attributions,
    in_every_phase,
    orders_contracts,
    with_guarantees,
)
from tests.checks.order_scenarios import healthy_session, place_order, poll_order, put_note
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.contracts.registry import ContractRegistry
from verifier.plan.model import ExchangeShape, SessionShape

STALE = ("read-your-writes", "mixed")


def noted_then_read(shown: dict[str, Any], *, write: dict[str, Any] | None = None, broken: bool = True) -> Judgement:
    """A note is set and the order read; where it is broken the read shows what is given."""

    def play(scenario: Scenario) -> None:
        order = healthy_session(scenario)
        put_note(scenario, order, "new", index=4, **(write or {}))
        body = {"id": order, "note": "new", **(shown if scenario.broken else {})}
        scenario.builder.send(f"GET /orders/{order}", scenario.second, (200, body), index=5)

    return in_every_phase(play, *(["forward"] if broken else []))  # type: ignore[list-item]


@pytest.mark.parametrize("old", ["n", "", None])
def test_an_old_value_that_comes_back_is_found(old: Any) -> None:
    judgement = noted_then_read({"note": old})
    assert STALE in attributions(judgement)
    stale = next(found for found in judgement.violations if found.guarantee == STALE[0])
    assert (stale.versions, stale.operation) == (("1.4", "2.0"), "getOrder")


def test_the_new_value_passes() -> None:
    assert noted_then_read({}).verdict == "pass"


@pytest.mark.parametrize(
    "extra",
    [
        {"items": [{"sku": "a", "count": 1}]},
        {"items": [], "note": "new"},
        {"tags": ["x"], "items": [{"id": "another"}]},
        {"more": {"note": "another note"}},
    ],
)
def test_a_resource_that_holds_lists_is_no_list(extra: dict[str, Any]) -> None:
    """The order itself is shown, with its id; its items are not where it is to be found."""
    assert noted_then_read(extra).verdict == "pass"
    assert STALE in attributions(noted_then_read({**extra, "note": "n"}))


@pytest.mark.parametrize("write", [{"outcome": "info"}, {"fault": "lost-answer", "outcome": "info"}])
def test_after_a_write_that_may_have_happened_either_value_is_right(write: dict[str, Any]) -> None:
    assert noted_then_read({"note": "n"}, write=write).verdict == "pass"


def test_a_read_that_began_before_the_write_ended_may_show_either() -> None:
    def play(scenario: Scenario) -> None:
        order = healthy_session(scenario)
        began = scenario.builder.clock
        put_note(scenario, order, "new", index=4)
        body = (200, {"id": order, "note": "n"})
        scenario.builder.send(f"GET /orders/{order}", scenario.second, body, index=5, started=began)

    assert in_every_phase(play).violations == ()


def test_another_client_need_not_see_it_yet() -> None:
    def play(scenario: Scenario) -> None:
        order = healthy_session(scenario)
        put_note(scenario, order, "new", index=4)
        scenario.builder.send(
            f"GET /orders/{order}", scenario.second, (200, {"id": order, "note": "n"}), replay="another"
        )

    assert in_every_phase(play).violations == ()


def test_an_equal_id_in_another_service_is_another_resource() -> None:
    entries = orders_contracts().entries
    both = ContractRegistry((*entries, *(replace(entry, service="returns") for entry in entries)))
    builder = HistoryBuilder(services={"orders": ("1.4", "2.0"), "returns": ("1.4", "2.0")}, registry=both)

    def play(scenario: Scenario) -> None:
        order = healthy_session(scenario)
        for version in (scenario.first, scenario.second):
            answer = (200, {"id": order, "note": "of the return"})
            scenario.builder.send(f"GET /orders/{order}", version, answer, service="returns", index=5)

    assert in_every_phase(play, builder=builder).violations == ()


LISTED = """
    service: orders
    operations:
      placeOrder:
        writes: $request.body#/customer
        completes: {poll: $response.header.Operation-Location, state: $response.body#/status, final: [done, failed]}
      listOrders:
        freshness: {class: read-your-writes, resource: $request.query.customer}
"""


@pytest.mark.parametrize("state", ["done", "failed", "pending"])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_list_shows_what_was_placed_once_it_is_done(state: str, whole: bool, wrapped: bool) -> None:
    def play(scenario: Scenario) -> None:
        builder, order = scenario.builder, scenario.builder.fresh("o")
        made = builder.send(
            "POST /orders",
            scenario.first,
            (202, {"id": order}),
            body={"customer": "c" + order, "n": 1},
            headers={"Operation-Location": f"/operations/{order}"},
        )
        poll_order(
            scenario, made, order, state if scenario.broken else "done", *(("done",) if state == "pending" else ())
        )
        listed: list[Any] = [{"id": "another"}, {"id": order, "n": 1}]
        shown = listed if whole or not scenario.broken else listed[:1]
        builder.send(f"GET /orders?customer=c{order}", scenario.second, (200, {"orders": shown} if wrapped else shown))

    builder = HistoryBuilder(registry=with_guarantees(LISTED))
    missed = not whole and state != "failed"
    assert (STALE in attributions(in_every_phase(play, "forward", builder=builder))) is missed


def test_an_order_that_was_not_yet_done_need_not_be_listed() -> None:
    def play(scenario: Scenario) -> None:
        builder, order = scenario.builder, scenario.builder.fresh("o")
        made = place_order(scenario, order=order, key=order, to=scenario.first)
        builder.charge(order)
        builder.send(f"GET /orders?customer={order}", scenario.second, (200, {"orders": []}))
        poll_order(scenario, made, order, "done")
        healthy_session(scenario)

    assert in_every_phase(play).violations == ()


@pytest.mark.parametrize("kind", ["monotonic", "bounded, within: 2s"])
def test_a_class_that_nothing_checks_is_never_passed(kind: str) -> None:
    text = f"""
        service: orders
        operations:
          getOrder:
            freshness: {{class: {kind}, resource: $request.path.id}}
    """

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            scenario.builder.send("GET /orders/o1", version, (200, {"id": "o1"}))

    judgement = in_every_phase(play, builder=HistoryBuilder(registry=with_guarantees(text)))
    assert judgement.verdict == "unknown"
    assert any("getOrder" in sentence for sentence in judgement.unknowns)


STRONG = """
    service: orders
    operations:
      setNote: {writes: $request.path.id}
      getOrder: {freshness: {class: CLASS, resource: $request.path.id}}
"""
CLASSES = ("read-your-writes", "strong")


def borrowed(*lent: int, steps: tuple[tuple[int, str | None], ...], kind: str) -> set[tuple[str, str]]:
    """What is found in a session whose exchanges `lent` are another client's, for each class of freshness.

    `steps`: the exchanges in the order in which they are sent, each with the note that it writes, or (None) reads.
    A read shows the note before the last one where versions meet, the last one elsewhere.
    """
    builder = HistoryBuilder(registry=with_guarantees(STRONG.replace("CLASS", kind)))

    def play(scenario: Scenario) -> None:
        order, notes = builder.fresh("o"), ["as it was"]
        for index, text in steps:
            if text is not None:
                put_note(scenario, order, text, index=index)
                notes.append(text)
            else:
                shown = notes[-2] if scenario.broken else notes[-1]
                builder.send(f"GET /orders/{order}", scenario.second, (200, {"id": order, "note": shown}), index=index)

    in_every_phase(play, "forward", builder=builder)
    shapes = tuple(
        ExchangeShape("any", "orders", text is not None, lender="lender" if index in lent else "")
        for index, text in sorted(steps)
    )
    plan = replace(builder.plan(), sessions=(SessionShape("s1", shapes),))
    return attributions(judge(builder.history(), builder.registry, plan)) & {STALE}


WRITTEN_AND_READ = ((0, "first"), (1, None))


@pytest.mark.parametrize("lent", [(), (0, 1)])
@pytest.mark.parametrize("kind", CLASSES)
def test_one_client_reads_what_it_has_written(kind: str, lent: tuple[int, ...]) -> None:
    assert borrowed(*lent, steps=WRITTEN_AND_READ, kind=kind) == {STALE}


@pytest.mark.parametrize("lent", [0, 1])
def test_what_another_client_has_written_need_only_be_seen_by_strong_reads(lent: int) -> None:
    """Borrowed exchanges stand in the same replay and are not the session's own client's."""
    assert borrowed(lent, steps=WRITTEN_AND_READ, kind="read-your-writes") == set()
    assert borrowed(lent, steps=WRITTEN_AND_READ, kind="strong") == {STALE}


@pytest.mark.parametrize("kind", CLASSES)
def test_after_another_client_s_write_one_s_own_need_not_be_the_last(kind: str) -> None:
    """The read shows what its client wrote, and not yet what the other one wrote after it."""
    steps = ((0, "own"), (1, "another's"), (2, None))
    assert borrowed(1, steps=steps, kind=kind) == ({STALE} if kind == "strong" else set())
    assert borrowed(steps=steps, kind=kind) == {STALE}


def test_one_s_own_write_after_another_client_s_is_to_be_seen() -> None:
    steps = ((0, "another's"), (1, "own"), (2, None))
    assert borrowed(0, steps=steps, kind="read-your-writes") == {STALE}


def test_a_class_that_only_other_clients_reads_had_a_part_in_is_never_passed() -> None:
    builder = HistoryBuilder(registry=with_guarantees(STRONG.replace("CLASS", "read-your-writes")))

    def play(scenario: Scenario) -> None:
        order = builder.fresh("o")
        put_note(scenario, order, "n", index=0)
        builder.send(f"GET /orders/{order}", scenario.second, (200, {"id": order, "note": "n"}), index=1)

    assert in_every_phase(play, builder=builder).verdict == "pass"
    shapes = (ExchangeShape("setNote", "orders", True, lender="another"), ExchangeShape("getOrder", "orders", False))
    lending = replace(builder.plan(), sessions=(SessionShape("s1", shapes),))
    judgement = judge(builder.history(), builder.registry, lending)
    assert judgement.unknowns == ("orders declares getOrder read-your-writes, and no operation tested it",)


@pytest.mark.parametrize("shown_by_new", [True, False])
def test_a_field_that_a_version_takes_and_never_shows_is_not_written_by_it(shown_by_new: bool) -> None:
    """The new version ignores the label: the older one that the old version shows afterwards is not stale."""

    def play(scenario: Scenario) -> None:
        builder, order = scenario.builder, healthy_session(scenario)
        sent, answer = {"note": "new", "label": "blue"}, (200, {"id": order})
        builder.send(f"PUT /orders/{order}/note", scenario.first, answer, body=sent, index=4)
        label = {"label": "red" if scenario.first == NEW else "blue"}
        shown = {"id": order, "note": "new", **(label if scenario.second != NEW or shown_by_new else {})}
        builder.send(f"GET /orders/{order}", scenario.second, (200, shown), index=5)

    found = {violation.guarantee for violation in in_every_phase(play).violations}
    assert ("read-your-writes" in found) is shown_by_new
