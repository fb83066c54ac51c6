"""What a code host can show beside the lines of a change: one issue for each defect and for each unknown.

An issue stands on the line of the matrix that declares the version, or else the service, that it is about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from verifier.checks.registered import GUARANTEES
from verifier.checks.verdict import Judgement
from verifier.history.model import History
from verifier.printable import one_line, printable
from verifier.report import defects
from verifier.report import phrasing as words

Level = Literal["error", "warning", "note"]
LASTING = {entry.name for entry in GUARANTEES if entry.lasting}
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Issue:
    """`rule` is the guarantee, or `unknown`. `fingerprint` stays the same from release to release: it has no version.

    `lasting`: something was lost or doubled, and no retry puts it right. `line` counts from 1.
    """

    level: Level
    rule: str
    title: str
    text: str
    file: str
    line: int
    fingerprint: str
    lasting: bool = False


def issues(judgement: Judgement, history: History) -> Iterator[Issue]:
    """What the deployment adds comes first, then what could not be verified, then what does not fail the run."""
    for defect in defects.added(judgement):
        yield _of_defect("error", defect, history)
    for sentence in judgement.unknowns:
        level: Level = "error" if judgement.verdict == UNKNOWN else "warning"
        yield _issue(level, (UNKNOWN, "", sentence), "not verified", sentence, _place(history, "", ()))
    for defect in (*defects.earlier(judgement), *defects.unconfirmed(judgement)):
        yield _of_defect("note", defect, history)


def _of_defect(level: Level, defect: defects.Defect, history: History) -> Issue:
    shown = defect.shown
    text = (
        f"{shown.message} (first in {shown.first}; {words.explanation(shown)}). "
        f"Users would have seen: {defect.gravest.experience}. Reproduce: {shown.reproduce}"
    )
    names = (shown.guarantee, shown.service, shown.operation)
    return _issue(level, names, defect.title, text, _place(history, shown.service, shown.versions))


def _issue(level: Level, names: tuple[str, str, str], title: str, text: str, place: tuple[str, int]) -> Issue:
    """`names` are the rule, the service and the operation, which tell issues apart."""
    fingerprint = hashlib.sha256("\0".join((place[0], *names)).encode("utf-8", "replace")).hexdigest()
    return Issue(level, names[0], one_line(title), printable(text), *place, fingerprint, names[0] in LASTING)


def _place(history: History, service: str, versions: tuple[str, ...]) -> tuple[str, int]:
    """The matrix, and the line of the newest of the versions in it, of the service, or the first one."""
    lines = {(entry, version): line for entry, version, line in history.run.lines}
    found = (lines.get((service, version)) for version in (*reversed(versions), ""))
    return printable(history.run.file or f"{history.run.matrix}.yaml"), next((line for line in found if line), 1)
