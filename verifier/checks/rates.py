"""How often a defect shows, and whether a control shows it as often.

A control excuses a defect only at a rate that it shows itself. The evidence is two counts of tries and failures: of the
cell that shows the defect, and of the control, both of one operation under one kind of disturbance. The test is
Fisher's exact test, one-sided (R. A. Fisher, Statistical Methods for Research Workers, 1925, section 21.02).

It can be wrong where tries depend on each other: sixteen requests that wait for one dead worker fail together. That is
why findings are tried again on fresh stores before a run may fail (`plan/confirmation.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import comb

from verifier.checks.context import Context
from verifier.checks.verdict import Attribution, Finding
from verifier.history.model import Operation
from verifier.plan.faults import LATE_REMOVAL

SIGNIFICANCE = 0.01  # the chance of an excess this large, if both rates were equal, below which they are not

TRAFFIC = ("planned", "live", "read back")
Signature = tuple[str, ...]


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

    def excuses(self, other: Rate) -> bool:
        """Whether a control with this rate shows the defect as often as `other`."""
        if not self.failures:
            return False
        return excess(other.failures, other.tries, self.failures, self.tries) >= SIGNIFICANCE


@dataclass(slots=True)
class Rates:
    """Counts of one run: tries by cell, service, operation, disturbance and traffic; failures by cell and signature.

    Traffic is `live`, `planned` or `read back`: what a read-back shows is compared with read-backs.
    """

    context: Context
    cells: dict[str, Attribution]
    _tries: Counter[tuple[str, str, str, str, str]] = field(default_factory=Counter)
    _starts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _late_ends: Counter[tuple[str, str]] = field(default_factory=Counter)  # of replicas that were removed late
    _failures: dict[tuple[str, Signature, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for operation in self.context.history.operations:
            cell = self.cells.get(operation.step, "mixed")
            family = self.context.family(operation)
            self._tries[cell, operation.service, operation.name, family, self._traffic_of(operation)] += 1
        for event in self.context.history.replicas:
            if event.what == "started":
                self._starts[self.cells.get(event.step, "mixed"), event.service] += 1
            elif event.what == "terminating":
                self._late_ends[self.cells.get(event.step, "mixed"), event.service] += 1

    def count(self, findings: Iterable[Finding], cell_of: dict[int, Attribution]) -> None:
        """Take the failures in. `cell_of`: the cell of each finding, by its `id()`."""
        for finding in findings:
            shown = finding.evidence[-1] if finding.evidence else finding.message
            operation = self.context.by_id.get(shown)
            traffic = self._traffic_of(operation) if operation is not None else ""
            self._failures[cell_of[id(finding)], finding.signature, traffic].add(shown)

    def of(self, cell: str, signature: Signature, traffic: Iterable[str] = TRAFFIC) -> Rate:
        """How often a cell shows a defect under its own kind of disturbance, in traffic of these kinds."""
        _, service, operation, _, family = signature
        kinds = set(traffic) | {""}
        failures = sum(len(self._failures.get((cell, signature, kind), ())) for kind in kinds)
        tries = sum(self._tries[cell, service, operation, family, kind] for kind in kinds)
        if not operation:
            tries = (self._late_ends if family == LATE_REMOVAL else self._starts)[cell, service]
        return Rate(failures, max(failures, tries))

    def excused(self, cell: str, control: str, signature: Signature) -> bool:
        """Whether a control shows a defect as often as a cell does: under the same disturbance, or under none.

        What a control shows undisturbed needs no disturbance to be its own.
        """
        kinds = {kind for kind in TRAFFIC if self._failures.get((cell, signature, kind))} or set(TRAFFIC)
        shown, undisturbed = self.of(cell, signature, kinds), (*signature[:-1], "")
        return any(
            self._control(control, entry, kinds).excuses(shown) for entry in dict.fromkeys((signature, undisturbed))
        )

    def _control(self, control: str, signature: Signature, kinds: set[str]) -> Rate:
        """The control's rate in the same traffic; in all, where it had none of that."""
        matched = self.of(control, signature, kinds)
        return matched if matched.tries else self.of(control, signature)

    def _traffic_of(self, operation: Operation) -> str:
        if operation.source == "sweep":
            return "read back"
        return "live" if self.context.root(operation).source == "live" else "planned"
