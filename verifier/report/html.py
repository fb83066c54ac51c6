"""The report as one self-contained page. It loads nothing and runs no script.

Recorded traffic is untrusted. Every value is escaped, control characters are made visible, secrets are omitted, and
the content security policy of the page forbids scripts and loading.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from verifier.checks.verdict import Judgement, StepVerdict, Violation
from verifier.history.model import History, Operation, Timing
from verifier.plan.model import Plan
from verifier.printable import printable
from verifier.report import defects, phrasing, rolling_back, summary
from verifier.report.bodies import Message, message
from verifier.report.counting import count
from verifier.report.defects import Defect
from verifier.report.drawing import Drawing, draw
from verifier.report.evidence import Evidence, Row, rows
from verifier.report.experiences import MANNERS, experiences
from verifier.report.format import Format
from verifier.report.ids import by_violation
from verifier.report.ledger import QUIET, LedgerEntry, ledger, noteworthy
from verifier.report.text import UNUSED, safe_now
from verifier.report.timeline import Timeline, Timelines
from verifier.report.version_pairs import calls, service_matrices

IN_FULL = 60  # violations with their proof
ROWS = 20  # operations of one proof
ENTRIES = 250  # operations of the ledger


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of steps × guarantees; `target` is the anchor of the violation that it links to."""

    state: str
    symbol: str
    target: str
    title: str


