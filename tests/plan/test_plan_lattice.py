"""Counts of states and transitions, and the fewest paths, held against a model that deploys one change at a time."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections import deque
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.systems import SESSIONS, matrices, matrix, service, version
from verifier.matrix.model import Amount, Matrix, Migrations, Service
from verifier.plan.cover import MOST_STATES, cover
from verifier.plan.lattice import Chain, chains, moved, moves, size
from verifier.plan.planner import plan
from verifier.plan.state_coverage import visited
from verifier.plan.states import paths
from verifier.plan.waves import waves

quick = settings(max_examples=60, deadline=None)
Mixture = tuple[tuple[int, ...], frozenset[str]]  # new replicas of each service, and migrations


class Deployment:
    """What a deployer can do, one change after the other, written with nothing of the planner but the matrix."""

    def __init__(self, system: Matrix) -> None:
        self.services = [entry for entry in system.services if len(entry.versions) > 1]
        self.rollout = system.rollout
        self.names = [entry.name for entry in self.services]
        self.order = [name for name in system.rollout.order if name in self.names]
        self.start: Mixture = ((0,) * len(self.services), frozenset())

    def stages(self, entry: Service, stage: str) -> bool:
        return any(getattr(one.migrations, stage) for one in entry.versions[1:])

    def sizes(self, entry: Service) -> list[int]:
        """New replicas after each wave, by the words of Kubernetes' documentation."""
        replicas, rollout = entry.replicas, self.rollout
        if rollout.strategy in ("blue-green", "recreate"):
            return [replicas]
        if rollout.strategy == "canary":
            shares = [math.ceil(replicas * share / 100) for share in rollout.canary] or [1]
            return sorted({min(share, replicas) for share in (*shares, replicas)})
        surge, gone = rollout.surge, rollout.unavailable
        plus = math.ceil(replicas * surge.value / 100) if surge.percent else surge.value
        minus = math.floor(replicas * gone.value / 100) if gone.percent else gone.value
        step = (plus + min(minus, replicas)) or 1
        return [*range(step, replicas, step), replicas]

    def complete(self, state: Mixture, name: str) -> bool:
        at = self.names.index(name)
        return state[0][at] == self.services[at].replicas

    def waits_for(self, entry: Service) -> list[str]:
        if self.rollout.every_order:
            return [name for name in entry.after if name in self.names]
        return self.order[: self.order.index(entry.name)]

    def forward(self, state: Mixture) -> list[Mixture]:
        new, migrated = state
        found = []
        for at, entry in enumerate(self.services):
            if not all(self.complete(state, name) for name in self.waits_for(entry)):
                continue
            if self.stages(entry, "expand") and f"{entry.name} expand" not in migrated:
                found.append((new, migrated | {f"{entry.name} expand"}))
            elif larger := [count for count in self.sizes(entry) if count > new[at]]:
                found.append(((*new[:at], larger[0], *new[at + 1 :]), migrated))
        if not found:
            for stage in ("migrate", "contract"):
                added = {f"{entry.name} {stage}" for entry in self.services if self.stages(entry, stage)} - migrated
                if added:
                    return [(new, migrated | added)]
        return found

    def back(self, state: Mixture) -> list[tuple[Mixture, Mixture]]:
        """The changes of a rollback and of going forward again."""
        new, migrated = state
        final = any(name.rpartition(" ")[2] != "expand" for name in migrated)
        if not any(new) or final or self.rollout.rollback == "none":
            return []
        old: Mixture = (self.start[0], migrated)
        undone = {f"{entry.name} expand" for entry in self.services if self.stages(entry, "undo")} & migrated
        if undone and all(self.complete(state, name) for name in self.names):
            without: Mixture = (self.start[0], migrated - undone)
            return [(state, old), (old, without), (without, state)]
        return [(state, old), (old, state)]

    def ahead(self) -> set[tuple[Mixture, Mixture]]:
        """The changes of the way forward."""
        return {(state, other) for state in self.every()[0] for other in self.forward(state) if self.reached(state)}

    def reached(self, state: Mixture) -> bool:
        """Whether a way forward leads to a state. A rollback leaves migrations of services that have not begun."""
        begun = [entry for at, entry in enumerate(self.services) if state[0][at] or f"{entry.name} expand" in state[1]]
        return all(self.complete(state, name) for entry in begun for name in self.waits_for(entry))

    def every(self) -> tuple[set[Mixture], set[tuple[Mixture, Mixture]]]:
        states, found, queue = {self.start}, set(), deque([self.start])
        while queue:
            state = queue.popleft()
            for other in self.forward(state):
                found.add((state, other))
                if other not in states:
                    states.add(other)
                    queue.append(other)
        for state in list(states):
            for before, after in self.back(state):
                found.add((before, after))
                states |= {before, after}
        return states, found


