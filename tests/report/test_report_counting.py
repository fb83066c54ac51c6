"""Counts per session add up to what the history holds."""

from __future__ import annotations

import report_values as values
from hypothesis import given
from hypothesis import strategies as st

from verifier.history.model import Note
from verifier.report.counting import SessionCounts, count, total


def test_requests_answers_and_inner_calls_are_counted_by_session() -> None:
    cut = values.operation("r9/1.1", "rollout.2", session="s2", response=None, error="reset", outcome="info")
    assert count(values.history(cut)) == (
        SessionCounts("", 0, 0, 0, 0, 1, 0),
        SessionCounts("s1", 6, 6, 0, 6, 0, 0),
        SessionCounts("s2", 1, 0, 1, 0, 0, 0),
    )


def test_a_note_belongs_to_the_session_of_its_operation() -> None:
    history = values.history()
    notes = (Note("rollout.1", "ambiguous", "", "rollout.1/r1/1.1"), Note("rollout.1", "not-run", "", ""))
    found = {entry.session: entry.ambiguous for entry in count(type(history)(
        history.run, history.operations, history.steps, history.replicas, history.faults, notes))}  # fmt: skip
    assert found == {"s1": 1}


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["replay", "live", "poll", "inner"]), st.booleans())
    )
)
def test_nothing_is_lost(made: list[tuple[str, str, bool]]) -> None:
    answer = values.operation("x", "s").response
    more = [
        values.operation(f"n{number}", "s", session=session, source=source, response=answer if answered else None)
        for number, (session, source, answered) in enumerate(made)
    ]
    before, after = total(count(values.history())), total(count(values.history(*more)))
    inner = sum(source == "inner" for _, source, _ in made)
    assert after.sent - before.sent == len(made) - inner
    assert after.answered - before.answered == sum(answered for _, source, answered in made if source != "inner")
    assert after.inner - before.inner == inner
    assert after.sent == after.answered + after.unanswered