@dataclass(frozen=True, slots=True)
class StepRow:
    step: StepVerdict
    anchor: str
    symbol: str
    mixture: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ShownProof:
    """A row of a proof with its messages. They are None for replica events; `response` is None if none arrived."""

    row: Row
    request: Message | None
    response: Message | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A violation on the page."""

    anchor: str
    violation: Violation
    subject: str
    proofs: tuple[ShownProof, ...]
    more: int
    advice: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]  # id, anchor
    timeline: Timeline | None
    id: str


@dataclass(frozen=True, slots=True)
class ShownDefect:
    """A defect on the page: its cause first, and `further` says how many consequences follow it."""

    defect: Defect
    further: str
    items: list[Shown]


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """The page as text. Equal values give equal text."""
    names = phrasing.guarantees(judgement)
    anchors = {step.id: f"step-{number}" for number, step in enumerate(judgement.steps, 1)}
    every = [
        (defect, violation)
        for found in (defects.added(judgement), defects.earlier(judgement), defects.unconfirmed(judgement))
        for defect in found
        for violation in defect.every
    ]
    shown = [(f"v{number}", violation) for number, (_, violation) in enumerate(every, 1)]
    entries = ledger(history)
    listed = noteworthy(entries)
    found = _defects(every, _shown(shown, judgement, history, entries, anchors))
    adding = len(defects.added(judgement))
    values: dict[str, Any] = {
        "judgement": judgement,
        "history": history,
        "plan": plan,
        "timing": timing,
        "sentence": summary.sentence(judgement),
        "back": rolling_back.going_back(judgement),
        "points": rolling_back.points(judgement),
        "confirmed": summary.confirmed(judgement, history),
        "orders": summary.orders(plan, judgement, history),
        "guarantees": names,
        "rows": [_row(step, anchors[step.id], names, judgement, shown) for step in judgement.steps],
        "drawings": _drawings(judgement, history, plan, anchors),
        "versions": _legend(history),
        "defects": found[:adding],
        "others": found[adding:],
        "experiences": experiences(judgement, history),
        "manners": MANNERS,
        "services": service_matrices(judgement, history),
        "calls": calls(history),
        "ledger": sorted(listed, key=lambda entry: entry.happened in QUIET)[
            :ENTRIES
        ],  # entries that need attention come first
        "happened": Counter(entry.happened for entry in listed),
        "notes": _notes(history),
        "sessions": count(history),
        "symbols": phrasing.SYMBOLS,
        "explanation": phrasing.explanation,
        "rate": phrasing.rate,
        "legend": phrasing.LEGEND,
        "unused": UNUSED,
    }
    return template("page.html").render(values).rstrip() + "\n"


def _defects(every: list[tuple[Defect, Violation]], shown: list[Shown]) -> list[ShownDefect]:
    """The violations of each defect together; `every` and `shown` have the same violations in the same order."""
    found: dict[int, ShownDefect] = {}
    for (defect, _), item in zip(every, shown, strict=True):
        found.setdefault(id(defect), ShownDefect(defect, defects.further(defect), [])).items.append(item)
    return list(found.values())


@cache
def template(name: str) -> Template:
    """A template of this package. It escapes every value and makes control characters visible."""
    environment = Environment(
        loader=PackageLoader("verifier", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    return environment.get_template(name)


def _row(
    step: StepVerdict, anchor: str, names: list[str], judgement: Judgement, shown: list[tuple[str, Violation]]
) -> StepRow:
    cells = []
    for name in names:
        state = phrasing.cell(judgement, step, name)
        here = [(target, found) for target, found in shown if found.guarantee == name and step.id in found.steps]
        title = "; ".join(f"{found.attribution}: {found.experience}" for _, found in here[:3])
        cells.append(Cell(state, phrasing.SYMBOLS[state], here[0][0] if here else "", title))
    return StepRow(step, anchor, phrasing.SYMBOLS[step.verdict], phrasing.mixture(step.state), tuple(cells))


def _drawings(judgement: Judgement, history: History, plan: Plan, anchors: dict[str, str]) -> list[Drawing]:
    """The rollout first, then the controls."""
    verdicts = {step.id: step.verdict for step in judgement.steps}
    paths = sorted((path for path in plan.paths if path.steps), key=lambda path: path.kind != "rollout")
    return [draw(path, history.run.services, verdicts, anchors) for path in paths]


def _legend(history: History) -> list[tuple[str, str]]:
    """The legend: which colour stands for which versions."""
    changed = [service for service in history.run.services if service.old != service.new]
    found = [
        ("old", phrasing.listed((f"{service.name} {service.old}" for service in changed), 6)),
        ("new", phrasing.listed((f"{service.name} {service.new}" for service in changed), 6)),
    ]
    kept = [service for service in history.run.services if service.old == service.new]
    if any(len(service.versions) > 2 for service in changed):
        found.append(("mid", "intermediate versions"))
    if kept:
        found.append(("same", phrasing.listed((f"{service.name} {service.old}" for service in kept), 6)))
    return [(tone, text) for tone, text in found if text]


def _shown(
    found: list[tuple[str, Violation]],
    judgement: Judgement,
    history: History,
    entries: tuple[LedgerEntry, ...],
    anchors: dict[str, str],
) -> list[Shown]:
    """All violations. Those beyond the first IN_FULL have no proof and no timeline."""
    evidence, names = Evidence(history), by_violation(judgement)
    timelines = Timelines(evidence, history)
    by_attempt = {name: entry for entry in entries for name in entry.attempts}
    shown = []
    for number, (anchor, violation) in enumerate(found):
        proof = rows(evidence, violation)
        kept = proof[:ROWS] if number < IN_FULL else ()
        shown.append(
            Shown(
                anchor,
                violation,
                phrasing.subject(violation),
                tuple(_proof(row) for row in kept),
                len(proof) - len(kept),
                tuple(safe_now(violation, by_attempt)),
                tuple((step, anchors.get(step, "")) for step in violation.steps),
                timelines.draw(violation) if number < IN_FULL else None,
                names[id(violation)],
            )
        )
    return shown


def _proof(row: Row) -> ShownProof:
    operation = row.entry
    if not isinstance(operation, Operation):
        return ShownProof(row, None, None)
    response = operation.response
    return ShownProof(
        row,
        message(operation.request.headers, operation.request.body),
        message(response.headers, response.body) if response else None,
    )


def _notes(history: History) -> list[tuple[str, int, list[str]]]:
    """Notes by kind: their number, and the first few."""
    kinds: dict[str, list[str]] = {}
    for note in history.notes:
        kinds.setdefault(note.kind, []).append(f"{note.operation or note.step}: {note.message}")
    return [(kind, len(texts), texts[:5]) for kind, texts in kinds.items()]


HTML = Format("html", render, "report.html")
