"""One cause is one defect to a reader: its gravest violation first, the others counted and listed below it."""

from __future__ import annotations

import json
from dataclasses import replace

import report_values as values

from verifier.checks.verdict import Tolerated, Violation
from verifier.report import defects, html, junit, markdown, rolling_back, summary, text, verdict_json

CAUSE = "total of orders is number here, string there"
SHAPE = replace(values.DOUBLED, guarantee="compatible", message="/total is string", cause=CAUSE, count=4)
LOST = replace(values.DOUBLED, guarantee="no lost write", message="/total was 73", cause=CAUSE, experience="it changed")
LISTED = replace(SHAPE, operation="listOrders", message="/*/total is string", count=5)
ALL = (SHAPE, LISTED, LOST, values.DOUBLED)


def _rendered(found: tuple[Violation, ...], how: object = text) -> str:
    return how.render(values.judgement(found, ()), values.history(), values.plan(), values.TIMING)  # type: ignore[attr-defined, no-any-return]


def test_violations_of_one_cause_are_one_defect_and_the_gravest_is_shown() -> None:
    first, second = defects.defects(values.judgement(ALL), ALL)
    assert (first.shown, first.others) == (LOST, (SHAPE, LISTED))
    assert (second.shown, second.others) == (values.DOUBLED, ())


def test_violations_of_no_cause_or_of_others_stay_apart() -> None:
    other = replace(LISTED, cause="id of orders is number here, string there")
    found = (values.DOUBLED, values.DOUBLED, SHAPE, other)
    assert [defect.shown for defect in defects.defects(values.judgement(found), found)] == list(found)


def test_the_first_sentence_counts_defects() -> None:
    said = summary.sentence(values.judgement(ALL))
    assert "2 defects violate 3 guarantees (compatible, no lost write, idempotent). " in said
    assert "At worst, users would have seen: it changed" in said


def test_the_text_shows_the_gravest_with_its_proof_and_a_line_for_each_other() -> None:
    shown = _rendered(ALL)
    assert f"1. {CAUSE}\n   no lost write · mixed" in shown
    assert "2. idempotent · mixed" in shown
    assert "3. " not in shown
    assert "   It has 2 further consequences, seen 9 times:" in shown
    assert shown.count("     compatible · mixed · orders 1.4 + 2.1") == 2


def test_what_was_there_before_is_told_by_its_cause_too() -> None:
    before = tuple(replace(entry, attribution="pre-existing", steps=("rollout.2",)) for entry in (SHAPE, LISTED, LOST))
    shown, comment = _rendered(before), _rendered(before, markdown)
    assert "  It has 2 further consequences, seen 9 times:" in shown
    assert " 1 defect already existed in the old version." in " ".join(shown.split())
    assert "1 already present before the rollout" in comment
    assert "It has 2 further consequences, seen 9 times." in comment


def test_a_rollback_that_could_not_be_verified_is_not_said_to_hold() -> None:
    held = values.judgement((), ())
    hidden = tuple(
        replace(step, verdict="unknown") if step.phase == "rollback" and step.kind == "roll back" else step
        for step in held.steps
    )
    assert rolling_back.going_back(held).startswith("Rolling back was safe")
    assert rolling_back.going_back(replace(held, steps=hidden)) == (
        "Whether rolling back is safe is unknown: rollout.3 could not be verified."
    )


def test_what_is_not_listed_is_counted() -> None:
    many = tuple(replace(LISTED, operation=f"list{number}") for number in range(text.CONSEQUENCES + 3))
    assert "     … and 3 more, all in verdict.json" in _rendered((LOST, *many))


def test_verdict_json_holds_every_violation_with_its_cause() -> None:
    found = json.loads(_rendered(ALL, verdict_json))["violations"]
    assert [entry["cause"] for entry in found] == [CAUSE, CAUSE, CAUSE, ""]
    causes = json.loads(_rendered(ALL, verdict_json))["causes"]
    assert [(entry["cause"], entry["violations"]) for entry in causes] == [
        (CAUSE, [2, 0, 1]), ("idempotent · orders 1.4 + 2.1 · placeOrder", [3])
    ]  # fmt: skip
    assert causes[0]["count"] == sum(entry.count for entry in (SHAPE, LISTED, LOST))


FORMATS = (text, markdown, html, junit, verdict_json)


def test_the_end_of_the_log_stands_in_every_format() -> None:
    reason = "Traceback:\nsqlite3.OperationalError: no such column: rank"
    for how in FORMATS:
        assert "OperationalError: no such column: rank" in _rendered((replace(LOST, reason=reason),), how)
        assert "OperationalError" not in _rendered((LOST,), how)


def test_a_rate_is_a_sentence_in_every_format_for_readers() -> None:
    found = replace(LOST, rate="seen in 27 of 634 tries; with all old 0 of 937", confirmed=True)
    for how in (text, markdown, html, junit):
        shown = " ".join(_rendered((found,), how).split())
        assert "Seen in 27 of 634 tries; with all old 0 of 937. Confirmed by repetition." in shown


def test_what_does_not_fail_the_run_is_told_in_every_format() -> None:
    unsure = replace(LOST, confirmed=False, message="it was so once")
    tolerated = (Tolerated("orders getOrder: /clock", "it varies", 12),)
    judgement = replace(
        values.judgement((), ()), violations=(unsure,), tolerated=tolerated, unused=("nobody calls it",)
    )
    for how in FORMATS:
        shown = how.render(judgement, values.history(), values.plan(), values.TIMING)
        for said in ("it was so once", "it varies", "nobody calls it"):
            assert said in shown
        assert "Do not deploy" not in shown


def test_what_follows_from_a_defect_is_not_told_as_unconfirmed_too() -> None:
    unsure = replace(LISTED, confirmed=False)
    assert defects.unconfirmed(values.judgement((LOST, unsure))) == []
    assert [found.shown for found in defects.unconfirmed(values.judgement((unsure,)))] == [unsure]


def test_markdown_and_the_page_tell_the_cause() -> None:
    comment, page = _rendered(ALL, markdown), _rendered(ALL, html)
    assert comment.count("<summary>compatible") == 0
    assert "(and 2 further consequences of the same cause)" in comment
    assert page.count(f"<dt>cause</dt><dd>{CAUSE}</dd>") == 3
