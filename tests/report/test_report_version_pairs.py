"""Version against version: who met whom, which way, and who is to blame."""

from __future__ import annotations

from dataclasses import replace

import report_values as values
from msgspec import structs

from verifier.checks.verdict import Judgement
from verifier.report.version_pairs import Calls, VersionPair, calls, service_matrices


def orders(judgement: Judgement) -> dict[tuple[str, str], VersionPair]:
    matrix = next(item for item in service_matrices(judgement, values.history()) if item.service == "orders")
    return {(cell.first, cell.second): cell for row in matrix.rows for cell in row}


def test_a_mixed_violation_spoils_the_pair_and_no_version_alone() -> None:
    found = orders(values.judgement())
    assert found["1.4", "2.1"] == VersionPair("1.4", "2.1", 2, "fail", ("idempotent",))
    assert found["2.1", "1.4"] == VersionPair("2.1", "1.4", 2, "fail", ("idempotent",))
    assert found["1.4", "1.4"] == VersionPair("1.4", "1.4", 1, "before", ("compatible",))


def test_its_twin_a_clean_run_passes_where_versions_met() -> None:
    found = orders(values.judgement((), ()))
    assert {pair: cell.verdict for pair, cell in found.items()} == {
        ("1.4", "1.4"): "pass", ("1.4", "2.1"): "pass", ("2.1", "1.4"): "pass", ("2.1", "2.1"): "",
    }  # fmt: skip


def test_a_violation_of_the_way_back_spoils_only_that() -> None:
    back = replace(values.DOUBLED, attribution="rollback", guarantee="rollback safe", steps=("rollout.3",))
    found = orders(values.judgement((back,)))
    assert (found["1.4", "2.1"].verdict, found["2.1", "1.4"].verdict) == ("pass", "fail")


def test_another_service_is_not_blamed() -> None:
    matrix = next(item for item in service_matrices(values.judgement(), values.history()) if item.service == "payments")
    assert [cell.verdict for row in matrix.rows for cell in row] == ["pass"]


def test_an_unknown_step_is_no_pass() -> None:
    judgement = values.judgement((), ())
    steps = tuple(replace(step, verdict="unknown") if step.id == "rollout.2" else step for step in judgement.steps)
    assert orders(replace(judgement, steps=steps))["1.4", "2.1"].verdict == "unknown"


def test_calls_are_counted_by_both_versions() -> None:
    inner = values.charge(values.retried()[0], 9, 12.0, "")
    lost = structs.replace(
        inner, source="inner", service="payments", version="", caller="orders", caller_version="1.4", response=None
    )
    assert calls(values.history(lost)) == (
        Calls("payments 1.2", "psp", 6, 0),
        Calls("orders 1.4", "payments (none in rotation)", 1, 1),
    )
