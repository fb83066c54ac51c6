"""Resolves the ids in a violation's evidence to operations and replica events, in causal order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from verifier.checks.verdict import Violation
from verifier.history.model import History, Operation, ReplicaEvent

Entry = Operation | ReplicaEvent
_TROUBLE = frozenset({"never-ready", "exited", "child-ended", "command-failed", "killed"})


@dataclass(slots=True)
class Evidence:
    """Looks up evidence of one history. Ids that the history does not contain are ignored."""

    history: History
    operations: dict[str, Operation] = field(init=False)
    replicas: dict[str, list[ReplicaEvent]] = field(init=False)
    effects: dict[str, list[Operation]] = field(init=False)  # by the operation that caused them

    def __post_init__(self) -> None:
        self.effects = {}
        for operation in self.history.operations:
            if operation.effect:
                self.effects.setdefault(operation.parent, []).append(operation)
        self.operations = {operation.id: operation for operation in self.history.operations}
        self.replicas = {}
        for event in self.history.replicas:
            if event.what != "logged":  # no turn in the life of a replica
                self.replicas.setdefault(event.replica, []).append(event)

    def entries(self, ids: Iterable[str], step: str) -> tuple[Entry, ...]:
        """The entries in the order in which they began; `step` chooses among the events of one replica."""
        found: list[Entry] = []
        for name in dict.fromkeys(ids):
            entry = self.operations.get(name) or self._event(name, step)
            if entry is not None:
                found.append(entry)
        return tuple(sorted(found, key=lambda entry: (began(entry), identity(entry))))

    def _event(self, replica: str, step: str) -> ReplicaEvent | None:
        """The last failure event of a replica, else its last event. Events of the given step take precedence."""
        events = self.replicas.get(replica, [])
        events = [event for event in events if event.step == step] or events
        trouble = [event for event in events if event.what in _TROUBLE]
        return next(reversed(trouble or events), None)


def began(entry: Entry) -> float:
    """Seconds since the run began."""
    return entry.started if isinstance(entry, Operation) else entry.at


def identity(entry: Entry) -> str:
    return entry.id if isinstance(entry, Operation) else entry.replica


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a proof. `at` is seconds since the run began; `effect` is what a partner could count."""

    at: float
    step: str
    who: str
    what: str
    served: str
    answer: str
    effect: str
    entry: Entry


def rows(evidence: Evidence, violation: Violation) -> tuple[Row, ...]:
    """The proof in causal order: the evidence, and the effects at partners that its operations caused.

    No operation begins before the operation that caused it, so sorting by start time gives a causal order.
    """
    proving = evidence.entries(violation.evidence, violation.step)
    names = {identity(entry) for entry in proving}
    # Also what is no evidence, such as effects that were recognised as repeated.
    caused = (entry for name in names for entry in evidence.effects.get(name, ()) if entry.id not in names)
    every = sorted((*proving, *caused), key=lambda entry: (began(entry), identity(entry)))
    applied: Counter[tuple[str, str]] = Counter()
    found = []
    for entry in every:
        if isinstance(entry, ReplicaEvent):
            found.append(_replica_row(entry))
            continue
        if entry.effect == "applied" and entry.id in names:
            applied[entry.service, entry.name] += 1
        found.append(_operation_row(entry, applied[entry.service, entry.name] if entry.id in names else 0))
    return tuple(found)


def _replica_row(event: ReplicaEvent) -> Row:
    detail = event.detail.strip().splitlines()
    return Row(
        event.at, event.step, "replica", event.replica, f"{event.service} {event.version}", event.what,
        detail[0] if detail else "", event,
    )  # fmt: skip


def _operation_row(operation: Operation, times: int) -> Row:
    caller = f"{operation.caller} {operation.caller_version}".strip()
    source = {
        "replay": "client",
        "live": "client (live)",
        "poll": "client (poll)",
        "sweep": "read back",
        "proof": "witness",
    }
    effect: str = operation.effect
    if effect == "applied" and times > 1:
        effect = f"applied again ({times})"
    fault = operation.fault if operation.source != "sweep" else ""
    return Row(
        at=operation.started,
        step=operation.step,
        who=caller or source.get(operation.source, operation.source),
        what=f"{operation.request.method} {operation.request.target}",
        served=f"{operation.service} {operation.version}".strip(),
        answer=answer(operation),
        effect=" · ".join(part for part in (effect, fault) if part),
        entry=operation,
    )


def answer(operation: Operation) -> str:
    """What came back, and what the caller could conclude from it: `202 accepted`, `202 lost`, `timeout info`."""
    came = str(operation.response.status) if operation.response else operation.error or "no response"
    lost = operation.response is not None and operation.response.status < 500 and operation.outcome == "info"
    return f"{came} {'lost' if lost else operation.outcome}"
