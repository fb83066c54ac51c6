"""Which code met whose data when a defect showed. Only what the deployment adds fails it.

The evidence is compared cell by cell (`cells.py`): a defect is laid to the simplest cell that shows it about as often
as the one in question (`rates.py`). Old code on its own data excuses everything; new code on its own data, old code on
migrated data and new code on old data excuse the mixture; the mixture excuses what shows after going back.

It can be wrong where a control never came to the place in the traffic; `_cut_off` names those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from verifier.checks.causes import is_end
from verifier.checks.cells import CONTROLS, cells, is_live, is_replaced
from verifier.checks.context import CLIENT, Context
from verifier.checks.rates import DOUBT, Rates, Signature
from verifier.checks.repetition import confirmed
from verifier.checks.verdict import ROLLBACK, Attribution, Finding, Violation
from verifier.history.model import Replicas

SIMPLER: dict[
    Attribution, tuple[Attribution, ...]
] = {  # the cells that excuse one, in the order in which they are asked
    "pre-existing": (),
    "new-version": ("pre-existing",),
    "migration": ("pre-existing",),
    "upgrade": ("pre-existing", "new-version"),
    "mixed": ("pre-existing", "new-version", "migration", "upgrade"),
    "rollback": ("pre-existing", "new-version", "migration", "upgrade", "mixed"),
}
GRAVITY: tuple[Attribution, ...] = ("mixed", "migration", "rollback", "upgrade", "new-version", "pre-existing")
ALONE: dict[Attribution, str] = {  # the cells with which a rate is compared, in a sentence
    "pre-existing": "with all old",
    "new-version": "with all new",
    "migration": "with all old on migrated data",
    "upgrade": "with all new on old data",
    "mixed": "with old and new together",
}
_Place = tuple[str, int]  # session, index


@dataclass(slots=True)
class _Attributions:
    """The attribution of every finding of a run."""

    context: Context
    findings: list[Finding]
    rates: Rates = field(init=False)
    _cells: dict[str, Attribution] = field(init=False)
    _settled: set[tuple[str, ...]] = field(init=False)
    _of: dict[int, Attribution] = field(default_factory=dict)  # the cell of each finding, by its `id()`
    _alone: set[tuple[Attribution, Signature]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._cells = cells(self.context.history)
        self._settled = {_at(finding) for finding in self.findings if not is_live(self.context, finding)}
        self._of = {id(finding): self.cell(finding) for finding in self.findings}
        self.rates = Rates(self.context, self._cells)
        self.rates.count(self.findings, self._of)
        self.rates.count(*self._under_other_names())

    def cell(self, finding: Finding) -> Attribution:
        """The cell of the step that shows it. What can no longer be read after going back has a name of its own.

        Where all replicas are of one version at a step's end, live traffic may still have met both; what shows in that
        step afterwards too is named by the step. A replica of a version that is gone by then met both, too.
        """
        cell = self._cells.get(finding.step, "mixed")
        if finding.guarantee == ROLLBACK and cell == "mixed":
            return "rollback"
        met = cell in ("upgrade", "rollback") and len(set(finding.versions) & self._changed(finding.service)) > 1
        passing = is_live(self.context, finding) and _at(finding) not in self._settled
        return "mixed" if met and (passing or is_replaced(self.context, finding)) else cell

    def cell_of(self, step: str) -> Attribution:
        return self._cells.get(step, "mixed")

    def of(self, finding: Finding) -> Attribution:
        """Where a control shows it as often, the control's; else the cell's own."""
        cell = self._of[id(finding)]
        if finding.after is not None:
            return next(cell for phase, cell in CONTROLS.items() if phase in finding.after.phases)
        for simpler in SIMPLER[cell]:
            if (simpler, finding.signature) in self._alone or self.rates.excused(cell, simpler, finding):
                return simpler
        return cell

    def doubtful(self, finding: Finding) -> bool:
        """Whether old alone excuses a finding of the deployment, and too few tries tell whether it may."""
        cell = self._of[id(finding)]
        rates = self.rates
        return cell != "pre-existing" and finding.after is None and rates.chance(cell, "pre-existing", finding) < DOUBT

    def lay_to_new(self, signature: Signature) -> None:
        """Take a defect for the new version's own, whatever its control showed."""
        self._alone.add(("new-version", signature))

    def _changed(self, service: str) -> set[str]:
        return {name for entry in self.context.history.run.services if entry.name == service for name in entry.versions}

    def _under_other_names(self) -> tuple[list[Finding], dict[int, Attribution]]:
        """What is told as rollback safe after going back has other names before; where it showed it is no news."""
        wanted = {finding.signature[1:] for finding in self.findings if finding.guarantee == ROLLBACK}
        also = [
            (replace(finding, guarantee=ROLLBACK), self._of[id(finding)])
            for finding in self.findings
            if finding.guarantee != ROLLBACK
            and finding.signature[1:] in wanted
            and self._of[id(finding)] not in ("mixed", "rollback")
        ]
        return [finding for finding, _ in also], {id(finding): cell for finding, cell in also}


