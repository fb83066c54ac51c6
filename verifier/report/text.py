"""The report for a terminal: the verdict, steps × guarantees, and for each violation its proof."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import chain

from tabulate import tabulate

from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import History, Operation, Timing
from verifier.plan.model import Coverage, Plan
from verifier.printable import one_line, printable
from verifier.report import accepted, counting, defects, rolling_back, summary
from verifier.report import phrasing as words
from verifier.report.bodies import excerpt
from verifier.report.evidence import Evidence, Row, rows
from verifier.report.format import Format
from verifier.report.ledger import QUIET, LedgerEntry, ledger
from verifier.report.phrasing import shortened

IN_FULL = 8  # violations shown with their proof; the others get one line each
ROWS = 12  # operations shown of one proof
CONSEQUENCES = 6  # further consequences of one cause that get one line each
REFUSALS = 2  # bodies of refused requests quoted for one proof
UNUSED = "Breaks of the contracts that hurt no caller of this run (do not fail it)"
TOLERATED = 6  # tolerated differences that get a line each
WIDTH = 110


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """The report as plain text that ends with a newline. The only control characters are newlines."""
    evidence = Evidence(history)
    entries = {name: entry for entry in ledger(history) for name in entry.attempts}
    added = defects.added(judgement)
    blocks: list[list[str]] = [headline(judgement, history, plan), table(judgement, history)]
    blocks += [defect_block(number, defect, evidence, entries) for number, defect in enumerate(added[:IN_FULL], 1)]
    for title, found in (
        ("More defects", added[IN_FULL:]),
        ("Already present before the rollout (does not fail it)", defects.earlier(judgement)),
        ("Not confirmed by repetition (does not fail the run)", defects.unconfirmed(judgement)),
    ):
        if found:
            blocks.append([title, *chain.from_iterable(listed(item) for item in found)])
    if work := accepted.lines(history):
        blocks.append(["Accepted work", *chain.from_iterable(wrapped(sentence, "  ") for sentence in work)])
    if judgement.unknowns:
        blocks.append(["Not verified", *(line for entry in judgement.unknowns for line in wrapped(f"? {entry}", "  "))])
    if judgement.tolerated:
        blocks.append(["Tolerated", *(f"  {line}" for line in tolerated(judgement))])
    if points := rolling_back.points(judgement):
        said = chain.from_iterable(wrapped(str(point), "  ") for point in points)
        blocks.append(["Point of no return", *said])
    if orders := summary.orders(plan, judgement, history):
        blocks.append(["From the contracts", *chain.from_iterable(wrapped(sentence, "  ") for sentence in orders)])
    if judgement.unused:
        blocks.append([UNUSED, *chain.from_iterable(wrapped(told, "  ") for told in unused(judgement))])
    blocks.append([*coverage_lines(judgement.coverage), *notes(history), sent_line(history), timing_line(timing)])
    return printable("\n\n".join("\n".join(block) for block in blocks)) + "\n"


def tolerated(judgement: Judgement) -> list[str]:
    """The differences that are no defects, most frequent first, each with its reason."""
    shown = [f"{entry.count} × {entry.place}: {entry.reason}" for entry in judgement.tolerated[:TOLERATED]]
    more = len(judgement.tolerated) - len(shown)
    return [shortened(one_line(line), WIDTH - 2) for line in shown] + (
        [f"and {more} more, in verdict.json"] if more else []
    )


def headline(judgement: Judgement, history: History, plan: Plan) -> list[str]:
    lines = [
        f"{judgement.verdict.upper()}  {plan.matrix} · {history.run.runtime} runtime · seed {plan.seed} · "
        f"{words.counted(len(judgement.steps), 'step')}, {words.counted(len(history.operations), 'operation')}",
        *wrapped(summary.sentence(judgement), ""),
    ]
    back = rolling_back.going_back(judgement)
    return [*lines, *wrapped(back, "")] if back else lines


def unused(judgement: Judgement) -> list[str]:
    """Breaks between contracts that hurt no caller of this run; at most IN_FULL of them."""
    more = len(judgement.unused) - IN_FULL
    return [*judgement.unused[:IN_FULL], *([f"… and {more} more, all in verdict.json"] if more > 0 else [])]


def table(judgement: Judgement, history: History) -> list[str]:
    """Steps × guarantees. A step whose verdict has no violation and no pass is unknown."""
    names = words.guarantees(judgement)
    header = ["", "step", "", "mixture", *words.heads(names)]
    body = [
        [words.SYMBOLS[step.verdict], step.id, step.kind, words.mixture(step.state),
         *(words.SYMBOLS[words.cell(judgement, step, name)] for name in names)]
        for step in judgement.steps
    ]  # fmt: skip
    align = ("left",) * 4 + ("center",) * len(names)
    lines = grid(body, header, align)
    legend = ", ".join(f"{head} = {name}" for head, name in zip(words.heads(names), names, strict=True) if head != name)
    stopped = chain.from_iterable(wrapped(sentence, "") for sentence in summary.not_completed(judgement))
    again = wrapped(summary.confirmed(judgement, history), "")
    return [*lines, *wrapped(words.LEGEND, ""), *(wrapped(legend, "") if legend else []), *stopped, *again]


def grid(body: list[list[str]], header: list[str], align: tuple[str, ...] = ()) -> list[str]:
    """A table of plain text. Numbers are not reformatted, lines are not wrapped. `align` has an entry per column."""
    safe = [[one_line(value) for value in row] for row in (header, *body)]
    # The header is passed as a row, because tabulate makes columns with headers two characters wider.
    drawn = tabulate(safe, tablefmt="plain", disable_numparse=True, colalign=align or ("left",) * len(header))
    first, *rest = (line.rstrip() for line in drawn.split("\n"))
    return [first, "─" * max(len(line) for line in (first, *rest)), *rest]


def defect_block(number: int, defect: defects.Defect, evidence: Evidence, entries: dict[str, LedgerEntry]) -> list[str]:
    """The cause with its consequences, or the one violation, with its proof."""
    violation = defect.shown
    shown = rows(evidence, violation)
    often = f"{words.counted(violation.count, 'time')} in {words.counted(len(violation.steps), 'step')}"
    shown_in = f", here in {violation.step}" if violation.step != violation.first else ""
    head = f"{violation.guarantee} · {violation.attribution} · {words.subject(violation)}"
    lines = [
        *([f"{number}. {violation.cause}", f"   {head}"] if violation.cause else [f"{number}. {head}"]),
        *wrapped(f"First in {violation.first}, seen {often}{shown_in}: {words.explanation(violation)}.", "   "),
        *wrapped(words.rate(violation), "   "),
        *wrapped(violation.message, "   "),
        *reason(violation, "   "),
        *wrapped(f"What the user would have seen: {violation.experience}", "   "),
        *proof(shown, "   "),
        *refusals(shown, "   "),
    ]
    if len(violation.steps) > 1:
        lines += wrapped(f"Steps: {words.listed(violation.steps, 12)}", "   ")
    for advice in safe_now(violation, entries):
        lines += wrapped(f"Next step: {advice}", "   ")
    return [*lines, f"   Reproduce: {violation.reproduce}", *(f"   {line}" for line in consequences(defect))]


def reason(violation: Violation, indent: str) -> list[str]:
    """What the log of what failed says; [] if that is not known."""
    lines = [f"{indent}  {shortened(one_line(line), 2 * WIDTH)}" for line in violation.reason.splitlines()]
    return [f"{indent}The log says:", *lines] if lines else []


def listed(defect: defects.Defect) -> list[str]:
    """A defect in a few lines, without its proof."""
    return [f"  {brief(defect.shown)}", *wrapped(words.rate(defect.shown), "    "), *reason(defect.shown, "    "),
            *(f"  {line}" for line in consequences(defect))]  # fmt: skip


def proof(shown: tuple[Row, ...], indent: str) -> list[str]:
    """The operations of a proof as a table, in causal order; at most ROWS of them."""
    if not shown:
        return []
    steps = {row.step for row in shown}
    header = ["time", *(["step"] if len(steps) > 1 else []), "who", "request", "served by", "response", "effect, fault"]
    body = [
        [f"{row.at:.3f} s", *([row.step] if len(steps) > 1 else []), row.who, shortened(row.what, 60), row.served,
         row.answer, shortened(row.effect, 60)]
        for row in shown[:ROWS]
    ]  # fmt: skip
    more = [f"{indent}… and {len(shown) - ROWS} more"] if len(shown) > ROWS else []
    return [*(f"{indent}{line}" for line in grid(body, header)), *more]


def refusals(shown: tuple[Row, ...], indent: str) -> list[str]:
    """The bodies of the first error responses of a proof."""
    found: list[str] = []
    for entry in (row.entry for row in shown):
        if isinstance(entry, Operation) and entry.response is not None and entry.response.status >= 400:
            body = excerpt(entry.response.headers, entry.response.body, WIDTH)
            found.append(f"{indent}{entry.response.status} response: {body}" if body else "")
    return [line for line in dict.fromkeys(found) if line][:REFUSALS]


def safe_now(violation: Violation, entries: dict[str, LedgerEntry]) -> list[str]:
    """The advice of the ledger for the writes of a proof that need attention."""
    proving = (entries[name] for name in violation.evidence if name in entries)
    return list(dict.fromkeys(entry.safe_now for entry in proving if entry.write and entry.happened not in QUIET))


def consequences(defect: defects.Defect) -> list[str]:
    """How many further consequences a defect has, and a line for each of the first."""
    if not defect.others:
        return []
    more = len(defect.others) - CONSEQUENCES
    lines = [f"{defects.further(defect)}:", *(f"  {brief(other)}" for other in defect.others[:CONSEQUENCES])]
    return [*lines, *([f"  … and {more} more, all in verdict.json"] if more > 0 else [])]


def brief(violation: Violation) -> str:
    """A violation in one line."""
    return shortened(
        f"{violation.guarantee} · {violation.attribution} · {words.subject(violation)} · {violation.step}"
        f" (×{violation.count}): {one_line(violation.message)}",
        2 * WIDTH,
    )


def coverage_lines(coverage: Coverage) -> list[str]:
    counts = [
        ("states", coverage.states),
        ("transitions", coverage.transitions),
        ("routes (operation pair × version pair)", coverage.routes),
        ("faults (operation × fault × version pair)", coverage.faults),
    ]
    covered = [f"  {count.covered} of {count.total} {what}" for what, count in counts]
    left = chain.from_iterable(wrapped(words.left_out(item), "  ") for item in coverage.left_out)
    return ["Covered", *covered, *left]


def notes(history: History) -> list[str]:
    """The number of notes of each kind, with the first one as an example."""
    kinds: dict[str, list[str]] = {}
    for note in history.notes:
        kinds.setdefault(note.kind, []).append(note.message)
    lines: list[str] = []
    for kind, messages in kinds.items():
        lines += wrapped(f"notes: {len(messages)} × {kind}, for example: {shortened(messages[0], WIDTH)}", "  ")
    return lines


def sent_line(history: History) -> str:
    every = counting.total(counting.count(history))
    return (
        f"Sent {every.sent} requests: {every.answered} with a response, {every.unanswered} without. "
        f"Services made {every.inner} calls to each other and to partners."
    )


def timing_line(timing: Timing) -> str:
    return (
        f"Took {timing.total_s:.1f} s: {timing.boot_s:.1f} s starting and stopping, "
        f"{timing.replay_s:.1f} s replaying, {timing.judge_s:.1f} s judging"
    )


def wrapped(text: str, indent: str) -> list[str]:
    """Lines of at most WIDTH characters. Longer words stay whole, so that URLs can be copied."""
    found: Iterable[str] = textwrap.wrap(
        one_line(text), WIDTH, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return list(found)


TEXT = Format("text", render)
