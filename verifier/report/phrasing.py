"""The wording that reports share: mixtures, symbols, sentences, and recorded text made safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from verifier.checks.registered import GUARANTEES
from verifier.checks.verdict import Judgement, StepVerdict, Violation
from verifier.history.model import Replicas
from verifier.plan.model import LeftOut

HEADS = {guarantee.name: guarantee.head for guarantee in GUARANTEES}
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


def left_out(item: LeftOut) -> str:
    """What was not covered: `left out for the budget: 3 of 90 faulted replays`."""
    if item.total:
        return f"left out {item.why}: {item.count} of {item.total} {item.what}"
    return f"left out: {item.count} × {item.what}: {item.why}"


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


def explanation(violation: Violation) -> str:
    """What the attribution of a violation means, with the versions and the migration that it is about."""
    return violation.explanation or ATTRIBUTIONS[violation.attribution]


def rate(violation: Violation) -> str:
    """How often a violation was seen, and whether the confirmation saw it again; "" if the tries were not counted.

    `Seen in 27 of 634 tries; with all old 0 of 937. Confirmed by repetition.`
    """
    if not violation.rate:
        return ""
    again = {True: " Confirmed by repetition.", False: " Not confirmed by repetition.", None: ""}
    return f"{violation.rate[0].upper()}{violation.rate[1:]}.{again[violation.confirmed]}"
