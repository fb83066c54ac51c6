"""A defect that only the repetition shows counts where it shows at two moments."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.checks.history_builder import NEW, OLD, HistoryBuilder


def failing_at(*moments: float) -> HistoryBuilder:
    """Writes that the new version does not answer, sent at these seconds of a step that confirms."""
    builder = HistoryBuilder()
    for phase, version in (("control-old", OLD), ("control-new", NEW), ("forward", NEW)):
        builder.step(phase)  # type: ignore[arg-type]
        builder.send("POST /a", version, 201)
    builder.send("POST /a", OLD, 201)
    builder.step("forward")
    builder.steps[-1] = structs.replace(builder.steps[-1], confirms=True)
    for version in (OLD, NEW):
        builder.send("POST /a", version, 201)
    began = builder.clock
    for moment in moments:
        builder.clock = began + moment
        builder.send("POST /a", NEW, None)
    return builder


@pytest.mark.parametrize(
    ("moments", "verdict"),
    [((0.0,), "pass"), ((0.0, 0.0), "pass"), ((0.0, 0.02, 0.09), "pass"), ((0.0, 0.2), "fail"), ((0.0, 5.0), "fail")],
)
def test_failures_of_one_moment_confirm_nothing(moments: tuple[float, ...], verdict: str) -> None:
    judged = failing_at(*moments).judge()
    (found,) = judged.violations
    assert (judged.verdict, found.guarantee, found.confirmed) == (verdict, "available", verdict == "fail")
