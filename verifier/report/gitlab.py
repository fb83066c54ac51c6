"""The code quality report of GitLab: a JSON list, whose entries stand in the widget and the diff of a merge request."""

from __future__ import annotations

import json
from typing import Any

from verifier.checks.verdict import Judgement
from verifier.history.model import History, Timing
from verifier.plan.model import Plan
from verifier.report.format import Format
from verifier.report.issues import Issue, issues

_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """A fingerprint stands once: what is equal but for versions is one entry."""
    entries = {issue.fingerprint: entry(issue) for issue in reversed(list(issues(judgement, history)))}
    return json.dumps(list(reversed(entries.values())), indent=2, ensure_ascii=False) + "\n"


def entry(issue: Issue) -> dict[str, Any]:
    severity = "blocker" if issue.level == "error" and issue.lasting else _SEVERITIES[issue.level]
    return {
        "description": f"{issue.title}: {issue.text}",
        "check_name": issue.rule,
        "fingerprint": issue.fingerprint,
        "severity": severity,
        "location": {"path": issue.file, "lines": {"begin": issue.line}},
    }


GITLAB = Format("gitlab", render)
