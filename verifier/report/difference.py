"""What has changed between two runs: verdict, violations, guarantees, coverage, versions and inputs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import History
from verifier.plan.model import Plan
from verifier.printable import printable
from verifier.report import phrasing as words
from verifier.report.ids import ids

GRAVER = ("", "pass", "before", "unknown", "fail")  # statuses of a guarantee in a step, and of a run
MOST = 20  # lines of one kind in the text


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs. `inputs` are digests of its matrix and contracts, by name."""

    judgement: Judgement
    history: History
    plan: Plan
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """Something that both runs have, with what it is in each."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ShownViolation:
    """A violation in a few words. `rate` says how often it was seen; `fails` is whether it fails its run."""

    id: str
    guarantee: str
    attribution: str
    service: str
    operation: str
    first: str
    count: int
    fails: bool
    rate: str
    experience: str


@dataclass(frozen=True, slots=True)
class Difference:
    """`new` and `gone` are violations of one run alone; `same` are those of both, as the later run shows them."""

    verdict: Changed
    new: tuple[ShownViolation, ...]
    gone: tuple[ShownViolation, ...]
    same: tuple[ShownViolation, ...]
    guarantees: tuple[Changed, ...]
    coverage: tuple[Changed, ...]
    versions: tuple[Changed, ...]
    inputs: tuple[Changed, ...]

    @property
    def worse(self) -> bool:
        """Whether the later run has a violation that fails it and is new, or a graver verdict."""
        order = GRAVER.index
        return any(entry.fails for entry in self.new) or order(self.verdict.after) > order(self.verdict.before)


def difference(before: Side, after: Side) -> Difference:
    """Compare two judged runs. Violations are equal if guarantee, attribution, service and operation are."""
    old, new = _violations(before.judgement), _violations(after.judgement)
    return Difference(
        verdict=Changed("verdict", before.judgement.verdict, after.judgement.verdict),
        new=tuple(entry for name, entry in new.items() if name not in old),
        gone=tuple(entry for name, entry in old.items() if name not in new),
        same=tuple(entry for name, entry in new.items() if name in old),
        guarantees=_changes(_guarantees(before.judgement), _guarantees(after.judgement)),
        coverage=_changes(_coverage(before.judgement), _coverage(after.judgement)),
        versions=_changes(_versions(before.history), _versions(after.history)),
        inputs=_changes(_inputs(before), _inputs(after)),
    )


def _violations(judgement: Judgement) -> dict[str, ShownViolation]:
    named = zip(ids(judgement), judgement.violations, strict=True)
    return {name: _shown(name, violation) for name, violation in named}


def _shown(name: str, found: Violation) -> ShownViolation:
    return ShownViolation(
        name, found.guarantee, found.attribution, found.service, found.operation, found.first, found.count,
        found.fails, found.rate, found.experience,
    )  # fmt: skip


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Changed, ...]:
    names = (*before, *(name for name in after if name not in before))
    found = (Changed(name, before.get(name, ""), after.get(name, "")) for name in names)
    return tuple(entry for entry in found if entry.before != entry.after)


def _guarantees(judgement: Judgement) -> dict[str, str]:
    """The gravest status of each guarantee over all steps."""
    found: dict[str, str] = {}
    for step in judgement.steps:
        for name, _ in step.guarantees:
            status = words.cell(judgement, step, name)
            found[name] = max(found.get(name, ""), status, key=GRAVER.index)
    return found


def _coverage(judgement: Judgement) -> dict[str, str]:
    covered = judgement.coverage
    counts = {name: getattr(covered, name) for name in ("states", "transitions", "routes", "faults")}
    found = {name: f"{count.covered} of {count.total}" for name, count in counts.items()}
    return {**found, "steps": str(len(judgement.steps)), "unknowns": str(len(judgement.unknowns))}


def _versions(history: History) -> dict[str, str]:
    return {entry.name: entry.old if entry.old == entry.new else f"{entry.old} → {entry.new}"
            for entry in history.run.services}  # fmt: skip


def _inputs(side: Side) -> dict[str, str]:
    run, plan = side.history.run, side.plan
    sessions = sum(len(session.exchanges) for session in plan.sessions)
    told = {"seed": str(run.seed), "runtime": run.runtime, "verifier": run.tool}
    told["recorded"] = f"{words.counted(len(plan.sessions), 'session')}, {words.counted(sessions, 'exchange')}"
    return {**told, **side.inputs}


def text(found: Difference, before: str, after: str) -> str:
    """The difference for a terminal; `before` and `after` name the runs."""
    blocks = [[f"{before} → {after}", f"verdict: {_arrow(found.verdict)}"]]
    for title, entries in (("New violations", found.new), ("Gone", found.gone), ("Still there", found.same)):
        blocks.append([f"{title}: {len(entries)}", *_listed(list(map(_line, entries)))])
    for title, changes in (
        ("Guarantees", found.guarantees),
        ("Coverage", found.coverage),
        ("Versions", found.versions),
        ("Inputs", found.inputs),
    ):
        lines = [f"  {entry.name}: {_arrow(entry)}" for entry in changes]
        blocks.append([f"{title}: {'no change' if not lines else ''}".rstrip(), *_listed(lines)])
    return printable("\n\n".join("\n".join(block) for block in blocks)) + "\n"


def _line(entry: ShownViolation) -> str:
    what = entry.operation or entry.service
    fails = "" if entry.fails else " (does not fail the run)"
    return f"  {entry.id}  {entry.guarantee} · {entry.attribution} · {what}, ×{entry.count}: {entry.experience}{fails}"


def _listed(lines: list[str]) -> Iterator[str]:
    yield from lines[:MOST]
    if len(lines) > MOST:
        yield f"  … and {len(lines) - MOST} more, all with --format json"


def _arrow(change: Changed) -> str:
    before, after = change.before or "none", change.after or "none"
    return before if before == after else f"{before} → {after}"


def document(found: Difference) -> dict[str, Any]:
    """The difference as JSON values; `worse` is what the exit status tells."""
    return {"worse": found.worse, **asdict(found)}
