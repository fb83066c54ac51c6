"""The state of one replay: what the prepared functions of its steps read and write."""

from __future__ import annotations

from verifier.correlation.execution.conflicts import SourceConflicts


class ReplayState:
    """The values of one replay.

    `values` has one text for each slot. The sets of slots have one bit for each: `unresolved` are those about which a
    request that uses them has something to report, `needs_encoding` those whose value has other than unreserved
    characters. `conflicts` is what the replay knows about slots that several sources fill, None before the first.
    """

    __slots__ = ("conflicts", "needs_encoding", "unresolved", "values")

    def __init__(self, values: list[str], unresolved: int, needs_encoding: int) -> None:
        self.values = values
        self.unresolved = unresolved
        self.needs_encoding = needs_encoding
        self.conflicts: SourceConflicts | None = None
