"""What the ids in a violation's evidence stand for: operations and replica events, in causal order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from verifier.history.model import History, Operation, ReplicaEvent

Entry = Operation | ReplicaEvent


@dataclass(slots=True)
class Evidence:
    """Looks up evidence of one history. An id that the history does not hold is left out."""

    history: History
    operations: dict[str, Operation] = field(init=False)
    replicas: dict[str, list[ReplicaEvent]] = field(init=False)

    def __post_init__(self) -> None:
        self.operations = {operation.id: operation for operation in self.history.operations}
        self.replicas = {}
        for event in self.history.replicas:
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
        """The event that tells of trouble, else the last one; of the given step where it has any."""
        events = self.replicas.get(replica, [])
        events = [event for event in events if event.step == step] or events
        trouble = [event for event in events if event.what in ("never-ready", "exited", "command-failed", "killed")]
        return (trouble or events or [None])[-1]


def began(entry: Entry) -> float:
    """Seconds since the run began."""
    return entry.started if isinstance(entry, Operation) else entry.at


def identity(entry: Entry) -> str:
    return entry.id if isinstance(entry, Operation) else entry.replica
