"""The lattice of a rollout: every state that its strategy and the order of its services allow, and how many there are.

Each upgraded service is a chain of changes: its expansion, if it has one, then its waves of replicas. A state says how
many changes of each chain were made. A service may begin once those that it waits for have made all of theirs. When
all have, migrations follow that belong to the end (`FINAL_STAGES`). From every state with a new replica the rollout can
be rolled back to all old. Nothing is enumerated to count: thirty services need no more time than three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from verifier.matrix.model import Matrix, Service
from verifier.plan.waves import waves

FINAL_STAGES = (("migrate", "migrate"), ("contract", "finalize"))  # the stage, and the kind of its step
State = tuple[int, ...]  # changes made, by chain


@dataclass(frozen=True, slots=True)
class Chain:
    """The changes of one service. `after` are the positions of the chains that must be complete before it begins."""

    service: str
    length: int
    expands: bool
    after: frozenset[int] = frozenset()


def upgraded(matrix: Matrix) -> list[Service]:
    """The services with more than one version, in the order of the rollout."""
    services = (matrix.service(name) for name in matrix.rollout.order)
    return [service for service in services if service.new is not service.old]


def chains(matrix: Matrix) -> tuple[Chain, ...]:
    """The chains of a matrix. In a declared order each service waits for the one before it."""
    services = upgraded(matrix)
    names = [service.name for service in services]
    found = []
    for at, service in enumerate(services):
        if matrix.rollout.every_order:
            after = frozenset(names.index(name) for name in service.after if name in names)
        else:
            after = frozenset({at - 1} if at else ())
        expands = bool(service.migrating("expand"))
        found.append(Chain(service.name, len(waves(matrix, service)) + expands, expands, after))
    return tuple(found)


def moves(lattice: Sequence[Chain], state: State) -> Iterator[int]:
    """The chains that can make their next change."""
    for at, chain in enumerate(lattice):
        begun = state[at] > 0 or all(state[other] == lattice[other].length for other in chain.after)
        if state[at] < chain.length and begun:
            yield at


def moved(state: State, at: int) -> State:
    return (*state[:at], state[at] + 1, *state[at + 1 :])


@dataclass(frozen=True, slots=True)
class Size:
    """Exact numbers. `states` has those of the way forward and those that rollbacks lead to; `forward` counts changes,
    and `back` the rollbacks of states together with the ways forward again.
    """

    states: int
    forward: int
    back: int

    @property
    def transitions(self) -> int:
        return self.forward + self.back


def size(matrix: Matrix) -> Size:
    """How many states and transitions the rollout of a matrix can have. Without rollbacks none are counted."""
    lattice = chains(matrix)
    states, forward = _Counting(lattice).whole()
    final = sum(any(service.migrating(stage) for service in upgraded(matrix)) for stage, _ in FINAL_STAGES)
    if matrix.rollout.rollback == "none" or not lattice:
        return Size(states + final, forward + final, 0)
    expanding = {at for at, chain in enumerate(lattice) if chain.expands}
    first = {at for at, chain in enumerate(lattice) if not chain.after}
    untouched = 2 ** len(first & expanding)  # states without a new replica
    order = {at: frozenset(_before(lattice, at) & expanding) for at in expanding}
    expanded = _ideals(order)  # which services may be expanded at once
    # Going forward again from all old to a state of one wave is the change that first led there.
    known = sum(2 ** len(first & expanding - {at}) for at in first)
    back = 2 * (states - untouched) - known
    undone = {at for at in expanding if matrix.service(lattice[at].service).migrating("undo")}
    more = False
    if undone:  # the way back from the last state has one more step, and the way forward begins after it
        one_wave = len(lattice) == 1 and lattice[0].length == 2
        back += 1 + one_wave
        left = expanding - undone
        more = not (left <= first or all(order[at] <= left for at in left))
    return Size(states + final + expanded - untouched + more, forward + final, back)


def _before(lattice: Sequence[Chain], at: int) -> set[int]:
    """All chains that must be complete before one begins."""
    found: set[int] = set()
    waiting = list(lattice[at].after)
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += lattice[other].after
    return found


@dataclass(slots=True)
class _Counting:
    """Counts states and changes. What some chains have depends on which they are, so it is counted once.

    One chain that waits for nothing is either not complete, so that all that wait for it stand still, or complete, so
    that nothing waits for it. Chains that have nothing to do with each other multiply.
    """

    lattice: Sequence[Chain]
    known: dict[frozenset[int], tuple[int, int]] = field(default_factory=dict)

    def whole(self) -> tuple[int, int]:
        return self._of(frozenset(range(len(self.lattice))))

    def _of(self, members: frozenset[int]) -> tuple[int, int]:
        if members not in self.known:
            self.known[members] = self._counted(members)
        return self.known[members]

    def _counted(self, members: frozenset[int]) -> tuple[int, int]:
        if not members:
            return 1, 0
        waits = {at: self.lattice[at].after & members for at in sorted(members)}
        parts = _parts(waits)
        if len(parts) > 1:
            counted = [self._of(part) for part in parts]
            every = prod(states for states, _ in counted)
            return every, sum(changes * (every // states) for states, changes in counted)
        first = max(
            (at for at in waits if not waits[at]), key=lambda at: sum(at in others for others in waits.values())
        )
        length = self.lattice[first].length
        states, changes = self._of(members - _behind(waits, first))
        more_states, more_changes = self._of(members - {first})
        return length * states + more_states, length * (states + changes) + more_changes


def _ideals(order: Mapping[int, frozenset[int]]) -> int:
    """How many sets contain with each member all that must be there before it."""
    place = {at: number for number, at in enumerate(sorted(order))}
    ones = [Chain("", 1, False, frozenset(place[other] for other in order[at])) for at in sorted(order)]
    return _Counting(ones).whole()[0]


def _behind(waits: Mapping[int, frozenset[int]], first: int) -> frozenset[int]:
    """A chain and all that wait for it."""
    found = {first}
    while more := {at for at, others in waits.items() if others & found} - found:
        found |= more
    return frozenset(found)


def _parts(waits: Mapping[int, frozenset[int]]) -> list[frozenset[int]]:
    """The chains in groups that have nothing to do with each other."""
    group = {at: frozenset({at}) for at in waits}
    for at, others in waits.items():
        for other in others:
            joined = group[at] | group[other]
            group.update(dict.fromkeys(joined, joined))
    return sorted(set(group.values()), key=min)