def _at(finding: Finding) -> tuple[str, ...]:
    """What it shows, whatever the guarantee, and in which step of the plan; its confirmation repeats that step."""
    return (finding.step.removeprefix("confirm-"), *finding.signature[1:])


@dataclass(frozen=True, slots=True)
class Attributed:
    """A violation with every finding that shows it."""

    violation: Violation
    findings: tuple[Finding, ...]


def violations(context: Context, findings: Iterable[Finding], lasting: Collection[str] = ()) -> tuple[Violation, ...]:
    """The violations that findings show, without the causes that are known only from all of them together."""
    return tuple(entry.violation for entry in attributed(context, findings, lasting))


def attributed(context: Context, findings: Iterable[Finding], lasting: Collection[str] = ()) -> list[Attributed]:
    """One violation for each defect, attribution and cause, told by the finding that shows it best.

    The controls are asked per kind of disturbance: a defect that old shows under retries is news under none. What
    remains is the deployment's own, and one defect however it was brought out. `lasting` names the guarantees whose
    violations count even where they were not seen again, unless they follow from the end of a replica: nobody was there
    to be read from, and somebody else may have ended it.
    """
    order = {step.id: position for position, step in enumerate(context.history.steps)}
    attributions = _Attributions(context, list(findings))
    found = _cut_off(context, attributions)
    given = [(finding, attributions.of(original)) for finding, original in found]
    doubted = {
        id(finding)
        for (finding, original), (_, attribution) in zip(found, given, strict=True)
        if attribution == "pre-existing" and attributions.doubtful(original)
    }
    mixed = {finding.defect for finding, attribution in given if attribution == "mixed"}
    grouped: dict[tuple[tuple[str, ...], Attribution, str], list[Finding]] = defaultdict(list)
    for finding, attribution in given:
        forward = attribution == "rollback" and finding.defect in mixed
        grouped[finding.defect, "mixed" if forward else attribution, finding.cause].append(finding)
    told = []
    for (_, attribution, _), group in grouped.items():
        # Ids, not the order of the history, settle ties: independent replays may end in any order.
        group.sort(key=lambda finding: (order.get(finding.step, -1), finding.evidence, finding.message))
        uncertain = [entry for entry in group if id(entry) in doubted]
        shown = _violation(context, _telling(context, uncertain or group), group, attribution)
        shown = replace(
            shown,
            rate=_rate(attributions.rates, attribution, group),
            confirmed=confirmed(context, attributions.cell_of, attribution, group),
            lasting=shown.guarantee in lasting and not is_end(group[0].cause),
            doubtful=bool(uncertain),
        )
        told.append(Attributed(shown, tuple(group)))

    def place(entry: Attributed) -> tuple[int, int, str, str]:
        item = entry.violation
        return (GRAVITY.index(item.attribution), order.get(item.step, -1), item.guarantee, item.message)

    return sorted(told, key=place)


def _rate(rates: Rates, attribution: Attribution, group: list[Finding]) -> str:
    """How often the defect shows where it is laid to, and in the cells that would have excused it."""
    signatures = sorted({finding.signature for finding in group})

    def counted(cell: Attribution, version: str = "") -> tuple[int, int]:
        each = [rates.of(cell, signature, version=version) for signature in signatures]
        return sum(rate.failures for rate in each), sum(rate.tries for rate in each)

    served = {rates.version_of(finding) for finding in group}
    version = served.pop() if len(served) == 1 else ""
    failures, tries = counted(attribution, version)
    compared = ((cell, *counted(cell)) for cell in SIMPLER[attribution])
    others = [f"{ALONE[cell]} {failed} of {tried}" for cell, failed, tried in compared if tried]
    through = f" through {version}" if tries != counted(attribution)[1] else ""
    seen = f"seen in {failures} of {tries} {'try' if tries == 1 else 'tries'}{through}"
    return f"{seen}; {', '.join(others)}" if others else seen


