"""What checks find and what a judgement says, as plain values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from verifier.history.model import Phase, Replicas
from verifier.plan.model import Coverage

Verdict = Literal["pass", "fail", "unknown"]
ROLLBACK = "rollback safe"  # the name of no lost write after going back
Attribution = Literal["pre-existing", "new-version", "upgrade", "migration", "mixed", "rollback"]


class FindingKind(Enum):
    """What sort of counterexample a finding is, where something depends on it."""

    UNANSWERED = "a request without an answer, or with an answer of 5xx"
    REPLICA = "a replica that did not become ready or ended by itself"
    STATUS = "an answer with a status class that the old version does not answer with"
    SHAPE = "an answer with a body of another shape"
    FILE = "a file with other bytes"
    CONTRACT = "a message or a contract that breaks what is declared"
    GONE = "a resource that can no longer be read back"
    BACK = "a deleted resource that can be read again"
    CHANGED = "a resource that reads differently"
    OTHER = "any other counterexample"


@dataclass(frozen=True, slots=True)
class Crash:
    """A version of a service whose replicas end by themselves: `how` is the exit status.

    `control` is the first step of a control that shows it, "" if none does.
    """

    service: str
    version: str
    how: str
    control: str
    phases: frozenset[Phase]  # of the controls that show it


@dataclass(frozen=True, slots=True)
class Finding:
    """One counterexample. Findings with equal `signature` are the same defect seen again.

    `experience` is what the user would have seen; `evidence` holds the ids of the operations (or replica events)
    that prove it, the first two being the shortest proof.
    """

    guarantee: str
    service: str
    operation: str
    step: str
    versions: tuple[str, ...]
    message: str
    experience: str
    evidence: tuple[str, ...]
    kind: FindingKind = FindingKind.OTHER
    detail: str = ""  # what tells defects of one operation apart, such as the place in a body
    family: str = ""  # the family of the fault that it took
    cause: str = ""  # the change that it is a consequence of, equal in all of them
    after: Crash | None = None  # the end of a replica that it follows from, known from a control
    reason: str = ""  # the last lines of the log of a replica or a migration that failed

    @property
    def signature(self) -> tuple[str, str, str, str, str]:
        """What a control must have shown for a defect to be no news: with the same kind of disturbance."""
        return (self.guarantee, self.service, self.operation, self.detail, self.family)

    @property
    def defect(self) -> tuple[str, str, str, str]:
        """What is told as one violation, whichever disturbances brought it out."""
        return (self.guarantee, self.service, self.operation, self.detail)


@dataclass(frozen=True, slots=True)
class CheckError:
    """A check that raised an exception: its guarantee is unknown, and the others were judged."""

    guarantee: str
    message: str  # the exception in one line
    traceback: str


@dataclass(slots=True)
class CheckResult:
    """What one check found, and on how many operations it ran: by step, and by (service, operation)."""

    guarantee: str
    findings: list[Finding] = field(default_factory=list)
    steps: Counter[str] = field(default_factory=Counter)
    subjects: Counter[tuple[str, str]] = field(default_factory=Counter)
    error: CheckError | None = None  # then the check found nothing, and its guarantee is unknown
    tolerated: Counter[tuple[str, str]] = field(default_factory=Counter)  # by place and reason

    def add(self, other: CheckResult) -> None:
        """Take over what another check of the same guarantee found."""
        self.findings += other.findings
        self.steps += other.steps
        self.subjects += other.subjects
        self.tolerated += other.tolerated

    def ran(self, step: str, service: str, operation: str, times: int = 1) -> None:
        self.steps[step] += times
        self.subjects[service, operation] += times


@dataclass(frozen=True, slots=True)
class Violation:
    """A defect: the finding that shows it best, in `step`; all `steps` that show it, in order; whose doing it is.

    `passing` are those of the steps that show it only to live traffic, while replicas were still being changed.
    Violations with an equal `cause`, where one is known, are consequences of one change; one that `leads` is the change
    itself.
    """

    guarantee: str
    attribution: Attribution
    service: str
    operation: str
    step: str
    versions: tuple[str, ...]
    message: str
    experience: str
    evidence: tuple[str, ...]
    reproduce: str
    steps: tuple[str, ...] = ()
    count: int = 1
    passing: tuple[str, ...] = ()
    cause: str = ""
    rate: str = ""  # how often it was seen where it shows and in the controls, as a sentence
    confirmed: bool | None = None  # whether it was seen again when it was tried again; None: it was not tried again
    workers: tuple[Replicas, ...] = ()  # those of the step, which answer nobody and do work for all
    lasting: bool = False  # something was lost or doubled: one sighting is enough
    doubtful: bool = False  # old alone shows it too, and too few tries tell whether as often
    leads: bool = False
    reason: str = ""  # lines of a log: the last ones of what ended, did not start or failed, or those beside a 5xx
    explanation: str = ""  # what the attribution means here: which version met whose data

    @property
    def fails(self) -> bool:
        """Whether it fails the run: the deployment adds it, and it is lasting or was seen again where it was tried."""
        return self.attribution != "pre-existing" and (self.lasting or self.confirmed is not False)

    @property
    def first(self) -> str:
        """The step that shows it first."""
        return self.steps[0] if self.steps else self.step


@dataclass(frozen=True, slots=True)
class Tolerated:
    """A difference that is told to nobody as a defect: `place` is the operation and the value, `reason` says why."""

    place: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """`guarantees` lists, for each guarantee, pass, fail, unknown, or "" where its check ran on nothing."""

    id: str
    path: str
    kind: str
    phase: Phase
    description: str
    state: tuple[Replicas, ...]
    verdict: Verdict
    guarantees: tuple[tuple[str, str], ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a run. `unknowns` are the sentences that keep it from being a pass."""

    verdict: Verdict
    violations: tuple[Violation, ...]
    steps: tuple[StepVerdict, ...]
    unknowns: tuple[str, ...]
    coverage: Coverage
    errors: tuple[CheckError, ...] = ()
    confirmation: tuple[StepVerdict, ...] = ()  # of the steps that tried again what was found; none in `steps`
    tolerated: tuple[Tolerated, ...] = ()
    unused: tuple[str, ...] = ()  # breaks of contracts that hurt no caller of this run, each in a sentence
