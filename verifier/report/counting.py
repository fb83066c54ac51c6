"""Counts of requests and responses per session, from the history, so that no loss goes unnoticed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from verifier.history.model import History

CLIENT = frozenset({"replay", "live", "poll", "sweep", "proof"})
INNER = frozenset({"inner", "partner"})


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """`sent` = `answered` + `unanswered`: every client request, including polls and read-backs.

    `inner` counts the calls between services that these caused; `unmatched` and `ambiguous` count notes about values.
    """

    session: str
    sent: int
    answered: int
    unanswered: int
    inner: int
    unmatched: int
    ambiguous: int


def count(history: History) -> tuple[SessionCounts, ...]:
    """One entry per session, sorted by name; "" stands for requests that belong to no session."""
    found: Counter[tuple[str, str]] = Counter()
    sessions = {operation.id: operation.session for operation in history.operations}
    for operation in history.operations:
        if operation.source in CLIENT:
            found[operation.session, "answered" if operation.response is not None else "unanswered"] += 1
        elif operation.source in INNER:
            found[operation.session, "inner"] += 1
    for note in history.notes:
        if note.kind in ("unmatched", "ambiguous"):
            found[sessions.get(note.operation, ""), note.kind] += 1
    return tuple(_counts(name, found) for name in sorted({name for name, _ in found}))


def total(sessions: tuple[SessionCounts, ...]) -> SessionCounts:
    """All sessions together."""
    return SessionCounts(
        "",
        sum(entry.sent for entry in sessions),
        sum(entry.answered for entry in sessions),
        sum(entry.unanswered for entry in sessions),
        sum(entry.inner for entry in sessions),
        sum(entry.unmatched for entry in sessions),
        sum(entry.ambiguous for entry in sessions),
    )


def _counts(name: str, found: Counter[tuple[str, str]]) -> SessionCounts:
    answered, unanswered = found[name, "answered"], found[name, "unanswered"]
    return SessionCounts(
        name,
        answered + unanswered,
        answered,
        unanswered,
        found[name, "inner"],
        found[name, "unmatched"],
        found[name, "ambiguous"],
    )
