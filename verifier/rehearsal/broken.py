"""The reports of a run whose environment broke: they say that there is no verdict, and why.

What was found in the steps before stays, as unconfirmed: nobody can know whether it is the deployment's doing.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from msgspec import structs

from verifier.checks.judge import judge
from verifier.errors import BadInput
from verifier.history.model import Timing
from verifier.history.store import read
from verifier.plan.model import Plan
from verifier.printable import one_line, printable
from verifier.rehearsal.judging import write_texts
from verifier.rehearsal.run_directory import stored_contracts
from verifier.report import verdict_json
from verifier.report.phrasing import counted
from verifier.report.verdict_json import SCHEMA


def write_errors(directory: Path, plan: Plan, runtime: str, message: str) -> str:
    """Write `verdict.json`, with the verdict `error`, and `junit.xml`, with one error.

    Returns a sentence about what had been found before, or "". Files that cannot be written are left out, because the
    disk may be what broke.
    """
    document = _document(directory, plan, runtime, message)
    with suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        texts = {"verdict.json": json.dumps(document, indent=2) + "\n", "junit.xml": _junit(plan, message)}
        write_texts(directory, texts)
    found = len(document.get("unconfirmed", ()))
    return f"Found before it broke, and not confirmed: {counted(found, 'violation')}; see verdict.json" if found else ""


def _document(directory: Path, plan: Plan, runtime: str, message: str) -> dict[str, Any]:
    """What pipelines read: the steps that were completed, and what they show."""
    broken = {"verdict": "error", "unknowns": [f"the environment broke: {message}"], "error": message}
    try:
        history = read(directory)
    except BadInput:
        return {**_nothing(plan, runtime), **broken}
    done = {step.id for step in history.steps if not step.error}
    history = structs.replace(
        history,
        steps=tuple(step for step in history.steps if step.id in done),
        operations=tuple(operation for operation in history.operations if operation.step in done),
        replicas=tuple(event for event in history.replicas if event.step in done),
        faults=tuple(fault for fault in history.faults if fault.step in done),
        ends=tuple(end for end in history.ends if end.step in done),
    )
    judgement = judge(history, stored_contracts(directory), plan)
    document: dict[str, Any] = json.loads(verdict_json.render(judgement, history, plan, Timing(0.0, 0.0, 0.0, 0.0)))
    found = [*document["violations"], *document["unconfirmed"]]
    return {**document, **broken, "violations": [], "causes": [], "unconfirmed": found}


def _nothing(plan: Plan, runtime: str) -> dict[str, Any]:
    nothing = {"covered": 0, "total": 0}
    return {
        "schema": SCHEMA,
        "matrix": plan.matrix,
        "verdict": "error",
        "seed": plan.seed,
        "runtime": runtime,
        "steps": [],
        "violations": [],
        "coverage": dict.fromkeys(("states", "transitions", "routes", "faults"), nothing),
        "timing": dict.fromkeys(("total_s", "boot_s", "replay_s", "judge_s"), 0.0),
        "unknowns": [],
        "tool": plan.tool,
    }


def _junit(plan: Plan, message: str) -> str:
    counts = {"tests": "1", "failures": "0", "errors": "1"}
    root = Element("testsuites", {"name": printable(plan.matrix), **counts})
    suite = SubElement(root, "testsuite", {"name": "verdict", **counts})
    case = SubElement(suite, "testcase", classname="verdict", name="the environment works", time="0.000")
    error = SubElement(case, "error", type="environment", message=one_line(message.partition("\n")[0]))
    error.text = printable(message)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
