"""The report for a terminal, whole: golden texts, and what is cut where there is much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import report_hostile
import report_values as values
from hypothesis import given, settings
from msgspec import structs

from verifier.checks.verdict import Judgement, Tolerated
from verifier.plan.model import FOR_BUDGET, LeftOut
from verifier.printable import printable
from verifier.report import markdown, text

GOLDEN = Path(__file__).parent / "golden"


def rendered(judgement: Judgement) -> str:
    return text.render(judgement, values.history(), values.plan(), values.TIMING)


@pytest.mark.parametrize(
    ("name", "judgement"),
    [
        ("fail", values.judgement()),
        ("pass", values.judgement((), ())),
        (
            "unknown",
            values.judgement((values.EARLIER,), ("orders declares getOrder freshness, and nothing tested it",)),
        ),
    ],
)
def test_the_whole_report(name: str, judgement: Judgement) -> None:
    assert rendered(judgement) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    told = markdown.render(judgement, values.history(), values.plan(), values.TIMING)
    assert told == (GOLDEN / f"{name}.md").read_text(encoding="utf-8")


def test_eight_violations_are_shown_in_full_and_the_rest_in_a_line_each() -> None:
    many = tuple(replace(values.DOUBLED, operation=f"operation{number}") for number in range(11))
    lines = rendered(values.judgement(many)).splitlines()
    assert sum(line.startswith("   Reproduce: ") for line in lines) == text.IN_FULL
    more = lines[lines.index("More defects") + 1 :][: 11 - text.IN_FULL]
    assert [f"operation{number}" in line for number, line in enumerate(more, text.IN_FULL)] == [True] * 3


def test_a_long_proof_is_cut_and_says_so() -> None:
    more = [values.operation(f"r{number}/1.1", "rollout.5", started=30.0 + number) for number in range(20, 40)]
    long = replace(values.DOUBLED, evidence=tuple(entry.id for entry in more))
    told = text.render(values.judgement((long,)), values.history(*more), values.plan(), values.TIMING)
    assert f"   … and {20 - text.ROWS} more" in told.splitlines()


def test_what_a_failed_request_was_told_is_quoted() -> None:
    failed = values.operation("r9/1.1", "rollout.2", outcome="info", response=None)
    answer = structs.replace(values.plain("x", 0.0)[0].response, status=500, body=b'{"title": "column\n missing"}')  # type: ignore[type-var]
    failed = structs.replace(failed, response=answer)
    shown = replace(values.DOUBLED, evidence=(failed.id,))
    told = text.render(values.judgement((shown,)), values.history(failed), values.plan(), values.TIMING)
    assert '   500 response: {"title": "column missing"}' in told.splitlines()


def test_a_step_that_could_not_be_completed_says_why() -> None:
    judgement = values.judgement()
    steps = tuple(
        replace(step, error="orders 2.1 did not become ready\nlog") if step.id == "rollout.5" else step
        for step in judgement.steps
    )
    stopped = replace(judgement, steps=steps)
    said = "rollout.5 (replace in rollout.5) was not completed: orders 2.1 did not become ready"
    assert said in rendered(stopped).splitlines()
    assert f"- {said}" in markdown.render(stopped, values.history(), values.plan(), values.TIMING).splitlines()
    assert "was not completed" not in rendered(judgement)


@settings(max_examples=40, deadline=None)
@given(report_hostile.texts)
def test_no_text_reaches_the_terminal_as_a_control_sequence(hostile: str) -> None:
    told = text.render(*report_hostile.run(hostile), values.TIMING)
    assert printable(told) == told


def test_a_defect_is_told_by_its_first_step_and_where_its_proof_is_from() -> None:
    for step, told in (("rollout.2", "in 2 steps: it"), ("rollout.4", "in 2 steps, here in rollout.4: it")):
        found = rendered(values.judgement((replace(values.DOUBLED, step=step),)))
        assert f"First in rollout.2, seen 3 times {told}" in found


def test_what_was_tolerated_is_listed_with_its_reason_and_the_rest_is_counted() -> None:
    few = replace(values.judgement(), tolerated=(Tolerated("orders getOrder: /note\n", "it varies", 12),))
    assert "\nTolerated\n  12 × orders getOrder: /note : it varies\n" in rendered(few)
    many = replace(few, tolerated=tuple(Tolerated(f"orders getOrder: /{at}", "it varies", 1) for at in range(9)))
    assert "  1 × orders getOrder: /5: it varies\n  and 3 more, in verdict.json\n" in rendered(many)
    assert "Tolerated" not in rendered(values.judgement())


def test_a_pass_says_what_the_budget_left_out() -> None:
    judgement = values.judgement((), ())
    coverage = replace(judgement.coverage, left_out=(LeftOut("faulted replays", FOR_BUDGET, 3, 90),))
    told = rendered(replace(judgement, coverage=coverage))
    assert "Left out for the budget: 3 of 90 faulted replays." in told.replace("\n", " ")
    assert "  left out for the budget: 3 of 90 faulted replays" in told.splitlines()