@st.composite
def systems(draw: st.DrawFn) -> Matrix:
    """Up to four services that wait for each other, with any strategy."""
    found = []
    count = draw(st.integers(1, 4))
    for number in range(count):
        stages = {name: ("run", name) for name in ("expand", "migrate", "contract", "undo") if draw(st.booleans())}
        made = service(
            f"s{number}", [version("1"), version("2", migrations=Migrations(**stages))], draw(st.integers(1, 3))
        )
        after = tuple(f"s{other}" for other in range(number) if draw(st.integers(0, 3)) == 0)
        found.append(replace(made, after=after))
    if draw(st.booleans()):
        found.append(service("still", [version("1")]))
    system = matrix(
        found,
        strategy=draw(st.sampled_from(["rolling", "canary", "blue-green", "recreate"])),
        rollback=draw(st.sampled_from(["every-state", "ends", "none"])),
        every_order=draw(st.booleans()),
        faults=(),
    )
    amounts = st.one_of(
        st.builds(Amount, st.integers(0, 2)), st.builds(Amount, st.sampled_from([0, 25, 50]), st.just(True))
    )
    rollout = replace(
        system.rollout,
        surge=draw(amounts),
        unavailable=draw(amounts),
        canary=draw(st.sampled_from([(), (10,), (10, 50), (34, 67)])),
    )
    return replace(system, rollout=rollout)


@quick
@given(systems())
def test_the_counts_are_those_of_deploying_one_change_at_a_time(system: Matrix) -> None:
    states, found = Deployment(system).every()
    counted = size(system)
    assert (counted.states, counted.transitions) == (len(states), len(found))
    assert counted.forward == len(Deployment(system).ahead())


@quick
@given(systems(), st.sampled_from(["states", "transitions"]))
def test_with_enough_paths_everything_is_planned_and_counted(system: Matrix, wanted: str) -> None:
    system = replace(system, rollout=replace(system.rollout, cover=wanted, paths=1000))
    states, found = Deployment(system).every()
    made = plan(system, (), 0).coverage
    assert made.states.total == len(states)
    assert made.transitions.total == len(found)
    left_out = {item.what: item.count for item in made.left_out}
    if system.rollout.rollback != "ends":
        assert made.states.covered == len(states)
        assert "states of the rollout" not in left_out
    if wanted == "transitions" and system.rollout.rollback != "ends":
        assert made.transitions.covered == len(found)
    else:
        missing = left_out.get("transitions forward", 0) + left_out.get("transitions of rollbacks", 0)
        assert made.transitions.covered == len(found) - missing


@quick
@given(systems(), st.integers(1, 4), st.integers(0, 3))
def test_fewer_paths_leave_an_exact_rest(system: Matrix, most: int, seed: int) -> None:
    system = replace(system, rollout=replace(system.rollout, paths=most))
    states, found = Deployment(system).every()
    planned = paths(system, seed)
    rollouts = [path for path in planned if path.kind == "rollout"]
    assert 1 <= len(rollouts) <= most
    assert paths(system, seed) == planned
    seen, changes = visited(planned)
    made = plan(system, (), seed).coverage
    assert (made.states.covered, made.states.total) == (len(seen), len(states))
    assert (made.transitions.covered, made.transitions.total) == (len(changes), len(found))
    left_out = {item.what: (item.count, item.total) for item in made.left_out}
    rest = sum(left_out.get(name, (0, 0))[0] for name in ("transitions forward", "transitions of rollbacks"))
    assert rest == len(found) - len(changes)
    assert left_out.get("states of the rollout", (0, 0))[0] == len(states) - len(seen)
    assert all(0 < count <= total for count, total in left_out.values())


def width(lattice: tuple[Chain, ...]) -> int:
    """The most states of which no path visits two, by trying every set of them (Dilworth's theorem)."""
    every, queue = set(), [(0,) * len(lattice)]
    while queue:
        state = queue.pop()
        if state not in every:
            every.add(state)
            queue += [moved(state, at) for at in moves(lattice, state)]
    apart = {
        state: {
            other for other in every if {True, False} <= {a < b for a, b in zip(state, other, strict=True) if a != b}
        }
        for state in every
    }

    def most(candidates: frozenset[Any]) -> int:
        if not candidates:
            return 0
        first = max(candidates, key=lambda state: len(apart[state] & candidates))
        if not apart[first] & candidates:
            return 1
        return max(1 + most(candidates & apart[first]), most(candidates - {first}))

    return most(frozenset(every))


@settings(max_examples=30, deadline=None)
@given(systems().filter(lambda system: size(system).states < 40))
def test_no_fewer_paths_visit_all_states(system: Matrix) -> None:
    lattice = chains(system)
    assert len(cover(lattice, "states", 1000, 0, 0)) == width(lattice)


def independent(count: int, length: int = 1) -> tuple[Chain, ...]:
    return tuple(Chain(f"s{at}", length, False) for at in range(count))


