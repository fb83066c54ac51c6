"""JUnit XML: what fails, what is skipped, and that no text breaks it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import report_hostile
import report_values as values
from hypothesis import given

from verifier.checks.verdict import Judgement
from verifier.report import junit


def parsed(judgement: Judgement) -> ElementTree.Element:
    text = junit.render(judgement, values.history(), values.plan(), values.TIMING)
    return ElementTree.fromstring(text.encode())


def case(root: ElementTree.Element, step: str, name: str) -> ElementTree.Element:
    return next(
        item
        for item in root.iter("testcase")
        if item.get("name") == name and item.get("classname", "").split(" ")[0] == step
    )


def test_a_violation_is_a_failure_with_its_proof_in_every_step_that_shows_it() -> None:
    root = parsed(values.judgement())
    for step in values.DOUBLED.steps:
        failure = case(root, step, "idempotent").find("failure")
        assert failure is not None
        assert failure.get("type") == "mixed"
        assert failure.get("message") == values.DOUBLED.message
        assert "applied again (2)" in (failure.text or "")
    assert root.get("failures") == "2"


def test_its_twin_a_step_that_held_has_no_failure() -> None:
    assert len(case(parsed(values.judgement()), "rollout.5", "idempotent")) == 0
    passed = parsed(values.judgement((), ()))
    assert (passed.get("failures"), passed.get("errors"), passed.get("skipped")) == ("0", "0", "0")


def test_what_the_old_version_does_too_passes_and_is_told() -> None:
    found = case(parsed(values.judgement((values.EARLIER,), ())), "control-old-1.1", "compatible")
    assert [item.tag for item in found] == ["system-out"]
    assert values.EARLIER.message in (found[0].text or "")


def test_a_guarantee_that_ran_on_nothing_is_no_case() -> None:
    names = {(item.get("classname"), item.get("name")) for item in parsed(values.judgement()).iter("testcase")}
    assert not any(name == "rollback safe" and "rollout.2" in str(where) for where, name in names)


def test_unknown_is_never_green() -> None:
    root = parsed(values.judgement((), ("a was not tested", "b was not tested")))
    assert (root.get("failures"), root.get("errors")) == ("0", "1")
    error = root.find("testsuite[@name='verdict']/testcase/error")
    assert error is not None
    assert error.text == "a was not tested\nb was not tested"


def test_an_unknown_step_is_skipped_and_a_verdict_of_unknown_without_a_sentence_is_still_an_error() -> None:
    judgement = values.judgement((), ())
    steps = (replace(judgement.steps[0], verdict="unknown", error="did not start"), *judgement.steps[1:])
    root = parsed(replace(judgement, verdict="unknown", steps=steps))
    skipped = case(root, "control-old-1.1", "verified").find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "did not start"
    assert (root.get("skipped"), root.get("errors")) == ("1", "1")


def test_a_violation_of_a_step_that_was_not_judged_fails_too() -> None:
    stray = replace(values.DOUBLED, step="rollout.9", steps=("rollout.9",))
    judgement = replace(values.judgement((stray,)), steps=values.judgement((), ()).steps)
    failure = case(parsed(judgement), "rollout.9", "idempotent").find("failure")
    assert failure is not None


def test_counts_add_up() -> None:
    root = parsed(values.judgement())
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(sum(item.find("failure") is not None for item in cases))
    assert root.get("tests") == str(len(list(root.iter("testcase"))))


@given(report_hostile.texts)
def test_no_text_breaks_the_document_or_adds_to_it(text: str) -> None:
    judgement, history, plan = report_hostile.run(text)
    root = ElementTree.fromstring(junit.render(judgement, history, plan, values.TIMING).encode())
    other = report_hostile.run("x")
    calm = ElementTree.fromstring(junit.render(*other, values.TIMING).encode())
    assert [item.tag for item in root.iter()] == [item.tag for item in calm.iter()]
