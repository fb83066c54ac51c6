"""From an operation to what its client sent: retries, calls between services and read-backs name their parents."""

from __future__ import annotations

from collections.abc import Mapping

from verifier.history.model import Operation


def root(operation: Operation, by_id: Mapping[str, Operation]) -> Operation:
    """The operation at the top of the chain of parents: the one that this one repeats or reads back, or that caused it.

    `by_id` are the operations of the history.
    """
    seen = {operation.id}
    while operation.parent in by_id and operation.parent not in seen:
        operation = by_id[operation.parent]
        seen.add(operation.id)
    return operation
