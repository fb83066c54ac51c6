"""The fewest paths through a lattice that visit all of its states, or all of its changes; or as much as fits.

Paths may share states. A lattice of independent services needs as many as its widest level has states (Dilworth): the
fewest are found as a flow that is at least 1 in every state. Where so many are too many, each path is the one that
visits most of what is left. A lattice too large to be listed is walked, always to what is new. Random choices come from
a seed, so equal arguments give equal paths.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from verifier.plan.lattice import Chain, State, moved, moves

MOST_STATES = 5_000  # that are listed
WALKS = 20  # of which the best is a path
Changes = tuple[int, ...]  # the chain of each change
Edge = tuple[State, int]  # a state and the chain that changes
Node = tuple[State, bool]  # a state before it is visited, or after
_Change = tuple[State, int | None, int]  # visits of a state, or of an edge that begins there, and how many more


def cover(lattice: Sequence[Chain], wanted: str, most: int, states: int, seed: int) -> tuple[Changes, ...]:
    """The paths, the largest gain first, at most `most` of them. `wanted` is `states` or `transitions`.

    `states` is the number of states of the lattice, or more.
    """
    draw = random.Random(f"{seed}/paths")
    if states > MOST_STATES:
        return tuple(_walked(lattice, most, wanted == "states", draw))
    listed = _Listed(lattice, wanted == "states")
    if listed.widest > most:
        return tuple(_greedy(listed, most, draw))
    ways = _fewest(listed, list(_greedy(listed, listed.all, draw)))
    if len(ways) > most:
        return tuple(_greedy(listed, most, draw))
    return tuple(_largest_first(listed, ways))


@dataclass(slots=True)
class _Listed:
    """A lattice as a graph, level by level. `by_states` says whether states are to be covered, or else changes."""

    lattice: Sequence[Chain]
    by_states: bool
    levels: list[dict[State, tuple[int, ...]]] = field(default_factory=list)
    before: dict[State, list[Edge]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        level: dict[State, tuple[int, ...]] = {(0,) * len(self.lattice): ()}
        while level:
            self.levels.append({state: tuple(moves(self.lattice, state)) for state in level})
            following: dict[State, tuple[int, ...]] = {}
            for state, possible in self.levels[-1].items():
                for at in possible:
                    following[moved(state, at)] = ()
                    self.before.setdefault(moved(state, at), []).append((state, at))
            level = following

    @property
    def start(self) -> State:
        return (0,) * len(self.lattice)

    @property
    def end(self) -> State:
        return tuple(chain.length for chain in self.lattice)

    @property
    def all(self) -> int:
        """More paths are never needed."""
        return sum(max(1, len(possible)) for level in self.levels for possible in level.values())

    @property
    def widest(self) -> int:
        """What stands on one level: no path visits two of it."""
        if self.by_states:
            return max(len(level) for level in self.levels)
        return max(1, *(sum(map(len, level.values())) for level in self.levels))


@dataclass(slots=True)
class _Visited:
    states: set[State] = field(default_factory=set)
    edges: set[Edge] = field(default_factory=set)

    def add(self, way: Changes, state: State) -> None:
        self.states.add(state)
        for at in way:
            self.edges.add((state, at))
            state = moved(state, at)
            self.states.add(state)


def _greedy(listed: _Listed, most: int, draw: random.Random) -> Iterator[Changes]:
    """Paths with the largest gain first, until all is visited."""
    visited = _Visited()
    state_gain, edge_gain = (1 << 20, 1) if listed.by_states else (1, 1 << 20)
    least = max(state_gain, edge_gain)
    for _ in range(most):
        gains: dict[State, tuple[int, int]] = {}  # of the best way from here to the end, and its first change
        for level in reversed(listed.levels):
            for state, possible in level.items():
                best, first = 0, -1
                for at in possible if len(possible) < 2 else draw.sample(possible, len(possible)):
                    gain = gains[moved(state, at)][0] + (edge_gain if (state, at) not in visited.edges else 0)
                    if first < 0 or gain > best:
                        best, first = gain, at
                gains[state] = (best + (state_gain if state not in visited.states else 0), first)
        if gains[listed.start][0] < least:
            return
        way, state = [], listed.start
        while gains[state][1] >= 0:
            way.append(gains[state][1])
            state = moved(state, way[-1])
        visited.add(tuple(way), listed.start)
        yield tuple(way)


def _fewest(listed: _Listed, ways: list[Changes]) -> list[Changes]:
    """As few paths as possible that visit the same. A path less is a way through the residual graph of the flow."""
    in_state: Counter[State] = Counter()
    on_edge: Counter[Edge] = Counter()
    for way in ways:
        state = listed.start
        in_state[state] += 1
        for at in way:
            on_edge[state, at] += 1
            state = moved(state, at)
            in_state[state] += 1
    while (found := _one_less(listed, in_state, on_edge)) is not None:
        for state, changing, change in found:
            if changing is None:
                in_state[state] += change
            else:
                on_edge[state, changing] += change
    return _separated(listed, in_state[listed.start], on_edge)


def _one_less(listed: _Listed, in_state: Counter[State], on_edge: Counter[Edge]) -> list[_Change] | None:
    """What to change so that one path less visits the same; None if no path can be missed.

    The search goes from before the first state to after the last one. Forward it takes visits away, as long as one is
    left where one is needed; backward it adds some.
    """
    least_in, least_on = (1, 0) if listed.by_states else (0, 1)
    possible = {state: chains for level in listed.levels for state, chains in level.items()}
    start, end = (listed.start, False), (listed.end, True)
    came: dict[Node, tuple[Node, _Change]] = {start: (start, (listed.start, None, 0))}
    queue = deque([start])
    while queue and end not in came:
        node = queue.popleft()
        state, visited = node
        steps: list[tuple[Node, _Change]] = []
        if visited:
            steps.append(((state, False), (state, None, 1)))
            steps += [
                ((moved(state, at), False), (state, at, -1)) for at in possible[state] if on_edge[state, at] > least_on
            ]
        else:
            steps += [((other, True), (other, at, 1)) for other, at in listed.before.get(state, ())]
            if in_state[state] > least_in:
                steps.append(((state, True), (state, None, -1)))
        for other, change in steps:
            if other not in came:
                came[other] = (node, change)
                queue.append(other)
    if end not in came:
        return None
    found, node = [], end
    while node != start:
        node, change = came[node]
        found.append(change)
    return found


def _separated(listed: _Listed, count: int, on_edge: Counter[Edge]) -> list[Changes]:
    """The paths of a flow."""
    ways = []
    for _ in range(count):
        way, state = [], listed.start
        while state != listed.end:
            at = next(at for at in moves(listed.lattice, state) if on_edge[state, at] > 0)
            on_edge[state, at] -= 1
            way.append(at)
            state = moved(state, at)
        ways.append(tuple(way))
    return ways


def _largest_first(listed: _Listed, ways: Sequence[Changes]) -> Iterator[Changes]:
    visited, left = _Visited(), sorted(ways)
    while left:
        best = max(left, key=lambda way: _gain(way, listed.start, visited, listed.by_states))
        left.remove(best)
        visited.add(best, listed.start)
        yield best


def _gain(way: Changes, state: State, visited: _Visited, by_states: bool) -> int:
    found = int(by_states and state not in visited.states)
    for at in way:
        found += (state, at) not in visited.edges if not by_states else 0
        state = moved(state, at)
        found += by_states and state not in visited.states
    return found


def _walked(lattice: Sequence[Chain], most: int, by_states: bool, draw: random.Random) -> Iterator[Changes]:
    """Paths through a lattice that is not listed: of some that always go to what is new, the best."""
    visited, start = _Visited(), (0,) * len(lattice)
    for _ in range(most):
        ways = [_walk(lattice, visited, by_states, draw) for _ in range(WALKS)]
        best = max(ways, key=lambda way: _gain(way, start, visited, by_states))
        visited.add(best, start)
        yield best


def _walk(lattice: Sequence[Chain], visited: _Visited, by_states: bool, draw: random.Random) -> Changes:
    way, state = [], (0,) * len(lattice)
    while possible := list(moves(lattice, state)):
        new = [
            at
            for at in possible
            if (moved(state, at) not in visited.states if by_states else (state, at) not in visited.edges)
        ]
        way.append(draw.choice(new or possible))
        state = moved(state, way[-1])
    return tuple(way)
