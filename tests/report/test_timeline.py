"""The timeline of a violation: everything on the axis, in causal order, and nothing of it hidden."""

from __future__ import annotations

from dataclasses import replace

import report_values as values
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from verifier.history.model import End
from verifier.report.evidence import Evidence
from verifier.report.timeline import MOST, Timeline, Timelines, _axis, seconds


def _drawn(*evidence: str, ends: tuple[End, ...] = ()) -> Timeline:
    history = structs.replace(values.history(), ends=ends)
    found = Timelines(Evidence(history), history).draw(replace(values.DOUBLED, evidence=evidence))
    assert found is not None
    return found


def _end(how: str) -> End:
    return End(
        "rollout.2", "r7", "s1", 0, "rollout.2/r7/1.2", "orders", "placeOrder", "2.1", how, "status = paid",  # type: ignore[arg-type]
        0.6, 10.0, 3, "", 13.0,
    )  # fmt: skip


def test_a_retry_is_drawn_with_its_first_attempt_and_all_effects() -> None:
    line = _drawn("rollout.2/r7/1.2")
    assert [bar.label for bar in line.bars] == [
        "0 ms  POST /orders → orders 1.4: 202 lost, lost-answer",
        "100 ms  POST /charge → psp: 201 ok, applied",
        "300 ms  POST /orders → orders 2.1: 202 accepted, lost-answer",
        "350 ms  POST /charge → psp: 201 ok, applied",
    ]
    assert [bar.tone for bar in line.bars] == ["old", "partner", "new", "partner"]
    assert [bar.bad for bar in line.bars] == [True, False, False, False]
    assert [(step.name, step.y) for step in line.steps] == [("rollout.2", 0)]
    assert line.lasted == "450 ms"


def test_the_axis_ends_with_the_visible_completion() -> None:
    (mark,) = _drawn("rollout.2/r7/1.2", ends=(_end("ended"),)).completions
    assert (mark.x, mark.bad) == (100.0, False)
    assert mark.text == "placeOrder through orders 2.1: visibly complete 600 ms after it was accepted (status = paid)"
    (mark,) = _drawn("rollout.2/r7/1.2", ends=(_end("open"),)).completions
    assert mark.bad and "not complete 600 ms after" in mark.text


def test_what_does_not_fit_is_counted_and_the_proof_is_kept() -> None:
    first = values.operation("r9/1.1", "rollout.2", started=40.0, ended=40.1)
    more = [
        values.operation(
            f"r9/1.{at}", "rollout.2", attempt=at, parent=first.id, started=40.0 + at, ended=40.5 + at
        )
        for at in range(2, 2 * MOST)
    ]  # fmt: skip
    history = values.history(first, *more)
    line = Timelines(Evidence(history), history).draw(replace(values.DOUBLED, evidence=(more[-1].id,)))
    assert line is not None
    assert (len(line.bars), line.more) == (MOST, 1 + len(more) - MOST)
    assert line.bars[-1].label.startswith("31.0 s")


def test_without_a_request_there_is_nothing_to_draw() -> None:
    history = values.history()
    assert Timelines(Evidence(history), history).draw(replace(values.DOUBLED, evidence=("orders-2.1-2",))) is None


@given(st.sets(st.floats(0, 1e5, allow_nan=False), min_size=1, max_size=30))
def test_the_axis_keeps_the_order_of_time(moments: set[float]) -> None:
    places = [_axis(moments)[moment] for moment in sorted(moments)]
    assert places == sorted(places)
    assert places[0] == 0.0 and all(0 <= place <= 100.000001 for place in places)


def test_lengths_are_told_in_a_unit_that_fits() -> None:
    assert [seconds(length) for length in (0.0, 0.0124, 0.9, 3.44)] == ["0 ms", "12 ms", "900 ms", "3.4 s"]
