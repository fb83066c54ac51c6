"""The table of what users would have seen."""

from __future__ import annotations

from dataclasses import replace

import report_values as values

from verifier.checks.registered import GUARANTEES
from verifier.report.experiences import DUPLICATED, LATE, MANNERS, experiences, manner


def test_a_violation_is_late_duplicated_or_partial() -> None:
    names = {guarantee.name for guarantee in GUARANTEES}
    assert names >= (LATE | DUPLICATED)
    assert {manner(replace(values.DOUBLED, guarantee=name)) for name in names} == set(MANNERS)


def test_each_operation_has_a_row_and_each_manner_a_cell() -> None:
    found = experiences(values.judgement(), values.history())
    (row,) = found.rows
    assert (row.service, row.operation, found.more, found.usual) == ("orders", "placeOrder", 0, ())
    late, duplicated, partial = row.cells
    assert late == ()
    assert [(felt.experience, felt.steps, felt.count, felt.earlier) for felt in duplicated] == [
        (values.DOUBLED.experience, ("rollout.2", "rollout.4"), 3, False)
    ]
    assert [(felt.experience, felt.earlier) for felt in partial] == [(values.EARLIER.experience, True)]


def test_equal_experiences_are_told_once_and_quiet_operations_by_name() -> None:
    again = replace(values.DOUBLED, steps=("rollout.5", "rollout.2"), count=4)
    read = values.operation("r5/2.1", "rollout.2", name="getOrder")
    found = experiences(values.judgement((values.DOUBLED, again)), values.history(read))
    ((felt,),) = [cell for cell in found.rows[0].cells if cell]
    assert (felt.count, felt.steps) == (7, ("rollout.2", "rollout.4", "rollout.5"))
    assert found.usual == ("getOrder of orders",)
