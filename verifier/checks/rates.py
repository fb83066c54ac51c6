"""How often a defect shows, and whether a control shows it as often.

A control excuses a defect only at a rate that it shows itself. The evidence is two counts of tries and failures: of the
cell that shows the defect, and of the control, both of one operation under one kind of disturbance. The test is
Fisher's exact test, one-sided (R. A. Fisher, Statistical Methods for Research Workers, 1925, section 21.02).

It is made for all tries of the cell together, and for those alone that the same version served or accepted: a mixture
in which the new version's work is lost and the old version's is done fails half as often as the new version's work
does, and a rare loss in a control must not excuse it. The control's tries are not divided, because it runs one version.
Reads that a control's own version served are compared only together: how often one fails depends on who wrote what it
reads, and a control reads other shares of old and new data.

It can be wrong where tries depend on each other: sixteen requests that wait for one dead worker fail together. That is
why findings are tried again on fresh stores before a run may fail (`plan/confirmation.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import comb

from verifier.checks.context import Context
from verifier.checks.verdict import Attribution, Finding
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.plan.faults import FAMILIES, LATE_REMOVAL

SIGNIFICANCE = 0.01  # the chance of an excess this large, if both rates were equal, below which they are not
DOUBT = 0.1  # the chance below which an excuse needs more tries than it has

TRAFFIC = ("planned", "live", "read back")
Signature = tuple[str, ...]


@lru_cache(maxsize=4096)
def excess(failures: int, tries: int, control_failures: int, control_tries: int) -> float:
    """The chance that so many of all failures fall into `tries`, if failures were spread evenly (0 to 1)."""
    total, failed = tries + control_tries, failures + control_failures
    if not total:
        return 1.0
    most = min(failed, tries)
    ways = sum(comb(tries, count) * comb(control_tries, failed - count) for count in range(failures, most + 1))
    return ways / comb(total, failed)


@dataclass(frozen=True, slots=True)
class Rate:
    """`failures` of `tries`. A defect may show several times in one try; then the tries are as many."""

    failures: int = 0
    tries: int = 0

    def chance(self, other: Rate) -> float:
        """How likely `other` is, if it and this control had one rate (0 to 1); 0 if the control never shows it."""
        if not self.failures:
            return 0.0
        return excess(other.failures, other.tries, self.failures, self.tries)


@dataclass(slots=True)
class Rates:
    """Counts of one run, by cell: tries by operation, disturbance, traffic and version; failures by signature.

    Traffic is `live`, `planned` or `read back`: what a read-back shows is compared with read-backs. The version is the
    one that served or accepted the operation, or that the replica ran.
    """

    context: Context
    cells: dict[str, Attribution]
    _tries: dict[tuple[str, str], Counter[tuple[str, str, str, str]]] = field(default_factory=dict)
    _starts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _late_ends: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # of replicas that were removed late
    _failures: dict[tuple[str, Signature], dict[tuple[str, str], set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    _versions: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))  # by cell, service

    def __post_init__(self) -> None:
        for group in self.context.groups.all:
            self._versions[self.cells.get(group.step, "mixed"), group.service].add(group.version)
        for event in self.context.history.replicas:
            cell = self.cells.get(event.step, "mixed")
            if event.what == "started":
                self._starts[cell, event.service, event.version] += 1
                self._versions[cell, event.service].add(event.version)
            elif event.what == "terminating":
                self._late_ends[cell, event.service, event.version] += 1

    def count(self, findings: Iterable[Finding], cell_of: dict[int, Attribution]) -> None:
        """Take the failures in. `cell_of`: the cell of each finding, by its `id()`."""
        for finding in findings:
            shown = finding.evidence[-1] if finding.evidence else finding.message
            operation = self.context.by_id.get(shown)
            traffic = self._traffic_of(operation) if operation is not None else ""
            where = self._failures[cell_of[id(finding)], finding.signature]
            where[traffic, self.version_of(finding)].add(shown)

    def version_of(self, finding: Finding) -> str:
        """The version that served or accepted the operation of a finding; "" where several versions share it."""
        operation = self._operation_of(finding)
        if operation is not None:
            return operation.version
        return finding.versions[0] if len(finding.versions) == 1 else ""

    def _operation_of(self, finding: Finding) -> Operation | None:
        """The operation that failed: the last one, where the finding is about its name; else the first such one."""
        named = [self.context.by_id[name] for name in reversed(finding.evidence) if name in self.context.by_id]
        own = [entry for entry in named if (entry.service, entry.name) == (finding.service, finding.operation)]
        return None if not own else own[0] if own[0] is named[0] else own[-1]

    def _reads(self, finding: Finding) -> bool:
        operation = self._operation_of(finding)
        return operation is not None and operation.request.method in SAFE

    def of(self, cell: str, signature: Signature, traffic: Iterable[str] = TRAFFIC, version: str = "") -> Rate:
        """How often a cell shows a defect under its own kind of disturbance, in traffic of these kinds.

        `version`: only what it served or accepted; "" for all versions together.
        """
        _, service, operation, _, family = signature
        kinds, shown = set(traffic) | {""}, self._failures.get((cell, signature), {})
        failures = sum(
            len(names) for (kind, by), names in shown.items() if kind in kinds and (not version or by == version)
        )
        versions = {version} if version else self._versions.get((cell, service), set())
        if operation:
            tried = self._tried(service, operation)
            tries = sum(tried[cell, family, kind, by] for kind in kinds for by in versions)
        else:
            ends = self._late_ends if family == LATE_REMOVAL else self._starts
            tries = sum(ends[cell, service, by] for by in versions)
        return Rate(failures, max(failures, tries))

    def _tried(self, service: str, name: str) -> Counter[tuple[str, str, str, str]]:
        """The tries of one operation, by cell, family, traffic and version."""
        found = self._tries.get((service, name))
        if found is None:
            found = self._tries[service, name] = Counter()
            of_name = self.context.groups.pairs(lambda group: (group.service, group.name) == (service, name))
            for group, operation in of_name:
                cell, family = self.cells.get(group.step, "mixed"), FAMILIES.get(group.fault, "")
                found[cell, family, self._traffic_of(operation), group.version] += 1
        return found

    def chance(self, cell: str, control: str, finding: Finding) -> float:
        """How likely it is that a control shows a defect as often as a cell does (0 to 1).

        Under the same disturbance or under none: what a control shows undisturbed needs no disturbance to be its own.
        As often as all tries of the cell do, and as those that the version of the finding served.
        """
        signature, version = finding.signature, self.version_of(finding)
        kinds = {kind for kind, _ in self._failures.get((cell, signature), {})} - {""} or set(TRAFFIC)
        shown = {self.of(cell, signature, kinds)}
        if not (self._reads(finding) and version in self._versions.get((control, finding.service), ())):
            shown.add(self.of(cell, signature, kinds, version))
        return max(
            min(self._control(control, entry, kinds).chance(rate) for rate in shown)
            for entry in dict.fromkeys((signature, (*signature[:-1], "")))
        )

    def excused(self, cell: str, control: str, finding: Finding) -> bool:
        """Whether a control shows a defect as often as a cell does."""
        return self.chance(cell, control, finding) >= SIGNIFICANCE

    def _control(self, control: str, signature: Signature, kinds: set[str]) -> Rate:
        """The control's rate in the same traffic; in all, where it had none of that."""
        matched = self.of(control, signature, kinds)
        return matched if matched.tries else self.of(control, signature)

    def _traffic_of(self, operation: Operation) -> str:
        if operation.source == "sweep":
            return "read back"
        return "live" if self.context.root(operation).source == "live" else "planned"