def _cut_off(context: Context, attributions: _Attributions) -> list[tuple[Finding, Finding]]:
    """Lay to the new version what its own control could not show, because that broke the session off before.

    Of such a place nobody knows what the new version does alone: that only the mixture breaks it must not be said. A
    defect that was seen at one place which the control did reach stays the mixture's. Each finding comes with the one
    that it was.
    """
    found = attributions.findings
    reached, broken = _reached_by_new(context), _broken_by_new(context, attributions)
    reachable = {
        finding.signature
        for finding in found
        if not any(
            place not in reached and place[1] > broken.get(place[0], place[1]) for place in _places(context, finding)
        )
    }
    alone = {
        finding.signature
        for finding in found
        if finding.signature not in reachable and attributions.of(finding) in ("mixed", "upgrade", "rollback")
    }
    for signature in alone:
        attributions.lay_to_new(signature)
    told = "; the new version by itself does not get this far"
    return [
        (replace(finding, message=f"{finding.message}{told}"), finding)
        if finding.signature in alone and attributions.of(finding) != "pre-existing"
        else (finding, finding)
        for finding in found
    ]


def _reached_by_new(context: Context) -> set[_Place]:
    by_new = context.groups.operations(lambda group: group.source in CLIENT and group.phase == "control-new")
    return {(operation.session, operation.index) for operation in by_new}


def _broken_by_new(context: Context, attributions: _Attributions) -> dict[str, int]:
    """For each session the first place that the new version alone breaks."""
    first: dict[str, int] = {}
    for finding in attributions.findings:
        if attributions.cell(finding) == "new-version" and attributions.of(finding) == "new-version":
            for session, index in _places(context, finding):
                first[session] = min(index, first.get(session, index))
    return first


def _places(context: Context, finding: Finding) -> list[_Place]:
    """Where in the traffic a finding shows: the place of the last of its operations."""
    named = [context.by_id[name] for name in finding.evidence if name in context.by_id]
    return [(operation.session, operation.index) for operation in named[-1:] if operation.index >= 0]


def _telling(context: Context, group: list[Finding]) -> Finding:
    """The finding that shows a defect best: versions did meet, in a planned replay, within one step."""

    def clumsy(finding: Finding) -> tuple[bool, bool, bool, bool]:
        proof = [context.by_id[name] for name in finding.evidence if name in context.by_id]
        live = any(context.root(operation).source == "live" for operation in proof)
        step = context.steps.get(finding.step)
        again = step is not None and step.confirms
        return (len(finding.versions) < 2, live, again, len({operation.step for operation in proof}) > 1)

    return min(group, key=clumsy)


def _violation(context: Context, shown: Finding, group: list[Finding], attribution: Attribution) -> Violation:
    run = context.history.run
    again = {step.id for step in context.history.steps if step.confirms}
    showing = {finding.step for finding in group if finding.step not in again} or {finding.step for finding in group}
    lasting = {finding.step for finding in group if not is_live(context, finding)}
    steps = (*(name for name in context.steps if name in showing), *sorted(showing - context.steps.keys()))
    return Violation(
        guarantee=shown.guarantee,
        attribution=attribution,
        service=shown.service,
        operation=shown.operation,
        step=shown.step,
        versions=shown.versions,
        message=shown.message,
        experience=shown.experience,
        evidence=shown.evidence,
        reproduce=f"verifier run {run.file} --seed {run.seed} --runtime {run.runtime}",
        steps=steps,
        count=len(group),
        passing=tuple(name for name in steps if name not in lasting),
        cause=shown.cause,
        workers=_workers(context, shown),
        reason=shown.reason or context.logged_beside(shown.evidence),
    )


def _workers(context: Context, shown: Finding) -> tuple[Replicas, ...]:
    """The workers that ran in the step: what was asked of one service may have been their work."""
    names = {entry.name for entry in context.history.run.services if entry.kind == "worker"} - {shown.service}
    step = context.steps.get(shown.step)
    return tuple(entry for entry in step.state if entry.service in names) if step is not None else ()
