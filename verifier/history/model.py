"""What a run leaves behind: operations, steps, replica events, faults and notes, all plain values.

Times are seconds since the run began (monotonic clock). Ids are stable for one plan: an operation's id
is `STEP/REPLAY/INDEX.ATTEMPT`, an inner call's ends in `/SERVICE-N`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from verifier.http.message import Request, Response

Outcome = Literal["ok", "accepted", "fail", "info"]
Source = Literal["replay", "poll", "live", "sweep", "inner", "partner", "proof"]
Phase = Literal["control-old", "control-new", "control-upgrade", "forward", "rollback"]


class Operation(Struct, frozen=True, gc=False, omit_defaults=True):
    """One request sent in a run: its invocation and its outcome.

    `response` is what the service answered; `outcome` is what its caller could know. After a lost answer the
    two differ: the response is kept as evidence, the outcome is `info`.
    """

    id: str
    step: str
    replay: str
    session: str
    index: int  # position of the exchange in its session; -1 for inner calls
    attempt: int  # 1 for the first; retries and duplicates count on
    source: Source
    name: str  # operation id of the contract, else "METHOD /path/{}"
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
    error: str = ""  # "refused", "timeout", "reset", "closed", "garbage"; "" when answered
    fault: str = ""  # the fault this attempt is part of
    parent: str = ""  # the operation this one retries, duplicates, polls for or was caused by
    effect: Literal["", "applied", "suppressed"] = ""  # partner calls only
    produced: tuple[tuple[str, str], ...] = ()  # values later requests use: runtime expression, value


class Replicas(Struct, frozen=True, gc=False):
    """How many replicas of one service run one version."""

    service: str
    version: str
    count: int


class Step(Struct, frozen=True, gc=False):
    """One step as it was carried out. `state` is the mixture after the step."""

    id: str
    path: str
    phase: Phase
    kind: str  # start, migrate, restart, replace, roll back, go forward, finalize
    description: str
    state: tuple[Replicas, ...]
    migrations: tuple[str, ...]
    started: float
    ended: float
    error: str = ""  # why the step could not be completed


class ReplicaEvent(Struct, frozen=True, gc=False):
    """`what`: started, ready, served, stopped, killed, never-ready, exited, command-failed.

    `detail` of a replica that `exited` is how it ended, such as `exited with status 1`, and nothing else.
    """

    step: str
    replica: str
    service: str
    version: str
    what: str
    at: float
    detail: str = ""


class FaultInjected(Struct, frozen=True, gc=False):
    """One fault as it happened, on one operation and between two versions (equal for same-version faults)."""

    step: str
    replay: str
    kind: str
    operation: str  # operation id in the history
    name: str
    first: str
    second: str
    at: float


class End(Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of one piece of accepted work, as the waiting client saw it.

    `operation` is the id of the write that was accepted, by `version` of `service`; `index` is the exchange of the
    session that waited for it: the accepting one where completion is declared, else the recorded waiting read.
    `how`: `ended` (it showed what the client waited for), `open` (it did not within `bound` seconds) or `unreadable`
    (every read failed). Work that was open may get a second End in a later step (`late`).
    """

    step: str  # in which this was seen; `operation` tells in which it was accepted
    replay: str
    session: str
    index: int
    operation: str
    service: str
    name: str
    version: str
    how: Literal["ended", "open", "unreadable"]
    shown: str  # the last thing shown: a state, an entry, a count, a status
    waited: float  # seconds since the acceptance was answered
    bound: float  # seconds; how long it would have been waited for
    reads: int
    last: str  # id of the last read; "" where none was sent
    at: float
    wanted: str = ""  # what the client waited for, in a few words
    declared: bool = False
    late: bool = False  # asked for again after its own step had given it up
    brief: bool = False  # waited for less than `bound`, for others at the same place had not ended before


class Note(Struct, frozen=True, gc=False):
    """Something an operator must know that is no violation: an unmatched value, a count that does not add up.

    `kind`, by what it is about: of values, `unmatched` and `ambiguous`; of sessions, what they have `borrowed` and
    `credentials` that were rejected; of exchanges, polling that has `not-ended` and what a `stream` has not kept or
    not been disturbed by; of the run, what was `not-run` and a `count` that does not add up. Only `count` keeps a run
    from passing.
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


class RunInfo(Struct, frozen=True, gc=False):
    """The first record of a run; enough to judge it again with the files stored beside it."""

    schema: int
    tool: str
    matrix: str
    seed: int
    runtime: str
    services: tuple[ServiceInfo, ...]
    partners: tuple[str, ...]
    client_versions: tuple[tuple[str, str], ...]  # (service, version whose client was recorded)
    file: str = ""  # the matrix's file, as the user named it


class History(Struct, frozen=True, gc=False):
    """Everything that happened in a run, each kind in order."""

    run: RunInfo
    operations: tuple[Operation, ...]
    steps: tuple[Step, ...]
    replicas: tuple[ReplicaEvent, ...]
    faults: tuple[FaultInjected, ...]
    notes: tuple[Note, ...]
    ends: tuple[End, ...] = ()


class Timing(Struct, frozen=True, gc=False):
    """Seconds: in all, starting and stopping, replaying, judging."""

    total_s: float
    boot_s: float
    replay_s: float
    judge_s: float
