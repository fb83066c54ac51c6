"""The confirmation: what seemed to break is tried again before a run may fail.

One finding is one try, and a try can go wrong by chance: a slow disk, a replica that ended by itself. The confirmation
is a reduced plan. It walks the same paths on fresh stores, the controls included, with the replays, routes and faults
of the findings alone, each `REPEATS` times in every step. So the tries of the mixture and of its controls are matched
in number and in kind, and `checks/rates.py` can compare them.

Pure and deterministic: the same plan and targets give an equal confirmation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from verifier.plan.model import Fault, Path, Plan, PlannedStep, Replay, SessionShape, live_versions

REPEATS = 10  # of each target in each step
MOST_TARGETS = 12
PREFIX = "confirm-"


@dataclass(frozen=True, slots=True)
class Target:
    """One replay that showed a finding, in the step `step`. Without a route (live traffic) any version serves it.

    Without a session (a replica that did not become ready) the path alone is walked again.
    """

    step: str
    session: str = ""
    route: tuple[str, ...] = ()
    fault: Fault | None = None


def confirmation(plan: Plan, targets: Sequence[Target]) -> tuple[Path, ...]:
    """The paths that try the targets again; none without targets."""
    wanted = list(dict.fromkeys(targets))[:MOST_TARGETS]
    if not wanted:
        return ()
    shapes = {session.id: session for session in plan.sessions}
    paths = [path for path in plan.paths if path.kind != "control-old" and path.kind != "rollout"]
    paths = [*[path for path in plan.paths if path.kind == "control-old"][:1], *paths]
    paths += [path for path in plan.paths if path.kind == "rollout" and _shows(path, wanted)]
    return tuple(_path(path, wanted, shapes) for path in paths)


def _shows(path: Path, targets: Sequence[Target]) -> bool:
    return any(step.id == target.step for step in path.steps for target in targets)


def _path(path: Path, targets: Sequence[Target], shapes: dict[str, SessionShape]) -> Path:
    """The path up to the last step that showed a target; a control goes to its end."""
    showing = [at for at, step in enumerate(path.steps) if any(step.id == target.step for target in targets)]
    length = showing[-1] + 1 if path.kind == "rollout" else len(path.steps)
    kept = tuple(replace(step, id=f"{PREFIX}{step.id}", replays=(), proofs=()) for step in path.steps[:length])
    steps = tuple(
        replace(step, replays=tuple(_replays(kept, at, original.id, targets, shapes)))
        for at, (step, original) in enumerate(zip(kept, path.steps, strict=False))
    )
    return Path(f"{PREFIX}{path.id}", path.kind, steps, confirms=True)


def _replays(
    steps: Sequence[PlannedStep], at: int, original: str, targets: Sequence[Target], shapes: dict[str, SessionShape]
) -> Iterator[Replay]:
    number = 0
    for target in targets:
        session = shapes.get(target.session)
        if session is None:
            continue
        for repeat in range(REPEATS):
            route = tuple(
                _version(steps[at], exchange.service, target.route[index] if target.route else "", index + repeat)
                for index, exchange in enumerate(session.exchanges)
            )
            fault = None if target.fault is None else _fault(steps, at, session, target.fault, repeat)
            if "" in route or (target.fault is not None and fault is None):
                break
            number += 1
            yield Replay(f"r{number}", session.id, _through(route, fault), fault)


def _version(step: PlannedStep, service: str, wanted: str, turn: int) -> str:
    """The wanted version where it is live, else the live ones in turn; "" where the service does not run."""
    live = live_versions(step.state, service)
    if wanted in live:
        return wanted
    return live[turn % len(live)] if live else ""


def _fault(steps: Sequence[PlannedStep], at: int, session: SessionShape, fault: Fault, turn: int) -> Fault | None:
    """The fault between versions that are live here; None where it cannot take place."""
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
    return replace(fault, first=first, second=second, until=until) if first and second else None


def _through(route: tuple[str, ...], fault: Fault | None) -> tuple[str, ...]:
    """The route with the fault's own versions at its exchange."""
    if fault is None or fault.callee:
        return route
    row = list(route)
    row[fault.index] = fault.first
    if fault.kind == "reorder":
        row[fault.index + 1] = fault.second
    return tuple(row)
