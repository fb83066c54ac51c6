"""What a failing item says: the story of the violation, as the report of a run tells it."""

from __future__ import annotations

from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import History
from verifier.printable import printable
from verifier.report import defects, text
from verifier.report.evidence import Evidence
from verifier.report.ledger import ledger


def story(violation: Violation, judgement: Judgement, history: History) -> str:
    """The violation with its proof. One that follows from another is told with what it follows from."""
    entries = {name: entry for entry in ledger(history) for name in entry.attempts}
    found = next(entry for entry in defects.added(judgement) if violation in entry.every)
    lines = text.defect_block(1, found, Evidence(history), entries)
    lines[0] = lines[0].removeprefix("1. ")
    if found.shown is not violation:
        lines = [text.brief(violation), "follows from:", *lines]
    return printable("\n".join(lines))


def brief(violation: Violation, told_in: str) -> str:
    """The violation in a few lines, for the items after the one that told its story."""
    lines = [text.brief(violation), f"   Users: {violation.experience}", f"   The whole story is in {told_in}"]
    return printable("\n".join(lines))
