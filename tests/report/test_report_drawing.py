"""The drawing: every step once, every state once, arrows between them that do not run into each other."""

from __future__ import annotations

from dataclasses import replace

import report_values as values
from hypothesis import given
from hypothesis import strategies as st

from verifier.history.model import Replicas, ServiceInfo
from verifier.plan.model import Path, PlannedStep
from verifier.report.drawing import WIDE, Drawing, _levels, draw

SERVICES = values.history().run.services


def drawn(path: Path) -> Drawing:
    return draw(
        path, SERVICES, {step.id: "pass" for step in path.steps}, {step.id: f"a-{step.id}" for step in path.steps}
    )


def test_a_rollback_is_an_arrow_back_and_going_forward_again_joins_the_way_forward() -> None:
    drawing = drawn(values.plan().paths[1])
    assert len(drawing.columns) == 3
    arrows = {(arrow.label, arrow.back) for arrow in drawing.arrows}
    assert arrows == {("2, 4", False), ("3", True), ("5", False)}


def test_boxes_are_coloured_by_version_and_stand_in_their_column() -> None:
    drawing = drawn(values.plan().paths[1])
    tones = [sorted((box.label, box.tone) for box in column.boxes) for column in drawing.columns]
    assert tones == [
        [("1.2", "same"), ("1.4", "old"), ("1.4", "old")],
        [("1.2", "same"), ("1.4", "old"), ("2.1", "new")],
        [("1.2", "same"), ("2.1", "new"), ("2.1", "new")],
    ]
    for column in drawing.columns:
        assert all(column.x < box.x < column.x + WIDE - 50 for box in column.boxes)
        assert all(drawing.top < box.y < drawing.bottom for box in column.boxes)


def test_a_migration_makes_a_state_of_its_own() -> None:
    path = values.plan().paths[1]
    migrated = replace(path.steps[0], id="rollout.9", kind="migrate", migrations=("orders 2.1 expand",))
    drawing = drawn(replace(path, steps=(path.steps[0], migrated)))
    assert [column.migrations for column in drawing.columns] == ["", "⛁ expand orders"]


def test_going_back_to_a_state_of_its_own_still_goes_to_the_left() -> None:
    """After a rollback the old version lives on migrated stores: a new state, but no progress."""
    path = values.plan().paths[1]
    back = replace(path.steps[2], migrations=("orders 2.1 expand",))
    drawing = drawn(replace(path, steps=(*path.steps[:2], back)))
    assert {(arrow.label, arrow.back) for arrow in drawing.arrows} == {("2", False), ("3", True)}
    assert [[chip.number for chip in column.chips] for column in drawing.columns] == [["1"], ["3"], ["2"]]


def test_a_step_that_was_not_run_is_drawn_so_and_leads_nowhere() -> None:
    path = values.plan().paths[1]
    drawing = draw(path, SERVICES, {path.steps[0].id: "pass"}, {path.steps[0].id: "step-1"})
    chips = {chip.number: (chip.verdict, chip.anchor) for column in drawing.columns for chip in column.chips}
    assert chips["1"] == ("pass", "step-1")
    assert chips["5"] == ("not-run", "")


def test_a_failing_step_colours_its_arrow() -> None:
    path = values.plan().paths[1]
    drawing = draw(path, SERVICES, {step.id: "fail" if step.id == "rollout.4" else "pass" for step in path.steps}, {})
    assert {arrow.label: arrow.verdict for arrow in drawing.arrows} == {"2, 4": "fail", "3": "pass", "5": "pass"}


counts = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=25)


@given(counts)
def test_every_step_is_one_chip_under_its_own_state_inside_the_drawing(found: list[tuple[int, int]]) -> None:
    service = ServiceInfo("orders", ("1", "2"), "1", "2")
    steps = tuple(
        PlannedStep(f"p.{number}", "replace", "forward", "", (),
                    tuple(Replicas("orders", name, count) for name, count in (("1", a), ("2", b)) if count), (), True)
        for number, (a, b) in enumerate(found, 1)
    )  # fmt: skip
    drawing = draw(Path("p", "rollout", steps), (service,), {}, {})
    chips = [(chip.number, column.title) for column in drawing.columns for chip in column.chips]
    assert sorted(int(number) for number, _ in chips) == list(range(1, len(steps) + 1))
    assert len({column.title for column in drawing.columns}) == len(drawing.columns) == len(set(found))
    for column in drawing.columns:
        assert column.x + WIDE <= drawing.width
        for item in (*column.boxes, *column.chips):
            assert column.x <= item.x < column.x + WIDE
            assert drawing.top <= item.y < drawing.bottom <= drawing.height
    places = [(item.x, item.y) for column in drawing.columns for item in (*column.boxes, *column.chips)]
    assert len(places) == len(set(places))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda arc: arc[0] != arc[1]), unique=True))
def test_arcs_on_one_level_do_not_overlap(arcs: list[tuple[int, int]]) -> None:
    levels = _levels(arcs)
    assert set(levels) == set(arcs)
    for one in arcs:
        for other in arcs:
            if one < other and levels[one] == levels[other]:
                assert max(one) <= min(other) or max(other) <= min(one)
