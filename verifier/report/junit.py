"""The verdict as JUnit XML: one suite per path, one case per step and exercised guarantee.

A violation is a failure. A violation that existed before the rollout passes, and system-out describes it. A step that
could not be verified is skipped. Every reason for an unknown verdict is an error in the suite `verdict`, so that no
pipeline takes unknown for success.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement

from verifier.checks.verdict import Judgement, StepVerdict, Violation
from verifier.history.model import History, Timing
from verifier.plan.model import Plan
from verifier.report import phrasing as words
from verifier.report.evidence import Evidence, rows
from verifier.report.format import Format
from verifier.report.phrasing import one_line, printable
from verifier.report.text import proof


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """Well-formed XML 1.0 for any text in the history; ends with a newline. Times are seconds."""
    evidence = Evidence(history)
    root = Element("testsuites", name=printable(plan.matrix), time=f"{timing.total_s:.3f}")
    seconds = {step.id: step.ended - step.started for step in history.steps}
    for path in dict.fromkeys(step.path for step in judgement.steps):
        steps = [step for step in judgement.steps if step.path == path]
        suite = SubElement(root, "testsuite", name=printable(path))
        for step in steps:
            _cases(suite, step, judgement, evidence)
        _count(suite, sum(seconds.get(step.id, 0.0) for step in steps))
    _count(_verdict_suite(root, judgement, evidence), 0.0)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _cases(suite: Element, step: StepVerdict, judgement: Judgement, evidence: Evidence) -> None:
    where = printable(f"{step.id} {step.kind}: {words.mixture(step.state)}")
    for guarantee, state in step.guarantees:
        if not state:
            continue
        case = SubElement(suite, "testcase", classname=where, name=printable(guarantee))
        here = [found for found in judgement.violations if found.guarantee == guarantee and step.id in found.steps]
        if state == "fail":
            _failure(case, [found for found in here if found.fails], evidence)
        elif here:
            SubElement(case, "system-out").text = _explanation(here, evidence)
    if step.verdict == "unknown":
        case = SubElement(suite, "testcase", classname=where, name="verified")
        SubElement(case, "skipped", message=one_line(step.error or "parts of this step could not be verified"))


def _verdict_suite(root: Element, judgement: Judgement, evidence: Evidence) -> Element:
    """Results that belong to no step: the unknowns, and violations of steps that are not in the judgement."""
    suite = SubElement(root, "testsuite", name="verdict")
    case = SubElement(suite, "testcase", classname="verdict", name="everything was verified")
    if judgement.unknowns or judgement.verdict == "unknown":
        sentences = judgement.unknowns or ("the verdict is unknown",)
        error = SubElement(case, "error", type="unknown", message=one_line(words.listed(sentences, 1)))
        error.text = printable("\n".join(sentences))
    failed = {(step.id, name) for step in judgement.steps for name, state in step.guarantees if state == "fail"}
    for violation in words.added(judgement):
        if not any((step, violation.guarantee) in failed for step in violation.steps):
            where = printable(violation.step or "run")
            stray = SubElement(suite, "testcase", classname=where, name=printable(violation.guarantee))
            _failure(stray, [violation], evidence)
    return suite


def _failure(case: Element, found: list[Violation], evidence: Evidence) -> None:
    message = found[0].message if found else "violated"
    kind = found[0].attribution if found else "unknown"
    SubElement(case, "failure", type=kind, message=one_line(message)).text = _explanation(found, evidence)


def _explanation(found: Iterable[Violation], evidence: Evidence) -> str:
    """Each violation with its proof, as plain text."""
    lines: list[str] = []
    for violation in found:
        where = f"{words.subject(violation)} · first in {violation.first}"
        lines += [
            f"{violation.guarantee} · {violation.attribution} · {where}",
            violation.message,
            f"What the user would have seen: {violation.experience}",
            *proof(rows(evidence, violation), ""),
            f"Reproduce: {violation.reproduce}",
            "",
        ]
    return printable("\n".join(lines))


def _count(suite: Element, seconds: float) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{seconds:.3f}")


JUNIT = Format("junit", render, "junit.xml")