@pytest.mark.parametrize("count", range(1, 11))
def test_independent_services_need_as_many_paths_as_dilworth_says(count: int) -> None:
    ways = cover(independent(count), "states", 1000, 0, 0)
    assert len(ways) == math.comb(count, count // 2)
    states = {(0,) * count}
    for way in ways:
        state = (0,) * count
        for at in way:
            state = moved(state, at)
            states.add(state)
    assert len(states) == 2**count


@pytest.mark.parametrize(("count", "length"), [(1, 3), (2, 1), (2, 2), (3, 1)])
def test_no_fewer_paths_make_all_changes(count: int, length: int) -> None:
    """Of all sets of paths, by trying them all."""
    lattice = independent(count, length)
    ways: list[tuple[int, ...]] = [()]
    for _ in range(count * length):
        ways = [(*way, at) for way in ways for at in range(count) if way.count(at) < length]

    def edges(way: tuple[int, ...]) -> set[Any]:
        return {(tuple(way[:at].count(one) for one in range(count)), way[at]) for at in range(len(way))}

    every = set().union(*map(edges, ways))
    fewest = next(
        number
        for number in range(1, len(ways) + 1)
        for chosen in combinations(ways, number)
        if set().union(*map(edges, chosen)) == every
    )
    found = cover(lattice, "transitions", 1000, 0, 0)
    assert len(found) == fewest
    assert set().union(*map(edges, found)) == every


def test_three_services_of_two_replicas_with_migrations_are_covered_whole() -> None:
    stages = Migrations(expand=("expand",), contract=("contract",), undo=("undo",))
    system = matrix(
        [service(name, [version("1"), version("2", migrations=stages)], 2) for name in "abc"],
        every_order=True, rollback="every-state", faults=(),
    )  # fmt: skip
    system = replace(system, rollout=replace(system.rollout, cover="transitions", paths=1000))
    states, found = Deployment(system).every()
    made = plan(system, SESSIONS[:0], 0).coverage
    assert (made.states.covered, made.states.total) == (len(states), len(states)) == (65, 65)
    assert (made.transitions.covered, made.transitions.total) == (len(found), len(found))
    assert made.left_out == ()


def test_six_services_have_the_whole_lattice_as_their_total() -> None:
    system = matrix(
        [service(f"s{at}", [version("1"), version("2")], 2) for at in range(6)], every_order=True, faults=()
    )
    made = plan(system, (), 0).coverage
    assert made.states.total == 3**6
    assert made.states.covered == 6 * 11 + 2 < 729, "six paths that share the first and the last state alone"
    (left,) = (item for item in made.left_out if item.what == "states of the rollout")
    assert (left.count, left.total) == (729 - 68, 729)


def test_ten_services_are_planned_at_once() -> None:
    """Ten services of three replicas have more than a million states; they are counted and walked, never listed."""
    stages = Migrations(expand=("expand",), contract=("contract",))
    system = matrix(
        [service(f"s{at}", [version("1"), version("2", migrations=stages)], 2) for at in range(10)],
        every_order=True, rollback="every-state", faults=(),
    )  # fmt: skip
    began = time.process_time()
    made = plan(system, (), 0)
    took = time.process_time() - began
    assert made.coverage.states.total == 4**10 + 1 > MOST_STATES
    assert made.coverage.states.covered > 6 * 28
    assert took < 2.0
    tracemalloc.start()
    plan(system, (), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_thirty_services_that_wait_for_some_are_counted() -> None:
    lattice = [
        replace(service(f"s{at}", [version("1"), version("2")]), after=(f"s{at - 3}",) if at > 2 else ())
        for at in range(30)
    ]
    counted = size(matrix(lattice, every_order=True, rollback="none"))
    assert counted.states == 11**3, "three chains of ten"


@given(st.integers(1, 12), st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans())
def test_waves_are_the_replicas_in_order(replicas: int, surge: int, gone: int, first: bool, second: bool) -> None:
    system = matrix([service("a", [version("1"), version("2")], replicas)])
    rollout = replace(system.rollout, surge=Amount(surge * 25 if first else surge, first),
                      unavailable=Amount(gone * 25 if second else gone, second))  # fmt: skip
    found = waves(replace(system, rollout=rollout), system.services[0])
    assert [slot for wave in found for slot in wave] == list(range(1, replicas + 1))
    assert len({len(wave) for wave in found[:-1]}) <= 1


@quick
@given(matrices())
def test_never_fewer_replicas_than_may_be_missing(system: Matrix) -> None:
    """While a rolling update runs, at most `maxSurge` replicas are added and at most `maxUnavailable` are missing."""
    for surge, gone in product((0, 1, 2), (0, 1)):
        rolled = replace(
            system, rollout=replace(system.rollout, strategy="rolling", surge=Amount(surge), unavailable=Amount(gone))
        )
        for path in paths(rolled):
            if path.kind != "rollout":
                continue
            running: dict[str, set[tuple[int, str]]] = {}
            for step in path.steps:
                for action in step.actions:
                    here = running.setdefault(action.service, set())
                    entry = rolled.service(action.service)
                    if action.kind == "stop":
                        here.discard((action.slot, action.version))
                    elif action.kind in ("start", "replace"):
                        here.add((action.slot, action.version))
                        most = entry.replicas + max(surge, 1 if action.kind == "replace" else surge)
                        assert len(here) <= most
                        if action.kind == "replace":
                            here -= {one for one in here if one[0] == action.slot and one[1] != action.version}
                    if step.kind != "start" and action.kind == "stop":
                        assert len(here) >= entry.replicas - max(gone, 0 if surge else 1)
