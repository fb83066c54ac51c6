"""The wording that reports share: mixtures, symbols, sentences, and recorded text made safe to print."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from verifier.checks.registered import GUARANTEES
from verifier.checks.verdict import ROLLBACK, Judgement, StepVerdict, Violation
from verifier.history.model import Replicas
from verifier.plan.model import Plan

HEADS = {guarantee.name: guarantee.head for guarantee in GUARANTEES}
SEVERITY = {guarantee.name: guarantee.severity for guarantee in GUARANTEES}
SYMBOLS = {"pass": "✓", "fail": "✗", "before": "!", "unknown": "?", "": "–"}
LEGEND = "✓ holds · ✗ violated · ! violated, but already before the rollout · – not exercised · ? unknown"
ATTRIBUTIONS = {
    "mixed": "it appears only while versions are mixed",
    "rollback": "the old version shows it on data that the new version wrote",
    "migration": "the old version shows it after the migration, before any new replica runs",
    "upgrade": "the new version shows it on data that the old version wrote",
    "new-version": "the new version alone shows it",
    "pre-existing": "the old version alone already shows it",
}


def printable(text: str) -> str:
    """The text with every control, format and private-use character escaped, except newlines.

    Recorded traffic is untrusted. An escape sequence must not reach a terminal, and a right-to-left override must not
    reach a reader.
    """
    return "".join(_shown(character) for character in text)


def one_line(text: str) -> str:
    """Printable, with newlines as spaces."""
    return printable(" ".join(text.split("\n")))


def _shown(character: str) -> str:
    point = ord(character)
    category = unicodedata.category(character)
    if character == "\n" or (category not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and point & 0xFFFE != 0xFFFE):
        return character
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def mixture(state: Iterable[Replicas]) -> str:
    """`orders 1×1.4 + 1×2.0, payments 1×1.3`."""
    services: dict[str, list[str]] = {}
    for entry in state:
        services.setdefault(entry.service, []).append(f"{entry.count}×{entry.version}")
    return ", ".join(f"{name} {' + '.join(versions)}" for name, versions in services.items())


def heads(guarantees: Sequence[str]) -> list[str]:
    """A short, unique column head for each guarantee. Unknown names are shortened, and numbered if they collide."""
    found: list[str] = []
    for name in guarantees:
        short = HEADS.get(name, shortened(name, 7))
        numbered = (f"{short}{number}" for number in range(2, len(found) + 3))
        found.append(short if short not in found else next(head for head in numbered if head not in found))
    return found


def counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(items: Iterable[str], most: int) -> str:
    """At most `most` items, followed by the number of further ones."""
    every = list(items)
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more} more" if more > 0 else "")


def subject(violation: Violation) -> str:
    """`orders 1.4 + 2.1 · placeOrder`; with the workers that were there: `· with mailer 1×1.4 ·`."""
    versions = " + ".join(violation.versions)
    workers = f"with {mixture(violation.workers)}" if violation.workers else ""
    parts = (f"{violation.service} {versions}".strip(), workers, violation.operation)
    return " · ".join(part for part in parts if part)


def guarantees(judgement: Judgement) -> list[str]:
    """The columns of the table: every guarantee that was exercised in some step, or violated."""
    order = dict.fromkeys(name for step in judgement.steps for name, _ in step.guarantees)
    ran = {name for step in judgement.steps for name, state in step.guarantees if state}
    violated = dict.fromkeys(violation.guarantee for violation in judgement.violations)
    return [name for name in (*order, *(name for name in violated if name not in order)) if name in ran | set(violated)]


def cell(judgement: Judgement, step: StepVerdict, guarantee: str) -> str:
    """pass, fail, before (the old version alone violates it too), or "" if it was not exercised."""
    state = dict(step.guarantees).get(guarantee, "")
    if state != "fail" and any(
        violation.attribution == "pre-existing"
        for violation in judgement.violations
        if violation.guarantee == guarantee and step.id in violation.steps
    ):
        return "before"
    return state


def added(judgement: Judgement) -> list[Violation]:
    """The violations that the deployment adds. Only these fail it."""
    return [violation for violation in judgement.violations if violation.fails]


def earlier(judgement: Judgement) -> list[Violation]:
    return [violation for violation in judgement.violations if violation.attribution == "pre-existing"]


def unconfirmed(judgement: Judgement) -> list[Violation]:
    """Violations that the confirmation tried to reproduce and did not. They are reported and do not fail the run."""
    return [entry for entry in judgement.violations if entry.attribution != "pre-existing" and not entry.fails]


def rate(violation: Violation) -> str:
    """How often a defect was seen, and whether the confirmation saw it again; "" if the tries were not counted."""
    if not violation.rate:
        return ""
    again = {True: "; confirmed by repetition", False: "; not seen again when repeated", None: ""}
    return f"{violation.rate}{again[violation.confirmed]}"


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect: its most severe violation, and the other violations with the same cause."""

    shown: Violation
    others: tuple[Violation, ...] = ()


def defects(found: Iterable[Violation]) -> list[Defect]:
    """Violations grouped by cause, in the order given. A violation without a known cause is a defect of its own."""
    groups: dict[object, list[Violation]] = {}
    for number, violation in enumerate(found):
        groups.setdefault(violation.cause or number, []).append(violation)
    every = [(min(group, key=_gravity), group) for group in groups.values()]
    return [Defect(shown, tuple(other for other in group if other is not shown)) for shown, group in every]


