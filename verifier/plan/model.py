"""Plans as plain values. Equal matrix, recordings, seed and verifier version give an equal plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from verifier.contracts.expectations import Seam
from verifier.contracts.order import Order
from verifier.history.model import Phase, Replicas
from verifier.http.message import Request
from verifier.matrix.model import Invariant

ActionKind = Literal["start", "stop", "replace", "restart", "crash", "migrate"]
MET_NO_WORK = "met no work"  # what becomes of a fault that misses its moment, in the notes of a run
FOR_BUDGET = "for the budget"  # why faulted replays are left out of a run, in its notes and its coverage
PathKind = Literal["control-old", "control-new", "control-upgrade", "rollout", "crash"]

DEPLOYING: tuple[PathKind, ...] = ("rollout", "crash")  # the others are controls


@dataclass(frozen=True, slots=True)
class ExchangeShape:
    """What the planner must know about one exchange: its name, and whether it may change something.

    `free`: it does not depend on the response before it, so the two requests may be reordered.
    `lender` is the session that an exchange was taken from, "" for the session's own. For the checks: `recorded` is
    the recorded status (0: not known), and `polled` is true if its client waited for something, so that its repeated
    reads are one exchange; `passing` are then the recorded statuses that did not end the waiting. `accepts`: it is
    answered before its work is done; `awaited`: a later read tells when that is.
    """

    name: str
    service: str
    write: bool
    free: bool = False
    recorded: int = 0
    polled: bool = False
    lender: str = ""
    accepts: bool = False
    passing: tuple[int, ...] = ()
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class SessionShape:
    id: str
    exchanges: tuple[ExchangeShape, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at the exchange `index`. `first` and `second` are the versions that serve the two attempts.

    `callee` names the service or partner of an inner fault; then the versions are the callee's ("" for partners).
    `until` is the step in which a deferred duplicate is sent. In a handover `first` accepts the work, and `second` has
    to do it; where both are one version, another replica has to. A kill or a pause hits `first` in the middle of work
    and leaves `second`: versions of the workers that `callee` names, or of the accepting service itself. `moment` says
    how far the work has come then, from 0 (accepted) to 1 (done).
    """

    kind: str
    index: int
    name: str
    first: str
    second: str
    callee: str = ""
    until: str = ""
    moment: float = 0.0

    @property
    def inner(self) -> bool:
        """Whether it disturbs calls between services, or to partners."""
        return self.kind.startswith("inner-")


@dataclass(frozen=True, slots=True)
class Replay:
    """One session sent once: `route` names, per exchange, the version that serves it."""

    id: str
    session: str
    route: tuple[str, ...]
    fault: Fault | None = None


def again(replay: str, tries: int) -> str:
    """The id under which a replay is tried once more."""
    return f"{replay}+{tries}"


def first_try(replay: str) -> str:
    """The id of the planned replay that was tried, perhaps more than once."""
    return replay.partition("+")[0]


@dataclass(frozen=True, slots=True)
class Action:
    """One action on the system. `slot` numbers the replicas of a service from 1; `stage` is a part of a migration.

    A crash kills a replica and starts it again.

    With `late_removal` the load balancer goes on sending to the replica that the action ends, after it was told to end.
    """

    kind: ActionKind
    service: str
    version: str
    slot: int = 0
    stage: str = ""
    late_removal: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """A request that no client recorded: the witness of a break (`proof-c1`), or one that is made up from the
    contract of the version `written_for` (`made:SERVICE:VERSION:OPERATION:1`). `version` is the replica's that it is
    sent to.
    """

    id: str
    service: str
    version: str
    operation: str
    request: Request
    written_for: str = ""  # "" for the witness of a break


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """Actions (under live traffic if they change replicas), then replays, then the read-back."""

    id: str
    kind: str
    phase: Phase
    description: str
    actions: tuple[Action, ...]
    state: tuple[Replicas, ...]
    migrations: tuple[str, ...]
    live: bool
    replays: tuple[Replay, ...] = ()
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """Steps on one set of stores. The stores are fresh at the beginning and keep their data to the end."""

    id: str
    kind: PathKind
    steps: tuple[PlannedStep, ...]
    confirms: bool = False  # it tries again what another path found


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was not covered: `count` times, of `total` where that is known."""

    what: str
    why: str
    count: int
    total: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    covered: int
    total: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the plan covers. Routes count operation pair × version pair; faults operation × fault × version pair."""

    states: Count
    transitions: Count
    routes: Count
    faults: Count
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedBreak:
    """One finding of a static comparison. `steps` and `callers` are empty if no step of this rollout is affected.

    `meets` is the version that the callers meet; `witness` is None unless `has_witness`.
    """

    id: str
    service: str
    old: str
    new: str
    column: str
    verdict: str
    rule: str
    operation: str
    pointer: str
    message: str
    part: str
    media: str
    has_witness: bool
    witness: Any
    request: Request | None  # contains the witness; None for responses and for breaks that affect no step
    meets: str
    callers: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeamBreak:
    """A broken seam, and the steps in which its two versions are live."""

    seam: Seam
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    breaks: tuple[PlannedBreak, ...] = ()
    seams: tuple[SeamBreak, ...] = ()
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    schema: int
    tool: str
    matrix: str
    seed: int
    paths: tuple[Path, ...]
    coverage: Coverage
    declared: Declared = Declared()
    same: tuple[str, ...] = ()  # sentences: old and new version are equal, so the run proves nothing
    sessions: tuple[SessionShape, ...] = ()  # all replayed sessions; empty in plans of early versions
    confirmation: tuple[Path, ...] = ()  # derived from what the paths found; none before they ran, or with no finding
    repeated: bool = False  # every replay stands in it several times already, so that nothing is confirmed
    invariants: tuple[Invariant, ...] = ()  # of the matrix
    edited: tuple[str, ...] = ()  # sentences: what a plan from a file leaves out, without which there is no pass

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        return tuple(step for path in self.paths for step in path.steps)


def live_versions(state: tuple[Replicas, ...], service: str) -> tuple[str, ...]:
    """The versions of a service that run in a state, in the order in which the state lists them."""
    return tuple(entry.version for entry in state if entry.service == service and entry.count)
