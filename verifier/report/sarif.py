"""SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from verifier.checks.registered import GUARANTEES
from verifier.checks.verdict import Judgement
from verifier.history.model import History, Timing
from verifier.plan.model import Plan
from verifier.report.format import Format
from verifier.report.issues import UNKNOWN, Issue, issues

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """One run, with a rule for each guarantee and a result for each issue."""
    names = [*(entry.name for entry in GUARANTEES), UNKNOWN]
    found = list(issues(judgement, history))
    names += sorted({issue.rule for issue in found} - set(names))
    driver = {
        "name": "mixed-version-verifier",
        "version": plan.tool or "0",
        "rules": [{"id": name, "shortDescription": {"text": name}} for name in names],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "results": [result(issue, names.index(issue.rule)) for issue in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def result(issue: Issue, rule: int) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": quote(issue.file)}, "region": {"startLine": issue.line}}
    return {
        "ruleId": issue.rule,
        "ruleIndex": rule,
        "level": issue.level,
        "message": {"text": f"{issue.title}: {issue.text}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"defect/v1": issue.fingerprint},
    }


SARIF = Format("sarif", render)
