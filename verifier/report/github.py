"""Annotations for GitHub Actions: printed by a step, they stand beside the lines of a pull request."""

from __future__ import annotations

from verifier.checks.verdict import Judgement
from verifier.history.model import History, Timing
from verifier.plan.model import Plan
from verifier.report.format import Format
from verifier.report.issues import Issue, issues

MOST = 10  # of each kind; GitHub shows no more of one step
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """One workflow command in each line, the gravest first. Text from a recording can begin no command of its own."""
    every = list(issues(judgement, history))
    lines: list[str] = []
    for level, name in _COMMANDS.items():
        found = [issue for issue in every if issue.level == level]
        lines += [annotation(name, issue) for issue in found[:MOST]]
        if len(found) > MOST:
            lines.append(f"::notice title=verifier::{len(found) - MOST} more {name}s; see the report")
    return "".join(f"{line}\n" for line in lines)


def annotation(name: str, issue: Issue) -> str:
    place = f"file={_property(issue.file)},line={issue.line},title={_property(issue.title)}"
    return f"::{name} {place}::{_data(issue.text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


GITHUB = Format("github", render)
