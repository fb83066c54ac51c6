"""A plan that was edited: paths removed or in another order, steps cut off, replays removed or changed.

It is compared with the plan that the matrix gives now. What only the matrix decides (versions, states, actions,
sessions, contracts) must be as there. What the edited plan leaves out is not covered, and without a control or without
any rollout there can be no pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from verifier.plan.faults import DEFERRED, INNER, NOW, ON_REPLICAS, cell, is_possible
from verifier.plan.model import (
    DEPLOYING,
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
from verifier.plan.route_coverage import SessionRoutes
from verifier.plan.state_coverage import visited

KINDS = frozenset((*NOW, *DEFERRED, *ON_REPLICAS, *INNER, "reorder", "slow-read"))
WHY = "removed from the plan"  # why something is not covered
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Place = tuple[str | int, ...]  # keys and positions, from the top of the plan


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with an edited plan."""

    place: Place
    message: str


def complaints(given: Plan, made: Plan) -> Iterator[Complaint]:
    """What is wrong with an edited plan; `made` is the plan that the matrix gives."""
    if given.tool != made.tool:
        yield Complaint(("tool",), f"the plan is of verifier {given.tool!r}, and this is {made.tool!r}")
        return
    for field in fields(Plan):
        if field.name != "paths" and getattr(given, field.name) != getattr(made, field.name):
            yield Complaint((field.name,), "is not as in the plan of this matrix, and cannot be edited")
    known = {path.id: path for path in made.paths}
    if not given.paths:
        yield Complaint(("paths",), "has no path")
    seen: set[str] = set()
    for number, path in enumerate(given.paths):
        place: Place = ("paths", number)
        if path.id not in known:
            yield Complaint((*place, "id"), f"{path.id!r} is no path of this matrix, which has {', '.join(known)}")
            continue
        if path.id in seen:
            yield Complaint((*place, "id"), f"{path.id!r} is there twice")
        seen.add(path.id)
        yield from _of_path(path, known[path.id], {session.id: session for session in made.sessions}, place)


def _of_path(path: Path, made: Path, sessions: dict[str, SessionShape], place: Place) -> Iterator[Complaint]:
    if path.kind != made.kind or path.confirms:
        yield Complaint((*place, "kind"), f"must be that of {path.id}: {made.kind}, and no confirmation")
    if not 0 < len(path.steps) <= len(made.steps):
        yield Complaint((*place, "steps"), f"{path.id} has {len(made.steps)} steps, of which the last may be removed")
        return
    for number, (step, planned) in enumerate(zip(path.steps, made.steps, strict=False)):
        at: Place = (*place, "steps", number)
        if step.id != planned.id:
            yield Complaint((*at, "id"), f"must be {planned.id!r}: only the last steps of a path may be removed")
            continue
        for field in fields(PlannedStep):
            name = field.name
            if name not in ("replays", "proofs") and getattr(step, name) != getattr(planned, name):
                yield Complaint((*at, name), f"is not as in the plan of this matrix, and cannot be edited in {step.id}")
        if any(proof not in planned.proofs for proof in step.proofs):
            yield Complaint((*at, "proofs"), "has a request that the plan of this matrix does not have")
        ids: set[str] = set()
        for turn, replay in enumerate(step.replays):
            spot: Place = (*at, "replays", turn)
            if replay.id in ids or not _ID.fullmatch(replay.id):
                yield Complaint((*spot, "id"), f"{replay.id!r} is there twice, or is no id of letters and digits")
            ids.add(replay.id)
            if replay not in planned.replays:
                yield from _of_replay(replay, path, number, sessions, spot)


def _of_replay(
    replay: Replay, path: Path, number: int, sessions: dict[str, SessionShape], place: Place
) -> Iterator[Complaint]:
    step, session = path.steps[number], sessions.get(replay.session)
    if session is None:
        yield Complaint((*place, "session"), f"{replay.session!r} is no session; there are {', '.join(sessions)}")
        return
    if len(replay.route) != len(session.exchanges):
        message = f"has {len(replay.route)} versions, and {session.id} has {len(session.exchanges)} exchanges"
        yield Complaint((*place, "route"), message)
        return
    for at, (exchange, version) in enumerate(zip(session.exchanges, replay.route, strict=True)):
        if version not in live_versions(step.state, exchange.service):
            message = f"no replica of {exchange.service} runs {version!r} in {step.id}"
            yield Complaint((*place, "route", at), message)
    if replay.fault is not None:
        yield from _of_fault(replay.fault, path, number, session, (*place, "fault"))


