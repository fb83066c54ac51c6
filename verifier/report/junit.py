"""The verdict as JUnit XML: a suite of the defects, and one suite per path with a case per step and guarantee.

A defect is one failure, with all its consequences, so there are as many failures as causes. A case of a step whose
guarantee is violated is skipped, and names the defects. A violation that existed before the rollout passes, and
system-out describes it. A step that could not be verified is skipped. Every reason for an unknown verdict is an error
in the suite `verdict`, so that no pipeline takes unknown for success.

Names stay the same from release to release: they hold no version, and no dot, at which servers split a class.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement

from verifier.checks.verdict import Judgement, StepVerdict, Violation
from verifier.history.model import History, Timing
from verifier.plan.model import Plan
from verifier.printable import one_line, printable
from verifier.report import defects
from verifier.report import phrasing as words
from verifier.report.defects import Defect
from verifier.report.evidence import Evidence, rows
from verifier.report.format import Format
from verifier.report.text import UNUSED, brief, proof, reason

NO_TIME = "0.000"  # seconds; the time of a step stands at its first case


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """Well-formed XML 1.0 for any text in the history; ends with a newline. Times are seconds."""
    evidence = Evidence(history)
    root = Element("testsuites", name=printable(plan.matrix), time=f"{timing.total_s:.3f}")
    found = defects.added(judgement)
    suite = SubElement(root, "testsuite", name="defects")
    taken: Counter[str] = Counter()
    for defect in found:
        name = _name(defect.shown)
        taken[name] += 1
        _failure(suite, defect, evidence, name if taken[name] == 1 else f"{name} ({taken[name]})")
    _count(suite, 0.0)
    seconds = {step.id: step.ended - step.started for step in history.steps}
    for path in dict.fromkeys(step.path for step in judgement.steps):
        steps = [step for step in judgement.steps if step.path == path]
        suite = SubElement(root, "testsuite", name=printable(path))
        for step in steps:
            began = len(suite)
            _cases(suite, step, judgement, found, evidence)
            for case in suite[began : began + 1]:
                case.set("time", f"{seconds.get(step.id, 0.0):.3f}")
        _count(suite, sum(seconds.get(step.id, 0.0) for step in steps))
    _count(_verdict_suite(root, judgement), 0.0)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _cases(
    suite: Element, step: StepVerdict, judgement: Judgement, found: Sequence[Defect], evidence: Evidence
) -> None:
    where = printable(f"{step.id.replace('.', '-')} {step.kind}")
    for guarantee, state in step.guarantees:
        if not state:
            continue
        case = SubElement(suite, "testcase", classname=where, name=printable(guarantee), time=NO_TIME)
        here = [entry for entry in judgement.violations if entry.guarantee == guarantee and step.id in entry.steps]
        if state == "fail":
            causes = [defect.title for defect in found if any(entry in here for entry in defect.every)]
            SubElement(case, "skipped", message=one_line(f"violated: {'; '.join(causes)}"))
        elif here:
            SubElement(case, "system-out").text = _explanation(here, evidence)
    if step.verdict == "unknown":
        case = SubElement(suite, "testcase", classname=where, name="verified", time=NO_TIME)
        SubElement(case, "skipped", message=one_line(step.error or "parts of this step could not be verified"))


def _verdict_suite(root: Element, judgement: Judgement) -> Element:
    """Results that belong to no step: the unknowns, and what does not fail the run."""
    suite = SubElement(root, "testsuite", name="verdict")
    case = SubElement(suite, "testcase", classname="verdict", name="everything was verified", time=NO_TIME)
    if judgement.unknowns or judgement.verdict == "unknown":
        sentences = judgement.unknowns or ("the verdict is unknown",)
        error = SubElement(case, "error", type="unknown", message=one_line(words.listed(sentences, 1)))
        error.text = printable("\n".join(sentences))
    remarks = [f"Not confirmed by repetition: {line.strip()}" for line in _unconfirmed(judgement)]
    remarks += [f"Tolerated: {entry.count} × {entry.place}: {entry.reason}" for entry in judgement.tolerated]
    remarks += [f"{UNUSED}: {told}" for told in judgement.unused]
    if remarks:
        SubElement(case, "system-out").text = printable("\n".join(remarks))
    return suite


def _unconfirmed(judgement: Judgement) -> Iterable[str]:
    return (brief(entry) for defect in defects.unconfirmed(judgement) for entry in defect.every)


def _name(violation: Violation) -> str:
    """What is violated, without versions."""
    return " · ".join(filter(None, (violation.guarantee, violation.service, violation.operation)))


def _failure(suite: Element, defect: Defect, evidence: Evidence, name: str) -> None:
    shown = defect.shown
    case = SubElement(suite, "testcase", classname="defects", name=one_line(name), time=NO_TIME)
    failure = SubElement(case, "failure", type=shown.attribution, message=one_line(shown.message))
    lines = [*([defect.title] if shown.cause else []), _explanation([shown], evidence)]
    if defect.others:
        lines += [f"{defects.further(defect)}:", *(f"  {brief(other)}" for other in defect.others)]
    failure.text = printable("\n".join(lines))


def _explanation(found: Iterable[Violation], evidence: Evidence) -> str:
    """Each violation with its proof, as plain text."""
    lines: list[str] = []
    for violation in found:
        where = f"{words.subject(violation)} · first in {violation.first}"
        lines += [
            f"{violation.guarantee} · {violation.attribution} · {where}: {words.explanation(violation)}",
            *([words.rate(violation)] if violation.rate else []),
            violation.message,
            *reason(violation, ""),
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
