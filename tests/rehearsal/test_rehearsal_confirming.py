"""What is tried again: what would fail the run, and what old alone excuses with too few tries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.plan.confirmation import Target
from verifier.rehearsal.confirming import targets


@pytest.mark.parametrize(
    ("attribution", "doubtful", "tried"),
    [("mixed", False, True), ("pre-existing", True, True), ("pre-existing", False, False)],
)
def test_what_fails_or_is_in_doubt_is_tried_again(attribution: str, doubtful: bool, tried: bool) -> None:
    builder = HistoryBuilder()
    builder.step("control-old")
    builder.send("POST /a", OLD, 201)
    builder.step("forward")
    builder.send("POST /a", NEW, None)
    judged = builder.judge()
    found = replace(judged.violations[0], attribution=attribution, doubtful=doubtful)  # type: ignore[arg-type]
    step = builder.steps[-1].id
    again = targets(replace(judged, violations=(found,)), builder.history(), builder.plan())
    assert again == ((Target(step),) if tried else ())