def _of_fault(fault: Fault, path: Path, number: int, session: SessionShape, place: Place) -> Iterator[Complaint]:
    step = path.steps[number]
    if fault.kind not in KINDS:
        yield Complaint((*place, "kind"), f"{fault.kind!r} is none of {', '.join(sorted(KINDS))}")
        return
    if not 0 <= fault.index < len(session.exchanges):
        yield Complaint((*place, "index"), f"{session.id} has exchanges from 0 to {len(session.exchanges) - 1}")
        return
    exchange = session.exchanges[fault.index]
    if fault.name != exchange.name:
        yield Complaint((*place, "name"), f"must be {exchange.name!r}, the exchange {fault.index} of {session.id}")
    later = {entry.id: entry for entry in path.steps[number + 1 :]}
    if (fault.kind in DEFERRED) != bool(fault.until) or (fault.until and fault.until not in later):
        yield Complaint((*place, "until"), f"must be a later step of {path.id} for a deferred duplicate, else empty")
        return
    if not 0.0 <= fault.moment <= 1.0:
        yield Complaint((*place, "moment"), "must be between 0 and 1")
    if fault.inner and not fault.callee:
        yield Complaint((*place, "callee"), "must name the service or partner that is called")
        return
    after = session.exchanges[fault.index + 1 : fault.index + 2]
    if fault.kind == "reorder" and not (after and after[0].free and after[0].write):
        yield Complaint((*place, "index"), "the exchange after it cannot be sent before it")
        return
    yield from _of_versions(fault, step, later.get(fault.until, step), session, place)


def _of_versions(
    fault: Fault, step: PlannedStep, second: PlannedStep, session: SessionShape, place: Place
) -> Iterator[Complaint]:
    exchange = session.exchanges[fault.index]
    service = fault.callee or exchange.service
    other = session.exchanges[fault.index + 1].service if fault.kind == "reorder" else service
    known = {entry.service for entry in step.state}
    if fault.inner and service not in known:  # a partner has no versions
        if fault.first or fault.second:
            yield Complaint((*place, "first"), f"must be empty, because {service} is no service")
        return
    for key, version, name, where in (
        ("first", fault.first, service, step),
        ("second", fault.second, other, second),
    ):
        if version not in live_versions(where.state, name):
            yield Complaint((*place, key), f"no replica of {name} runs {version!r} in {where.id}")
            return
    if fault.kind in ON_REPLICAS and not is_possible(step, exchange.service, fault):
        yield Complaint((*place, "kind"), f"{fault.kind} is not possible in {step.id}")


def applied(given: Plan, made: Plan) -> Plan:
    """The plan to run: what is edited, with the coverage that is left, and why it cannot pass."""
    paths = given.paths
    covered = _coverage(paths, made)
    return replace(made, paths=paths, coverage=covered, edited=tuple(_reasons(paths, made)))


def _reasons(paths: Sequence[Path], made: Plan) -> Iterator[str]:
    """Why the run cannot pass."""
    kept = {path.id: path for path in paths}
    for path in made.paths:
        if path.kind in DEPLOYING:
            continue
        left = len(kept[path.id].steps) if path.id in kept else 0
        if left < len(path.steps):
            what = f"only {left} of {len(path.steps)} steps of the control" if left else "no control"
            yield f"the edited plan has {what} {path.id}, so nothing tells what is usual from what the rollout adds"
        elif not all(step.replays for step in kept[path.id].steps):
            yield f"the edited plan has no replay in a step of the control {path.id}"
    if not any(path.kind == "rollout" for path in paths):
        yield "the edited plan has no rollout, so no mixture of versions is tested"


def _coverage(paths: Sequence[Path], made: Plan) -> Coverage:
    states, changes = visited(paths)
    kept = {(step.id, replay.id) for path in paths for step in path.steps for replay in step.replays}
    planned = {(step.id, replay.id): replay for step in made.steps for replay in step.replays}
    faulted = [name for name, replay in planned.items() if replay.fault is not None]
    routes, faults, before = _routes(paths, made), _faults(paths, made), made.coverage
    missing = (
        ("paths", len(made.paths) - len(paths), len(made.paths)),
        ("steps", len(made.steps) - sum(len(path.steps) for path in paths), len(made.steps)),
        ("states of the rollout", before.states.covered - len(states), before.states.total),
        ("transitions", before.transitions.covered - len(changes), before.transitions.total),
        ("routes", before.routes.covered - routes, before.routes.total),
        ("faulted replays", sum(name not in kept for name in faulted), len(faulted)),
        ("undisturbed replays", len(set(planned) - kept - set(faulted)), len(planned) - len(faulted)),
    )
    return Coverage(
        Count(len(states), before.states.total),
        Count(len(changes), before.transitions.total),
        Count(routes, max(routes, before.routes.total)),
        Count(faults, max(faults, before.faults.total)),
        (*before.left_out, *(LeftOut(what, WHY, count, total) for what, count, total in missing if count > 0)),
    )


def _faults(paths: Sequence[Path], made: Plan) -> int:
    services = {(one.id, at): entry.service for one in made.sessions for at, entry in enumerate(one.exchanges)}
    replays = (replay for path in paths for step in path.steps for replay in step.replays)
    return len({cell(services[replay.session, replay.fault.index], replay.fault) for replay in replays if replay.fault})


def _routes(paths: Sequence[Path], made: Plan) -> int:
    """Pairs of exchanges × pairs of versions of undisturbed replays."""
    found = {session.id: SessionRoutes([entry.service for entry in session.exchanges]) for session in made.sessions}

    for step in (step for path in paths for step in path.steps):
        live = {entry.service: live_versions(step.state, entry.service) for entry in step.state}
        for name, session in found.items():
            rows = [replay.route for replay in step.replays if replay.session == name and replay.fault is None]
            if rows:
                session.add(live, rows)
    return sum(session.covered for session in found.values())
