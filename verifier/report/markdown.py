"""The report as a pull request comment: short, with the proofs folded."""

from __future__ import annotations

import re

from verifier.checks.verdict import Judgement
from verifier.history.model import History, Timing
from verifier.plan.model import Plan
from verifier.printable import one_line, printable
from verifier.report import accepted, defects, rolling_back, summary
from verifier.report import phrasing as words
from verifier.report.evidence import Evidence, rows
from verifier.report.format import Format
from verifier.report.ledger import LedgerEntry, ledger
from verifier.report.phrasing import shortened
from verifier.report.text import (
    IN_FULL,
    UNUSED,
    consequences,
    coverage_lines,
    proof,
    reason,
    safe_now,
    sent_line,
    timing_line,
    tolerated,
    unused,
)  # fmt: skip

SIGNS = {"pass": "✅", "fail": "❌", "before": "⚠️", "unknown": "❔", "": "–"}
ACTIVE = re.compile(r"([\\`*_\[\]<>|~$])")
LINKED = re.compile(r"([@#&])|(?<=:)(//)|(?<=www)(\.)", re.IGNORECASE)
MOST = 60_000  # characters; comments are refused beyond 65,536


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """GitHub-flavoured Markdown that ends with a newline, short enough for one comment."""
    evidence = Evidence(history)
    entries = {name: entry for entry in ledger(history) for name in entry.attempts}
    added = defects.added(judgement)
    head = [
        f"## {SIGNS[judgement.verdict]} {judgement.verdict}: rollout of {plain(plan.matrix)}",
        "",
        plain(summary.sentence(judgement)),
        *([" ".join(("", plain(back))).strip()] if (back := rolling_back.going_back(judgement)) else []),
        "",
        f"{code(history.run.runtime)} runtime, seed {plan.seed}, {words.counted(len(judgement.steps), 'step')}, "
        f"{words.counted(len(history.operations), 'operation')}",
        "",
    ]
    stopped = [f"- {plain(told)}" for told in summary.not_completed(judgement)[: 3 * IN_FULL]]
    parts = [head, [*stopped, ""] if stopped else [], _summary(added)]
    parts += [_defect(defect, evidence, entries) for defect in added[:IN_FULL]]
    parts.append(_unknowns(judgement))
    if orders := summary.orders(plan, judgement, history):
        parts.append(
            ["**From the contracts**", "", *(f"{plain(shortened(sentence, 1000))}  " for sentence in orders), ""]
        )
    parts.append(_table(judgement, history))
    if points := rolling_back.points(judgement):
        parts.append(folded("Point of no return", [f"- {plain(shortened(str(point), 500))}" for point in points]))
    if work := accepted.lines(history):
        parts.append(folded("Accepted work", [f"- {plain(line)}" for line in work]))
    parts.append(_folded_defects("already present before the rollout (does not fail it)", defects.earlier(judgement)))
    parts.append(_folded_defects("not confirmed by repetition (does not fail it)", defects.unconfirmed(judgement)))
    if judgement.tolerated:
        parts.append(folded("Tolerated", [f"- {plain(line)}" for line in tolerated(judgement)]))
    if judgement.unused:
        parts.append(folded(UNUSED, [f"- {plain(shortened(line, 500))}" for line in unused(judgement)]))
    coverage = [*coverage_lines(judgement.coverage)[1:], "", sent_line(history), timing_line(timing)]
    parts.append(folded("Coverage and timing", fence("\n".join(coverage))))
    return fitting(parts)


def fitting(parts: list[list[str]]) -> str:
    """The parts in order, without those that would make the comment too long. The text says how many are missing."""
    lines: list[str] = []
    size = left_out = 0
    for part in parts:
        length = sum(len(line) + 1 for line in part)
        if size + length > MOST:
            left_out += 1
            continue
        size += length
        lines += part
    if left_out:
        lines.append(
            f"_{words.counted(left_out, 'part')} omitted: too long for one comment. report.html has everything._"
        )
    return "\n".join(lines).rstrip() + "\n"


