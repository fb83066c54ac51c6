"""The operations of a history in groups that are alike in all that most checks ask for first.

A long run has many operations and few groups: a group is a step, an operation of a version, who sent it and how it
ended. So a check asks each group whether it concerns it, and walks those operations alone. What it counts it counts by
group.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress

from verifier.history.model import History, Operation, Step


@dataclass(slots=True, eq=False)
class Group:
    """`status` is 0 where nobody answered. `made_up`: no client asked for it (a made-up request, or caused by one)."""

    step: str
    source: str
    service: str
    version: str
    name: str
    method: str
    fault: str
    status: int
    outcome: str
    made_up: bool
    path: str
    phase: str  # "" where the step is not known
    count: int = 0

    @property
    def answered(self) -> bool:
        return self.status > 0

    @property
    def failed(self) -> bool:
        """Whether nobody answered, or the server with an error."""
        return not self.status or self.status >= 500


Where = Callable[[Group], bool]


class Groups:
    """The groups of a history, in the order in which they begin."""

    __slots__ = ("_numbers", "_operations", "all")

    def __init__(self, history: History, steps: Mapping[str, Step]) -> None:
        self.all: list[Group] = []
        self._operations = history.operations
        self._numbers = array("I")  # of the group of each operation
        known: dict[tuple[object, ...], int] = {}
        proofs = {operation.id for operation in history.operations if operation.source == "proof"}
        add = self._numbers.append
        for entry in history.operations:
            response = entry.response
            status = response.status if response is not None else 0
            made_up = bool(proofs) and (entry.source == "proof" or entry.parent in proofs)
            key = (
                entry.step, entry.source, entry.service, entry.version, entry.name, entry.request.method,
                entry.fault, status, entry.outcome, made_up,
            )  # fmt: skip
            number = known.get(key)
            if number is None:
                number = known[key] = len(self.all)
                step = steps.get(entry.step)
                path = step.path if step is not None else entry.step.rpartition(".")[0]
                self.all.append(Group(*key, path, step.phase if step is not None else ""))
            add(number)
        counts = [0] * len(self.all)
        for number in self._numbers:
            counts[number] += 1
        for group, count in zip(self.all, counts, strict=True):
            group.count = count

    def where(self, concerns: Where) -> list[Group]:
        return [group for group in self.all if concerns(group)]

    def operations(self, concerns: Where) -> Iterator[Operation]:
        """The operations of some groups, in the order of the history."""
        wanted = [concerns(group) for group in self.all]
        if not any(wanted):
            return iter(())
        return compress(self._operations, map(wanted.__getitem__, self._numbers))

    def pairs(self, concerns: Where) -> Iterator[tuple[Group, Operation]]:
        """The same, each with its group."""
        wanted = [group if concerns(group) else None for group in self.all]
        if any(wanted):
            for group, operation in zip(map(wanted.__getitem__, self._numbers), self._operations, strict=True):
                if group is not None:
                    yield group, operation


def sent_by(*sources: str) -> Where:
    """The operations of these senders."""
    known: Collection[str] = frozenset(sources)
    return lambda group: group.source in known