def further(defect: Defect) -> str:
    """The cause of a defect and how many other violations it explains; "" if it explains none."""
    if not defect.others:
        return ""
    times = counted(sum(other.count for other in defect.others), "time")
    number = counted(len(defect.others), "further consequence")
    return f"Cause: {defect.shown.cause}. It has {number}, seen {times}"


def _gravity(violation: Violation) -> int:
    """Sort key: the most severe violation comes first. Lasting damage is more severe than what a retry repairs."""
    return -SEVERITY.get(violation.guarantee, 0)


def sentence(judgement: Judgement) -> str:
    """The summary of the verdict, in one or two sentences."""
    broken = added(judgement)
    if broken:
        worst = min(broken, key=_gravity)
        names = list(dict.fromkeys(violation.guarantee for violation in broken))
        number = len(defects(broken))
        return (
            f"Do not deploy this way. {counted(number, 'defect')} {'violates' if number == 1 else 'violate'} "
            f"{counted(len(names), 'guarantee')} ({', '.join(names)}). "
            f"{'At worst, users' if len(names) > 1 else 'Users'} would have seen: {worst.experience} "
            f"(first seen in {worst.first}; {ATTRIBUTIONS[worst.attribution]})."
        )
    old = len(defects(earlier(judgement)))
    before = f" {counted(old, 'defect')} already existed in the old version." if old else ""
    if judgement.verdict == "unknown":
        items = counted(len(judgement.unknowns), "item")
        return f"No defect was found, but {items} could not be verified, so the verdict is not a pass.{before}"
    return f"The rollout broke nothing that was tested in {counted(len(judgement.steps), 'step')}.{before}"


def not_completed(judgement: Judgement) -> list[str]:
    """A sentence for each step that could not be completed, with the first line of its error."""
    return [
        f"{step.id} ({step.description}) was not completed: {shortened(step.error.strip().splitlines()[0], 300)}"
        for step in judgement.steps
        if step.error.strip()
    ]


def going_back(judgement: Judgement) -> str:
    """What a rollback does, in one or two sentences; "" if nothing was rolled back.

    A state after a rollback may show a new violation, or one from before the rollback. A violation that only live
    traffic sees there, while replicas are being replaced, counts as undone by the rollback.
    """
    after = [step for step in judgement.steps if step.phase == "rollback"]
    if not after:
        return ""
    own = [entry for entry in added(judgement) if entry.attribution == "rollback" or entry.guarantee == ROLLBACK]
    names = {name for entry in own for name in entry.steps}
    back = [step for step in after if step.kind != "go forward"]
    worse = [step for step in back if step.id in names]
    again = [step.id for step in after if step.kind == "go forward" and step.id in names]
    left = [step.id for step in back if step.verdict == "fail" and step not in worse]
    passing = [name for name in left if _only_passing(judgement, name)]
    still = [name for name in left if name not in passing]
    said = []
    if worse:
        said.append(_no_return(judgement, worse, len(back)))
    if still:
        said.append(f"Rolling back does not undo the damage: {listed(still, 4)} still {_shows(still)} it.")
    elif passing and not worse:
        said.append(
            f"Rolling back undoes it: {listed(passing, 4)} {_shows(passing)} it only while replicas are being replaced."
        )
    if again:
        said.append(f"Going forward again after a rollback is not safe: see {listed(again, 4)}.")
    unseen = [step.id for step in after if step.verdict == "unknown"]
    if not said and unseen:
        return f"Whether rolling back is safe is unknown: {listed(unseen, 4)} could not be verified."
    return " ".join(said) or f"Rolling back was safe in {counted(len(after), 'step')} after a rollback."


def _only_passing(judgement: Judgement, step: str) -> bool:
    """Whether all violations that the deployment adds in a step end once its replicas are replaced."""
    here = [violation for violation in added(judgement) if step in violation.steps]
    return bool(here) and all(step in violation.passing for violation in here)


def _shows(steps: Sequence[str]) -> str:
    return "shows" if len(steps) == 1 else "show"


def _no_return(judgement: Judgement, worse: Sequence[StepVerdict], tried: int) -> str:
    said = f"{len(worse)} of {counted(tried, 'rollback step')} violated a guarantee, first {worse[0].id}"
    last = _last_forward(judgement, worse[0])
    if last is None:
        return f"Rolling back is not safe: {said}."
    return f"Point of no return: {last.id} ({last.description}). Rolling back is not safe after it: {said}."


def _last_forward(judgement: Judgement, step: StepVerdict) -> StepVerdict | None:
    """The forward step that this rollback step undoes."""
    position = judgement.steps.index(step)
    before = (
        entry for entry in judgement.steps[:position][::-1] if entry.path == step.path and entry.phase == "forward"
    )
    return next(before, None)


def orders(plan: Plan) -> list[str]:
    """Which upgrade orders the contracts allow, or what to change first if none is safe; [] if nothing is known."""
    order = plan.declared.order
    if order is None:
        return []
    if order.orders:
        more = order.count - min(order.count, 4)
        safe = "; ".join(" → ".join(names) for names in order.orders[:4])
        return [f"Safe upgrade orders: {safe}{f' and {more} more' if more else ''}."]
    lines = [f"No upgrade order is safe. Conflicts: {'; '.join(order.in_the_way)}."]
    return lines + [
        f"{number}. {move.kind} {move.service}: {move.what}" for number, move in enumerate(order.sequence, 1)
    ]