def _summary(found: list[defects.Defect]) -> list[str]:
    if not found:
        return []
    lines = [
        "| guarantee | attribution | where | first in | seen | what users would have seen |",
        "|---|---|---|---|---|---|",
    ]
    for defect in found[: 3 * IN_FULL]:
        violation, others = defect.shown, len(defect.others)
        more = f" (and {words.counted(others, 'further consequence')} of the same cause)" if others else ""
        where = violation.cause or words.subject(violation)
        cells = (
            violation.guarantee, violation.attribution, where, violation.first, f"{violation.count}×",
            defect.gravest.experience + more,
        )  # fmt: skip
        lines.append("| " + " | ".join(plain(shortened(value, 200)) for value in cells) + " |")
    left = len(found) - 3 * IN_FULL
    return [*lines, "", *([f"… and {left} more", ""] if left > 0 else [])]


def _defect(defect: defects.Defect, evidence: Evidence, entries: dict[str, LedgerEntry]) -> list[str]:
    violation, told = defect.shown, [f"- {plain(line.strip())}" for line in consequences(defect)[1:]]
    head = f"{violation.guarantee} · {violation.attribution} · {words.subject(violation)}"
    inside = [
        plain(f"{head}: {words.explanation(violation)}. {words.rate(violation)}".rstrip()),
        "",
        plain(shortened(violation.message, 1000)),
        "",
        *fence("\n".join(reason(violation, ""))),
        *fence("\n".join(proof(rows(evidence, violation), ""))),
        "",
        f"Steps: {plain(words.listed(violation.steps, 12))}  ",
        *(f"Next step: {plain(advice)}  " for advice in safe_now(violation, entries)),
        f"Reproduce: {code(violation.reproduce)}",
        *(["", f"{plain(defects.further(defect))}:", "", *told] if told else []),
    ]
    return folded(violation.cause or head, inside)


def _unknowns(judgement: Judgement) -> list[str]:
    if not judgement.unknowns:
        return []
    shown = [f"- {plain(shortened(sentence, 500))}" for sentence in judgement.unknowns[: 3 * IN_FULL]]
    more = len(judgement.unknowns) - len(shown)
    return ["**Not verified**", "", *shown, *([f"- … and {more} more"] if more else []), ""]


def _table(judgement: Judgement, history: History) -> list[str]:
    names = words.guarantees(judgement)
    lines = ["| | step | | mixture | " + " | ".join(plain(name) for name in names) + " |"]
    lines.append("|---|---|---|---|" + ":-:|" * len(names))
    for step in judgement.steps:
        cells = " | ".join(SIGNS[words.cell(judgement, step, name)] for name in names)
        mixture = plain(words.mixture(step.state))
        lines.append(f"| {SIGNS[step.verdict]} | {plain(step.id)} | {plain(step.kind)} | {mixture} | {cells} |")
    legend = "✅ holds · ❌ violated · ⚠️ violated, but already before the rollout · – not exercised · ❔ unknown"
    again = summary.confirmed(judgement, history)
    return folded("Steps × guarantees", [*lines, "", legend, *(["", again] if again else [])])


def _folded_defects(title: str, found: list[defects.Defect]) -> list[str]:
    if not found:
        return []
    lines = []
    for defect in found[: 3 * IN_FULL]:
        violation, more = defect.shown, defects.further(defect)
        cause = f"{violation.cause}: " if violation.cause else ""
        said = f"{shortened(violation.message, 300)} {words.rate(violation)}{f' {more}.' if more else ''}"
        lines.append(
            f"- {plain(cause)}{plain(violation.guarantee)} · {plain(words.subject(violation))} (×{violation.count}): "
            f"{plain(said.rstrip())}"
        )
        lines += [f"  {line}" for line in fence("\n".join(reason(violation, "")))]
    return folded(f"{len(found)} {title}", lines)


def folded(title: str, inside: list[str]) -> list[str]:
    return ["<details>", f"<summary>{plain(title)}</summary>", "", *inside, "", "</details>", ""]


def fence(text: str) -> list[str]:
    """A code block whose fence is longer than any run of backticks in the text."""
    if not text:
        return []
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return [f"{marks}text", printable(text), marks]


def code(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{marks}{pad}{one_line(text)}{pad}{marks}"


def plain(text: str) -> str:
    """Text escaped for Markdown, so that it contains no markup, HTML, mention or link."""
    escaped = ACTIVE.sub(r"\\\1", one_line(text))
    return LINKED.sub(lambda found: f"&#{ord(found[0][0])};\u2060{found[0][1:]}", escaped)


MARKDOWN = Format("markdown", render)
