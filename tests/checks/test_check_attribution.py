"""A defect names all steps that show it in the order of the run, whichever shows it best."""

from __future__ import annotations

from tests.checks.story import NEW, OLD, Story
from verifier.checks.attribution import violations
from verifier.checks.context import Context
from verifier.checks.verdict import Finding
from verifier.contracts.promises import Promises


def test_steps_come_in_the_order_of_the_run_whichever_shows_it_best() -> None:
    story = Story()
    for kind in ("control-old", "control-new", "forward", "rollback"):
        story.step(kind)
    *_, third, fourth = story.steps
    context = Context(story.history(), Promises())

    def finding(step: str, *versions: str) -> Finding:
        return Finding("available", "orders", "GET /a", step, versions, "500", "an error", ())

    (found,) = violations(context, [finding(fourth.id, OLD, NEW), finding(third.id, NEW), finding(third.id, NEW)])
    assert (found.step, found.steps, found.first, found.count) == (fourth.id, (third.id, fourth.id), third.id, 3)
