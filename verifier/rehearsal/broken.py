"""The reports of a run whose environment broke: they say that there is no verdict, and why."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from verifier.plan.model import Plan
from verifier.report.phrasing import one_line, printable
from verifier.report.verdict_json import SCHEMA


def write_errors(directory: Path, plan: Plan, runtime: str, message: str) -> None:
    """Write `verdict.json`, with the verdict `error`, and `junit.xml`, with one error."""
    nothing = {"covered": 0, "total": 0}
    document = {
        "schema": SCHEMA,
        "matrix": plan.matrix,
        "verdict": "error",
        "seed": plan.seed,
        "runtime": runtime,
        "steps": [],
        "violations": [],
        "coverage": dict.fromkeys(("states", "transitions", "routes", "faults"), nothing),
        "timing": dict.fromkeys(("total_s", "boot_s", "replay_s", "judge_s"), 0.0),
        "unknowns": [f"the environment broke: {message}"],
        "tool": plan.tool,
        "error": message,
    }
    (directory / "verdict.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    root = Element("testsuites", {"name": printable(plan.matrix), **counts})
    suite = SubElement(root, "testsuite", {"name": "verdict", **counts})
    case = SubElement(suite, "testcase", classname="verdict", name="the environment works")
    error = SubElement(case, "error", type="environment", message=one_line(message.partition("\n")[0]))
    error.text = printable(message)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    (directory / "junit.xml").write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n', encoding="utf-8")
