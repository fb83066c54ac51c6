"""JUnit XML: what fails, what is skipped, and that no text breaks it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import report_hostile
import report_values as values
from hypothesis import given

from verifier.checks.verdict import Judgement, Tolerated
from verifier.report import junit


def parsed(judgement: Judgement) -> ElementTree.Element:
    text = junit.render(judgement, values.history(), values.plan(), values.TIMING)
    return ElementTree.fromstring(text.encode())


def case(root: ElementTree.Element, step: str, name: str) -> ElementTree.Element:
    return next(
        item
        for item in root.iter("testcase")
        if item.get("name") == name and item.get("classname", "").split(" ")[0] == step.replace(".", "-")
    )


def skipped_of(root: ElementTree.Element) -> int:
    return sum(int(suite.get("skipped", "0")) for suite in root)


def failures(root: ElementTree.Element) -> list[ElementTree.Element]:
    return list(root.iter("failure"))


def test_a_defect_is_one_failure_with_its_proof_and_the_steps_that_show_it_are_skipped() -> None:
    root = parsed(values.judgement())
    (failure,) = failures(root)
    assert failure.get("type") == "mixed"
    assert failure.get("message") == values.DOUBLED.message
    assert "applied again (2)" in (failure.text or "")
    for step in values.DOUBLED.steps:
        skipped = case(root, step, "idempotent").find("skipped")
        assert skipped is not None
        assert skipped.get("message") == "violated: idempotent · orders 1.4 + 2.1 · placeOrder"
    assert (root.get("failures"), skipped_of(root)) == ("1", 2)


def test_what_follows_from_one_cause_is_one_failure_and_two_causes_are_two() -> None:
    lost = replace(values.DOUBLED, guarantee="no lost write", cause="expand of orders 2.1 breaks orders 1.4")
    other = replace(lost, guarantee="compatible", message="a consequence")
    root = parsed(values.judgement((other, lost, values.DOUBLED)))
    assert root.get("failures") == "2"
    first = case(root, "defects", "no lost write · orders · placeOrder").find("failure")
    assert first is not None
    assert "It has 1 further consequence, seen 3 times:" in (first.text or "")
    assert "a consequence" in (first.text or "")


def test_the_end_of_a_log_and_the_rate_are_told() -> None:
    found = replace(values.DOUBLED, reason="Traceback:\nno such table \x1b[31m", rate="seen in 1 of 1 try")
    (failure,) = failures(parsed(values.judgement((found,))))
    assert "no such table \\x1b[31m" in (failure.text or "")
    assert "Seen in 1 of 1 try." in (failure.text or "")


def test_what_does_not_fail_the_run_is_told() -> None:
    unsure = replace(values.DOUBLED, confirmed=False)
    judgement = replace(
        values.judgement((), ()), violations=(unsure,), tolerated=(Tolerated("GET /a /n", "a clock", 3),),
        unused=("nobody calls it",),
    )  # fmt: skip
    told = parsed(judgement).findtext("testsuite[@name='verdict']/testcase/system-out") or ""
    assert "Not confirmed by repetition: idempotent" in told
    assert "Tolerated: 3 × GET /a /n: a clock" in told
    assert "nobody calls it" in told


def test_its_twin_a_step_that_held_has_no_failure() -> None:
    assert len(case(parsed(values.judgement()), "rollout.5", "idempotent")) == 0
    passed = parsed(values.judgement((), ()))
    assert (passed.get("failures"), passed.get("errors"), skipped_of(passed)) == ("0", "0", 0)


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
    assert (skipped_of(root), root.get("errors")) == (1, "1")


def test_a_violation_of_a_step_that_was_not_judged_fails_too() -> None:
    stray = replace(values.DOUBLED, step="rollout.9", steps=("rollout.9",))
    judgement = replace(values.judgement((stray,)), steps=values.judgement((), ()).steps)
    failure = case(parsed(judgement), "defects", "idempotent · orders · placeOrder").find("failure")
    assert failure is not None


# What the XSD of the xUnit plugin of Jenkins allows, which other servers follow: attributes, and those it demands.
ALLOWED = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set()),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package", "file"},
        {"name", "tests", "failures", "errors"},
    ),
    "testcase": ({"name", "classname", "time"}, {"name", "classname", "time"}),
    "properties": (set(), set()),
    "property": ({"name", "value"}, {"name", "value"}),
    "failure": ({"type", "message"}, {"type"}),
    "error": ({"type", "message"}, {"type"}),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}  # fmt: skip
INSIDE = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "testcase": {"failure", "error", "skipped", "system-out"},
    "properties": {"property"},
}


def test_servers_accept_it() -> None:
    for found in (values.judgement(), values.judgement((), ("not tested",)), values.judgement((values.EARLIER,), ())):
        for item in parsed(found).iter():
            allowed, needed = ALLOWED[item.tag]
            assert needed <= set(item.keys()) <= allowed, item.tag
            assert {inner.tag for inner in item} <= INSIDE.get(item.tag, set())


def test_names_have_no_version_and_no_dot() -> None:
    cause = replace(values.DOUBLED, cause="expand of orders 2.1 breaks orders 1.4", confirmed=True)
    root = parsed(values.judgement((cause, values.DOUBLED)))
    names = [(item.get("classname", ""), item.get("name", "")) for item in root.iter("testcase")]
    assert len(set(names)) == len(names)
    for classname, name in names:
        assert "." not in classname
        assert "1.4" not in name
        assert "2.1" not in name
    assert ("defects", "idempotent · orders · placeOrder (2)") in names


def test_the_time_of_a_step_stands_at_its_first_case() -> None:
    root = parsed(values.judgement())
    for suite in root.findall("testsuite"):
        times = [float(item.get("time", "")) for item in suite.findall("testcase")]
        assert abs(sum(times) - float(suite.get("time", ""))) < 0.01


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
