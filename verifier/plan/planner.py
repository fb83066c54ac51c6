"""Makes the plan of a matrix: adds replays and faults to every step of its paths."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from verifier import __version__
from verifier.contracts.registry import ContractRegistry
from verifier.matrix.model import Matrix
from verifier.plan.calls import callees
from verifier.plan.declared import compared, declared, proofs, safe_order, with_safe_order
from verifier.plan.faults import (
    IN_MID_WORK,
    ON_REPLICAS,
    Cell,
    Key,
    cell,
    enumerate_faults,
    key,
    with_moment,
)
from verifier.plan.late_removal import with_late_removal
from verifier.plan.made import generated, unused
from verifier.plan.model import (
    Count,
    Coverage,
    Fault,
    LeftOut,
    Path,
    Plan,
    PlannedStep,
    Replay,
    SessionShape,
    live_versions,
)
from verifier.plan.random_routes import RandomRoutes
from verifier.plan.route_coverage import Row, SessionRoutes
from verifier.plan.routes import routes
from verifier.plan.state_coverage import counted
from verifier.plan.states import paths

NOTHING = ContractRegistry()
MOST_PER_SECOND = 50.0  # replays planned at most per second of the budget, which a run keeps by its clock


@dataclass(slots=True)
class _Tally:
    """What is planned so far in all paths."""

    cells: Counter[Cell] = field(default_factory=Counter)
    every_cell: set[Cell] = field(default_factory=set)
    controlled: set[Key] = field(default_factory=set)  # what a control with all old has
    routes: dict[str, SessionRoutes] = field(default_factory=dict)  # by session
    rows: dict[tuple[str, tuple[tuple[str, ...], ...]], list[Row]] = field(default_factory=dict)
    known: dict[Row, Row] = field(default_factory=dict)  # one object for equal rows with faults


def plan(matrix: Matrix, sessions: Sequence[SessionShape], seed: int, registry: ContractRegistry = NOTHING) -> Plan:
    """The plan of a matrix. Pure: equal arguments give an equal plan."""
    comparisons = compared(matrix, registry)
    order = safe_order(matrix, registry, comparisons)
    matrix = with_safe_order(matrix, order)
    drafted = with_late_removal(matrix, paths(matrix, seed), sessions)
    calls = callees(matrix)
    count = sum(not _crashes(path, step) for path in drafted for step in path.steps)
    limit = max(4, int(matrix.budget * MOST_PER_SECOND / count))
    tally = _Tally()
    done = tuple(
        replace(
            path,
            steps=tuple(
                replace(step, replays=_replays(matrix, path, step, sessions, seed, limit, calls, tally))
                for step in path.steps
            ),
        )
        for path in drafted
    )
    coverage = _coverage(matrix, done, sessions, tally)
    if count := unused(matrix, registry, sessions):
        why = "no caller of the run is known to use them, so no requests are made up for them"
        left_out = LeftOut("operations of contracts", why, count)
        coverage = replace(coverage, left_out=(*coverage.left_out, left_out))
    entries = frozenset(exchange.service for session in sessions for exchange in session.exchanges)
    said = declared(matrix, registry, comparisons, order, done, entries)
    made = generated(matrix, registry, done, sessions, seed)
    proven = tuple(
        replace(
            path,
            steps=tuple(replace(step, proofs=(*proofs(said, step), *made.get(step.id, ()))) for step in path.steps),
        )
        for path in done
    )
    return Plan(1, __version__, matrix.name, seed, proven, coverage, said, _same(matrix), tuple(sessions),
                invariants=matrix.invariants)  # fmt: skip


def _same(matrix: Matrix) -> tuple[str, ...]:
    """A sentence for each service whose versions are equal. Such a rollout cannot be verified."""
    changed = [service for service in matrix.services if service.new is not service.old]
    return tuple(
        f"{service.name} {service.old.name} and {service.new.name} are the same image, command and environment"
        for service in changed
        if replace(service.old, name="") == replace(service.new, name="")
    )


def _replays(
    matrix: Matrix,
    path: Path,
    step: PlannedStep,
    sessions: Sequence[SessionShape],
    seed: int,
    limit: int,
    calls: dict[str, tuple[str, ...]],
    tally: _Tally,
) -> tuple[Replay, ...]:
    draw = random.Random(f"{seed}/{step.id}")
    planned: list[tuple[SessionShape, tuple[str, ...], Fault | None]] = []
    for session in sessions:
        rows = _routes(step, session, matrix.replaying.strength, tally)
        limit -= len(rows)
        # Concurrent replays of a session may conflict, such as over a unique name. Controls must show this too.
        planned += [(session, row, None) for row in rows for _ in range(2 if path.kind.startswith("control") else 1)]
    workers = [service.name for service in matrix.services if not service.serves]
    # A crash changes no state, so each fault has its place elsewhere. Its time is worth more there.
    kinds = () if _crashes(path, step) else matrix.faults
    possible = list(enumerate_faults(path, step, sessions, kinds, calls, workers))
    tally.every_cell.update(cell(session.exchanges[fault.index].service, fault) for session, fault in possible)
    if step.phase != "control-old":  # no alarm without a matched control
        possible = [entry for entry in possible if _key(*entry) in tally.controlled]
    # What stops replicas runs alone and waits for work to end: one for each pair of versions is what its time is worth.
    possible = [entry for entry in possible if entry[1].kind not in ON_REPLICAS or not tally.cells[_cell(*entry)]]
    faulted = _select(possible, max(0, limit), draw, seed, tally.cells)
    if step.phase == "control-old":
        tally.controlled.update(_key(*entry) for entry in faulted)
    random_routes = RandomRoutes(step, draw, tally.known)
    for session, fault in faulted:
        drawn = with_moment(seed, session.exchanges[fault.index].service, fault)
        planned.append((session, random_routes.around(session, drawn), drawn))
    return tuple(
        Replay(f"r{number}", session.id, row, fault) for number, (session, row, fault) in enumerate(planned, 1)
    )


def _crashes(path: Path, step: PlannedStep) -> bool:
    return path.kind == "crash" or step.kind == "crash"


def _cell(session: SessionShape, fault: Fault) -> Cell:
    return cell(session.exchanges[fault.index].service, fault)


def _key(session: SessionShape, fault: Fault) -> Key:
    return key(session.exchanges[fault.index].service, fault)


def _routes(step: PlannedStep, session: SessionShape, strength: int, tally: _Tally) -> list[Row]:
    """The fewest routes in which every pair of operations is served by every pair of versions."""
    services = [exchange.service for exchange in session.exchanges]
    live = {service: live_versions(step.state, service) for service in dict.fromkeys(services)}
    if not live or not all(live.values()):
        return []
    known = (session.id, tuple(live.values()))
    if known not in tally.rows:
        tally.rows[known] = _rows([live[service] for service in services], strength)
    tally.routes.setdefault(session.id, SessionRoutes(services)).add(live, tally.rows[known])
    return tally.rows[known]


def _rows(live: Sequence[tuple[str, ...]], strength: int) -> list[Row]:
    """The fewest routes for exchanges with these live versions."""
    mixed = [at for at, versions in enumerate(live) if len(versions) > 1]
    most = max(len(versions) for versions in live)
    picks = routes(len(mixed), most, min(strength, max(2, len(mixed)))) if mixed else ((),)
    return list(dict.fromkeys(_row(live, dict(zip(mixed, pick, strict=True))) for pick in picks))


def _row(live: Sequence[tuple[str, ...]], picks: dict[int, int]) -> Row:
    """A version for each exchange: the picked one if several are live."""
    return tuple(versions[picks.get(at, 0) % len(versions)] for at, versions in enumerate(live))


def _select(
    possible: list[tuple[SessionShape, Fault]], limit: int, draw: random.Random, seed: int, covered: Counter[Cell]
) -> list[tuple[SessionShape, Fault]]:
    """At most `limit` faults in the order in which they run: rounds with one fault of each kind.

    The kinds stand in the same order in all steps, so that a beginning of this list has the same kinds everywhere.
    Those that cannot run beside others come last in each round, and kills and pauses last of all: they may leave a
    lease behind that has not expired. Among the faults of one kind the least covered comes first, then one with
    different versions, then a random one.
    """
    keyed = [
        (covered[cell(session.exchanges[fault.index].service, fault)], fault.first == fault.second, draw.random(), at)
        for at, (session, fault) in enumerate(possible)
    ]
    rounds: Counter[Key] = Counter()
    ordered: list[tuple[int, float, int]] = []
    for *_, at in sorted(keyed):
        kind = _key(*possible[at])
        ordered.append((rounds[kind], _rank(seed, kind), at))
        rounds[kind] += 1
    cut = sorted(ordered)[:limit]
    taken = [possible[at] for *_, at in sorted(cut, key=lambda entry: _turn(entry[0], possible[entry[2]][1]))]
    covered.update(cell(session.exchanges[fault.index].service, fault) for session, fault in taken)
    return taken


@lru_cache(maxsize=4096)
def _rank(seed: int, kind: Key) -> float:
    """Where a kind of faults stands in every step of a plan."""
    return random.Random(f"{seed}/{kind}").random()


def _turn(number: int, fault: Fault) -> tuple[bool, int, int]:
    """When a fault of a round runs."""
    return (fault.kind in IN_MID_WORK, number, 2 if fault.kind in ON_REPLICAS else int(fault.inner))


def _coverage(matrix: Matrix, done: Sequence[Path], sessions: Sequence[SessionShape], tally: _Tally) -> Coverage:
    left_out = []
    reads = sum(not exchange.write for session in sessions for exchange in session.exchanges)
    if reads and matrix.faults:
        left_out.append(LeftOut("faults on reads", "a repeated read has no effect to double", reads))
    missing = len(tally.every_cell) - len(tally.cells)
    if missing:
        left_out.append(LeftOut("operation × fault × version pair", "beyond the budget", missing))
    states, transitions, not_visited = counted(matrix, done)
    return Coverage(
        states=states,
        transitions=transitions,
        routes=Count(
            sum(session.covered for session in tally.routes.values()),
            sum(session.total for session in tally.routes.values()),
        ),
        faults=Count(len(tally.cells), len(tally.every_cell)),
        left_out=(*left_out, *not_visited),
    )
