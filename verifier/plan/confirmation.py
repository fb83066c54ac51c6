"""Plans the confirmation: before a run may fail, the replays that showed a finding are repeated.

A single finding can have an unrelated cause, such as a slow disk or a replica that crashed. The confirmation is a
reduced plan. It walks the same paths on fresh stores, including the controls, with only the replays, routes and faults
of the findings, each `REPEATS` times in every step. So the mixture and its controls have the same number and kind of
tries, and `checks/rates.py` can compare them.

Pure and deterministic: equal plan and targets give an equal confirmation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from verifier.plan.faults import ON_REPLICAS, is_possible, routed, with_moment
from verifier.plan.model import DEPLOYING, Fault, Path, Plan, PlannedStep, Replay, SessionShape, live_versions

REPEATS = 10  # of each target in each step
REPEATS_ALONE = 3  # of one that runs by itself and waits for work to end
MOST_TARGETS = 12
PREFIX = "confirm-"


@dataclass(frozen=True, slots=True)
class Target:
    """A replay that showed a finding in `step`. Without a route (live traffic), any version serves it.

    Without a session (a replica that did not become ready), only the path is walked again.
    """

    step: str
    session: str = ""
    route: tuple[str, ...] = ()
    fault: Fault | None = None


def confirmation(plan: Plan, targets: Sequence[Target]) -> tuple[Path, ...]:
    """The paths that repeat the targets; () without targets."""
    wanted = list(dict.fromkeys(targets))[:MOST_TARGETS]
    if not wanted:
        return ()
    shapes = {session.id: session for session in plan.sessions}
    paths = [path for path in plan.paths if path.kind in ("control-new", "control-upgrade")]
    paths = [*[path for path in plan.paths if path.kind == "control-old"][:1], *paths]
    paths += [path for path in plan.paths if path.kind in DEPLOYING and _shows(path, wanted)]
    return tuple(_path(path, wanted, shapes, plan.seed) for path in paths)


def _shows(path: Path, targets: Sequence[Target]) -> bool:
    return any(step.id == target.step for step in path.steps for target in targets)


def _path(path: Path, targets: Sequence[Target], shapes: dict[str, SessionShape], seed: int) -> Path:
    """The path up to the last step that showed a target; a control goes to its end."""
    showing = [at for at, step in enumerate(path.steps) if any(step.id == target.step for target in targets)]
    length = showing[-1] + 1 if path.kind in DEPLOYING else len(path.steps)
    kept = tuple(replace(step, id=f"{PREFIX}{step.id}", replays=(), proofs=()) for step in path.steps[:length])
    steps = tuple(
        replace(step, replays=tuple(repeated(kept, at, targets, shapes, seed))) for at, step in enumerate(kept)
    )
    return Path(f"{PREFIX}{path.id}", path.kind, steps, confirms=True)


def repeated(
    steps: Sequence[PlannedStep],
    at: int,
    targets: Sequence[Target],
    shapes: Mapping[str, SessionShape],
    seed: int,
    repeats: int = REPEATS,
) -> Iterator[Replay]:
    """The replays of the targets in the step at this place of a path, each so many times.

    A version that does not run there is replaced by one that does. What is impossible there is left out.
    """
    number = 0
    for target in targets:
        session = shapes.get(target.session)
        if session is None:
            continue
        alone = target.fault is not None and target.fault.kind in ON_REPLICAS
        for repeat in range(min(repeats, REPEATS_ALONE) if alone else repeats):
            route = tuple(
                _version(steps[at], exchange.service, target.route[index] if target.route else "", index + repeat)
                for index, exchange in enumerate(session.exchanges)
            )
            fault = None if target.fault is None else _fault(steps, at, session, target.fault, repeat)
            if fault is not None:
                fault = with_moment(seed, session.exchanges[fault.index].service, fault, repeat)
            if "" in route or (target.fault is not None and fault is None):
                break
            number += 1
            yield Replay(f"r{number}", session.id, routed(session, route, fault) if fault else route, fault)


def _version(step: PlannedStep, service: str, wanted: str, turn: int) -> str:
    """The wanted version if it is live, else the live ones in turn; "" if the service does not run."""
    live = live_versions(step.state, service)
    if wanted in live:
        return wanted
    return live[turn % len(live)] if live else ""


def _fault(steps: Sequence[PlannedStep], at: int, session: SessionShape, fault: Fault, turn: int) -> Fault | None:
    """The fault between versions that are live here; None if it is impossible."""
    until = ""
    if fault.until:
        later = steps[at + 1 :]
        if fault.kind == "duplicate-after-rollback":
            later = [step for step in later if step.kind == "roll back"] or later
        if not later:
            return None
        until = later[0].id
    exchange = session.exchanges[fault.index]
    second_service = session.exchanges[fault.index + 1].service if fault.kind == "reorder" else exchange.service
    if fault.callee and not fault.first:  # a partner
        return replace(fault, until=until)
    first = _version(steps[at], fault.callee or exchange.service, fault.first, turn)
    serving = next((step for step in steps if step.id == until), steps[at])
    second = _version(serving, fault.callee or second_service, fault.second, turn + 1)
    found = replace(fault, first=first, second=second, until=until)
    if not first or not second or (fault.kind in ON_REPLICAS and not is_possible(steps[at], exchange.service, found)):
        return None
    return found
