"""The records of a run as plain values: operations, steps, replica events, faults, ends and notes.

Times are seconds since the run began (monotonic clock). Ids are stable for one plan: an
operation's id is `STEP/REPLAY/INDEX.ATTEMPT`, and the id of an inner call ends in `/SERVICE-N`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from verifier.http.message import Request, Response

Outcome = Literal["ok", "accepted", "fail", "info"]
Source = Literal["replay", "poll", "live", "sweep", "inner", "partner", "proof"]
BY_FAULT = "by a fault"  # detail of a replica that was killed on purpose
Phase = Literal["control-old", "control-new", "control-upgrade", "forward", "rollback"]


class Operation(Struct, frozen=True, gc=False, omit_defaults=True):
    """One request sent in a run: its invocation and its outcome.

    `response` is what the service sent; `outcome` is what the caller could conclude. If a fault hides the response from
    the caller, the two differ: the response is kept as evidence, and the outcome is `info`.
    """

    id: str
    step: str
    replay: str
    session: str
    index: int  # position of the exchange in its session; -1 for inner calls
    attempt: int  # 1 for the first; retries and duplicates count up
    source: Source
    name: str  # operation id of the contract, or "METHOD /path/{}" if there is none
    service: str
    version: str
    replica: str
    request: Request
    response: Response | None
    outcome: Outcome
    started: float
    ended: float
    caller: str = ""  # service that made an inner call
    caller_version: str = ""
    error: str = ""  # as `SendResult.error`, such as "timeout" or "body-too-large"; "" if a response arrived
    fault: str = ""  # the fault this attempt is part of
    parent: str = ""  # the operation that this one retries, duplicates or polls, or that caused it
    effect: Literal["", "applied", "suppressed"] = ""  # partner calls only
    produced: tuple[tuple[str, str], ...] = ()  # values later requests use: runtime expression, value


NOT_COMPLETED = "not completed: "  # how the error of a step begins in which the run was stopped


class Replicas(Struct, frozen=True, gc=False):
    """How many replicas of one service run one version."""

    service: str
    version: str
    count: int


class Step(Struct, frozen=True, gc=False):
    """One step that was carried out. `state` is the mixture of versions after it."""

    id: str
    path: str
    phase: Phase
    kind: str  # start, migrate, restart, crash, replace, roll back, go forward, finalize
    description: str
    state: tuple[Replicas, ...]
    migrations: tuple[str, ...]
    started: float
    ended: float
    error: str = ""  # why the step could not be completed
    confirms: bool = False  # it tried again what an earlier step had found

    @property
    def stopped(self) -> bool:
        """Whether the run ended in the middle of it."""
        return self.error.startswith(NOT_COMPLETED)


class ReplicaEvent(Struct, frozen=True, gc=False):
    """Something that happened to a replica.

    `what` is one of: started, ready, served, paused, resumed, terminating, stopped, killed, never-ready, exited,
    command-failed, children, child-ended, logged. One that is `terminating` was told to end while the load balancer
    still sends requests to it. `logged`: `log` has what it wrote when it answered the operation with the id `detail`
    with 5xx, or not at all.

    `detail` of a replica that `exited` is how it ended, such as `exited with status 1`, and nothing else; of one that
    was `killed` as a planned fault it is BY_FAULT. `log` has the last lines of its log. `detail` of `children`, and of
    `child-ended` where there are fewer than before, has a line `COUNT ROLE` or `FEWEST..MOST ROLE` for each role of its
    child processes.
    """

    step: str
    replica: str
    service: str
    version: str
    what: str
    at: float
    detail: str = ""
    log: str = ""


class FaultInjected(Struct, frozen=True, gc=False):
    """One injected fault on one operation. `first` and `second` are the versions that served its two attempts."""

    step: str
    replay: str
    kind: str
    operation: str  # operation id in the history
    name: str
    first: str
    second: str
    at: float


class End(Struct, frozen=True, gc=False, omit_defaults=True):
    """How accepted work ended, as the waiting client saw it.

    `operation` is the id of the write that `version` of `service` accepted. `index` is the exchange of the session that
    waited for it: the accepting one if completion is declared, otherwise the recorded waiting read.
    `how`: `ended` (it showed what the client waited for), `open` (it did not within `bound` seconds) or `unreadable`
    (every read failed). Open work may get a second End in a later step (`late`).
    """

    step: str  # in which this was seen; the id `operation` contains the step of the acceptance
    replay: str
    session: str
    index: int
    operation: str
    service: str
    name: str
    version: str
    how: Literal["ended", "open", "unreadable"]
    shown: str  # what the last read showed: a state, an entry, a count or a status
    waited: float  # seconds since the response that accepted the work
    bound: float  # seconds; the longest time to wait
    reads: int
    last: str  # id of the last read; "" if none was sent
    at: float
    wanted: str = ""  # what the client waited for, in a few words
    declared: bool = False
    late: bool = False  # read again after its own step had stopped waiting
    brief: bool = False  # waited less than `bound`, because others at the same place had not ended before


class StoreRows(Struct, frozen=True, gc=False):
    """The rows that an invariant found in a store at the end of a step, each as a JSON object.

    `quiet`: no work was open and the rows had stopped changing. `error` says why it could not be asked; "" if it was.
    """

    step: str
    invariant: str
    rows: tuple[str, ...]
    error: str
    quiet: bool
    at: float


class Note(Struct, frozen=True, gc=False):
    """Something that an operator should know and that is not a violation.

    The kinds are: `unmatched` and `ambiguous` values; exchanges that a session has `borrowed` from another one, and
    rejected `credentials` or what looks `computed`; limits of an event `stream`; what was `not-run`, a `filter` of a
    recording that matches nothing, a path that was `cached`, stores that each path had `prepared-anew`, a `stranger`
    that called the gateway, and a `count` of requests that does not add up. A run that was `interrupted`, that
    `ended-early`, or whose shards showed what stayed `unconfirmed`, has a note of that kind. These three and `count`
    keep a run from passing. A run whose `environment` broke has no verdict.
    """

    step: str
    kind: str
    message: str
    operation: str = ""


class ServiceInfo(Struct, frozen=True, gc=False):
    name: str
    versions: tuple[str, ...]  # oldest first
    old: str
    new: str
    kind: str = "web"  # or "worker", which answers no requests


class RunInfo(Struct, frozen=True, gc=False):
    """The first record of a run. With the files stored beside it, the run can be judged again."""

    schema: int
    tool: str
    matrix: str
    seed: int
    runtime: str
    services: tuple[ServiceInfo, ...]
    partners: tuple[str, ...]
    client_versions: tuple[tuple[str, str], ...]  # (service, version whose client was recorded)
    file: str = ""  # path of the matrix as given on the command line
    unfinished: bool = False  # it goes on, or it was stopped before its end: interrupted, killed or broken
    lines: tuple[tuple[str, str, int], ...] = ()  # (service, version or "", line that declares it in the matrix)
    at: float = 0.0  # when the run began, as Unix time; 0 in runs of earlier versions
    images: tuple[tuple[str, str, str], ...] = ()  # (service, version, a digest of its image), where it has one


class History(Struct, frozen=True, gc=False):
    """All records of a run, each kind in order."""

    run: RunInfo
    operations: tuple[Operation, ...]
    steps: tuple[Step, ...]
    replicas: tuple[ReplicaEvent, ...]
    faults: tuple[FaultInjected, ...]
    notes: tuple[Note, ...]
    ends: tuple[End, ...] = ()
    store_rows: tuple[StoreRows, ...] = ()


class Timing(Struct, frozen=True, gc=False):
    """Durations in seconds: in total, starting and stopping, replaying, judging."""

    total_s: float
    boot_s: float
    replay_s: float
    judge_s: float
