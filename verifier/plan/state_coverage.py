"""How much of the lattice of a rollout the steps of its paths visit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate, pairwise

from verifier.history.model import Replicas
from verifier.matrix.model import Matrix
from verifier.plan.lattice import Chain, Size, State, chains, moved, moves, size
from verifier.plan.model import Count, LeftOut, Path, PlannedStep
from verifier.plan.waves import waves

Mixture = tuple[tuple[Replicas, ...], frozenset[str]]
Change = tuple[Mixture, Mixture]


def visited(paths: Sequence[Path], carried_out: Collection[str] | None = None) -> tuple[set[Mixture], set[Change]]:
    """The states of rollouts and the changes between them; controls count nothing. With `carried_out` (ids of steps)
    only those.

    A restart changes no state. Migrations are a set: in which order they came makes no other state.
    """
    states: set[Mixture] = set()
    found: set[Change] = set()
    for path in paths:
        if path.kind != "rollout":
            continue
        done = [carried_out is None or step.id in carried_out for step in path.steps]
        states |= {_mixture(step) for step, is_done in zip(path.steps, done, strict=True) if is_done}
        for (before, first), (after, second) in pairwise(zip(path.steps, done, strict=True)):
            if first and second and _mixture(before) != _mixture(after):
                found.add((_mixture(before), _mixture(after)))
    return states, found


def _mixture(step: PlannedStep) -> Mixture:
    return step.state, frozenset(step.migrations)


def counted(matrix: Matrix, paths: Sequence[Path]) -> tuple[Count, Count, tuple[LeftOut, ...]]:
    """States and transitions that are planned, of all that the rollout can have, and what is not planned."""
    every, lattice = size(matrix), chains(matrix)
    states, found = visited(paths)
    if matrix.rollout.attempt:  # a wrong order goes through states that no rollout should have
        return Count(len(states), len(states)), Count(len(found), len(found)), ()
    back = {change for change in found if not _goes_forward(matrix, lattice, change)}
    return (
        Count(len(states), every.states),
        Count(len(found), every.transitions),
        tuple(_left_out(matrix, every, len(states), len(found) - len(back), len(back))),
    )


def _left_out(matrix: Matrix, every: Size, states: int, forward: int, back: int) -> Iterator[LeftOut]:
    paths = f"by `rollout: {{cover: {matrix.rollout.cover}, paths: {matrix.rollout.paths}}}`"
    if missing := every.states - states:
        yield LeftOut("states of the rollout", paths, missing, every.states)
    if missing := every.forward - forward:
        yield LeftOut("transitions forward", paths, missing, every.forward)
    if missing := every.back - back:
        why = paths if matrix.rollout.rollback == "every-state" else f"by `rollback: {matrix.rollout.rollback}`"
        yield LeftOut("transitions of rollbacks", why, missing, every.back)


def _goes_forward(matrix: Matrix, lattice: Sequence[Chain], change: Change) -> bool:
    """Whether it is one change of the lattice, or a migration at the end. Going forward again may be more."""
    before, after = (_state(matrix, lattice, mixture) for mixture in change)
    if before == after:
        return change[0][1] < change[1][1]
    possible = [at for at in moves(lattice, before) if moved(before, at) == after]
    begun = (other for at, chain in enumerate(lattice) if before[at] for other in chain.after)
    return bool(possible) and all(before[other] == lattice[other].length for other in begun)


def _state(matrix: Matrix, lattice: Sequence[Chain], mixture: Mixture) -> State:
    """The changes that each chain has made. A rollback makes states that no way forward goes through."""
    state, migrations = mixture
    found = []
    for chain in lattice:
        service = matrix.service(chain.service)
        name = (service.name, service.new.name)
        new = sum(entry.count for entry in state if (entry.service, entry.version) == name)
        made = [0, *accumulate(map(len, waves(matrix, service)))].index(new)
        found.append(made + (f"{service.name} {service.new.name} expand" in migrations))
    return tuple(found)
