"""Safe orders against brute force over permutations, the smallest set in the way, and steps that hurt."""

from __future__ import annotations

from itertools import combinations, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.contracts.impact import Caller, impacts
from verifier.contracts.order import Conflict, Order, conflicts, safe_orders
from verifier.contracts.verdicts import Comparison, ContractDifference

SERVICES = ("a", "b", "c", "d")
SIDES = st.sampled_from(["old", "new"])


def _mixed(caller: str, left: str, callee: str, right: str, change: int) -> Conflict | None:
    """All-old and all-new are what is deployed already, or will be: never a conflict."""
    if left == right:
        return None
    return Conflict(caller, left, callee, right, f"change {change}")  # type: ignore[arg-type]


CONFLICTS = st.lists(
    st.builds(_mixed, st.sampled_from(SERVICES), SIDES, st.sampled_from(SERVICES), SIDES, st.integers(0, 3)), max_size=6
).map(lambda found: tuple(item for item in found if item is not None))


def _safe(order: tuple[str, ...], pairs: tuple[Conflict, ...]) -> bool:
    """By hand: walk the order, hold the set of live versions, look at every pair."""
    live = {name: {"old"} for name in order}
    for name in order:
        live[name] = {"old", "new"}
        if any(p.caller_side in live[p.caller] and p.callee_side in live[p.callee] for p in pairs):
            return False
        live[name] = {"new"}
    return True


@settings(deadline=None)
@given(CONFLICTS)
def test_orders_are_those_that_brute_force_finds(pairs: tuple[Conflict, ...]) -> None:
    expected = sorted(order for order in permutations(SERVICES) if _safe(order, pairs))
    found = safe_orders(SERVICES, pairs)
    assert list(found.orders) == expected
    assert found.count == len(expected)


@settings(deadline=None)
@given(CONFLICTS)
def test_what_is_in_the_way_is_enough_and_as_small_as_can_be(pairs: tuple[Conflict, ...]) -> None:
    found = safe_orders(SERVICES, pairs)
    if found.count:
        assert found.in_the_way == () and found.sequence == ()
        return
    changes = {pair.change for pair in pairs}

    def opens(gone: tuple[str, ...]) -> bool:
        rest = tuple(pair for pair in pairs if pair.change not in gone)
        return any(_safe(order, rest) for order in permutations(SERVICES))

    assert found.smallest and opens(found.in_the_way)
    for size in range(len(found.in_the_way)):
        assert not any(opens(gone) for gone in combinations(sorted(changes), size))
    kinds = [move.kind for move in found.sequence]
    assert kinds == sorted(kinds, key=["expand", "upgrade", "contract"].index)
    upgraded = tuple(move.service for move in found.sequence if move.kind == "upgrade")
    rest = tuple(pair for pair in pairs if pair.change not in found.in_the_way)
    assert sorted(upgraded) == sorted(SERVICES) and _safe(upgraded, rest)


def _finding(column: str) -> ContractDifference:
    return ContractDifference(column, "breaking", "required", "charge", "#/x", "m", part="body")  # type: ignore[arg-type]


def test_a_break_of_old_clients_upgrades_the_caller_first() -> None:
    pairs = conflicts("orders", "payments", Comparison("o", "n", (_finding("request_old_to_new"),)))
    assert safe_orders(["orders", "payments"], pairs).orders == (("orders", "payments"),)


def test_a_break_of_new_clients_upgrades_the_provider_first() -> None:
    pairs = conflicts("orders", "payments", Comparison("o", "n", (_finding("request_new_to_old"),)))
    assert safe_orders(["orders", "payments"], pairs).orders == (("payments", "orders"),)


def test_breaks_both_ways_leave_no_order_and_say_what_to_expand() -> None:
    both = Comparison("o", "n", (_finding("request_new_to_old"), _finding("response_new_to_old")))
    found = safe_orders(["orders", "payments"], conflicts("orders", "payments", both))
    assert found.orders == ()
    assert found.in_the_way == ("payments charge body required",)
    assert [(move.kind, move.service) for move in found.sequence] == [
        ("expand", "payments"),
        ("upgrade", "orders"),
        ("upgrade", "payments"),
        ("contract", "payments"),
    ]


def test_skew_forbids_nothing_and_a_strange_service_is_refused() -> None:
    skew = ContractDifference("request_new_to_old", "skew", "dropped-property", "charge", "#/x", "m")
    assert conflicts("orders", "payments", Comparison("o", "n", (skew,))) == ()
    assert safe_orders([], []) == Order(((),), 1)
    with pytest.raises(ValueError, match="psp"):
        safe_orders(["orders"], [Conflict("orders", "old", "psp", "new", "x")])


STATES = (
    ("s0", (("orders", ("1",)), ("payments", ("1",)))),
    ("s1", (("orders", ("1",)), ("payments", ("1", "2")))),
    ("s2", (("orders", ("1",)), ("payments", ("2",)))),
    ("s3", (("orders", ("1", "2")), ("payments", ("2",)))),
    ("s4", (("orders", ("2",)), ("payments", ("2",)))),
)


@pytest.mark.parametrize(
    ("column", "steps"),
    [
        ("request_old_to_new", ["s1", "s2", "s3"]),
        ("response_new_to_old", ["s1", "s2", "s3"]),
        ("request_new_to_old", []),
    ],
)
def test_a_break_hurts_where_its_two_sides_are_live_together(column: str, steps: list[str]) -> None:
    callers = (Caller("orders", "1", "1"), Caller("orders", "2", "2"))
    found = impacts("payments", "1", "2", Comparison("o", "n", (_finding(column),)), STATES, callers)
    assert [item.step for item in found] == steps
    assert {str(item.caller) for item in found} <= {"orders 1"}


def test_clients_outside_the_rollout_are_always_there(tmp_path: Path) -> None:
    everyone = (Caller("", "", "1"), Caller("", "", "2"))
    comparison = Comparison("o", "n", (_finding("request_old_to_new"), _finding("request_new_to_old")))
    found = impacts("payments", "1", "2", comparison, STATES, everyone)
    assert [(item.step, item.caller.built_for, item.version) for item in found] == [
        ("s0", "2", "1"),
        ("s1", "1", "2"),
        ("s1", "2", "1"),
        ("s2", "1", "2"),
        ("s3", "1", "2"),
        ("s4", "1", "2"),
    ]
