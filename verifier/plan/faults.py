"""Enumerates faults: operation × fault × version pair, for every state in which the pair can occur."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from verifier.plan.model import Fault, Path, PlannedStep, SessionShape, live_versions

NOW = ("duplicate-at-once", "duplicate-after", "lost-answer", "reset", "late-arrival")
DEFERRED = ("duplicate-next-step", "duplicate-after-rollback")
LATE_REMOVAL = "late-removal"  # of actions, not of replays: see `plan/late_removal.py`
IN_HAND = "late-removal-in-hand"  # of the request that a replica has in hand when it is told to end
HANDOVER, KILL, PAUSE = "handover", "kill", "pause"
IN_MID_WORK = (KILL, PAUSE)
ON_REPLICAS = (HANDOVER, *IN_MID_WORK)  # each runs alone, because nobody else may use the replicas meanwhile
INNER = ("inner-duplicate", "inner-lost-answer", "inner-late-answer")
EARLIEST, LATEST = 0.4, 0.9  # moments of a kill or a pause

# What disturbs a service in the same way: a control that has one of a family is a control for all of it.
FAMILIES = {
    "duplicate-after": "duplicate",
    "duplicate-next-step": "duplicate",
    "duplicate-after-rollback": "duplicate",
    "duplicate-at-once": "duplicate at once",
    "lost-answer": "retry",
    "reset": "retry",
    "late-arrival": "retry",
    "reorder": "reorder",
    HANDOVER: "handover",
    LATE_REMOVAL: LATE_REMOVAL,
    IN_HAND: LATE_REMOVAL,
    KILL: "kill",
    PAUSE: "pause",
    "inner-duplicate": "inner",
    "inner-lost-answer": "inner",
    "inner-late-answer": "inner",
}

Key = tuple[str, str, str, str]  # service, operation, family, callee
Cell = tuple[str, str, str, str, str, str]


def cell(service: str, fault: Fault) -> Cell:
    """What a fault covers in any step: operation × fault × version pair."""
    return (service, fault.name, fault.kind, fault.callee, fault.first, fault.second)


def key(service: str, fault: Fault) -> Key:
    """What a control must have tried before a fault is planned in a later state."""
    return (service, fault.name, FAMILIES.get(fault.kind, fault.kind), fault.callee)


def targets(sessions: Sequence[SessionShape]) -> list[tuple[SessionShape, int]]:
    """One exchange for each writing operation: the first one of the first session that contains it.

    An exchange that was taken from another session counts only if no session has the operation of its own.
    """
    found: dict[tuple[str, str], tuple[SessionShape, int]] = {}
    for borrowed in (False, True):
        for session in sessions:
            for index, exchange in enumerate(session.exchanges):
                if exchange.write and bool(exchange.lender) is borrowed:
                    found.setdefault((exchange.service, exchange.name), (session, index))
    return list(found.values())


def accepting(sessions: Sequence[SessionShape]) -> list[tuple[SessionShape, int]]:
    """The first exchange of each operation that accepts work, to be done after its response."""
    found: dict[tuple[str, str], tuple[SessionShape, int]] = {}
    for session in sessions:
        for index, exchange in enumerate(session.exchanges):
            if exchange.write and exchange.accepts and not exchange.lender:
                found.setdefault((exchange.service, exchange.name), (session, index))
    return list(found.values())


def can_hand_over(step: PlannedStep, service: str, first: str, second: str) -> bool:
    """Whether somebody is left to do the work: the other version, or in a state of one version another replica."""
    counts = {entry.version: entry.count for entry in step.state if entry.service == service and entry.count}
    if first not in counts or second not in counts:
        return False
    return first != second if len(counts) > 1 else counts[first] > 1


def can_hit(step: PlannedStep, service: str, first: str, second: str) -> bool:
    """Whether a kill or a pause can hit `first` and leave `second`: both versions run, or it is the only one."""
    live = live_versions(step.state, service)
    return first in live and second in live and (first != second or len(live) == 1)


def is_possible(step: PlannedStep, service: str, fault: Fault) -> bool:
    """Whether a fault on replicas is possible in a step; `service` accepts the work."""
    if fault.kind == HANDOVER:
        return can_hand_over(step, service, fault.first, fault.second)
    return can_hit(step, fault.callee or service, fault.first, fault.second)


def enumerate_faults(
    path: Path,
    step: PlannedStep,
    sessions: Sequence[SessionShape],
    kinds: Sequence[str],
    callees: Mapping[str, tuple[str, ...]],
    workers: Sequence[str] = (),
) -> Iterator[tuple[SessionShape, Fault]]:
    """Every fault that is possible in this step. `callees` lists what each service calls, directly or indirectly."""
    for session, index in accepting(sessions):
        for kind in ON_REPLICAS:
            if kind in kinds:
                yield from _on_replicas(step, session, index, kind, workers)
    for session, index in targets(sessions):
        exchange = session.exchanges[index]
        live = live_versions(step.state, exchange.service)
        for kind in kinds:
            if kind in DEFERRED:
                if path.kind != "rollout" and kind == "duplicate-after-rollback":
                    if "duplicate-next-step" in kinds:
                        continue
                    kind = "duplicate-next-step"  # a control goes back nowhere; late is late
                yield from _deferred(path, step, session, index, kind)
            elif kind in INNER:
                yield from _inner(step, session, index, kind, callees.get(exchange.service, ()))
            elif kind == "reorder":
                yield from _reordered(step, session, index)
            elif kind == "slow-read":
                yield from ((session, Fault(kind, index, exchange.name, version, version)) for version in live)
            elif kind in NOW:
                yield from (
                    (session, Fault(kind, index, exchange.name, first, second)) for first in live for second in live
                )


def _on_replicas(
    step: PlannedStep, session: SessionShape, index: int, kind: str, workers: Sequence[str]
) -> Iterator[tuple[SessionShape, Fault]]:
    """In mid-work the workers are hit, where there are some, for they do the work; else who has accepted it."""
    exchange = session.exchanges[index]
    if kind in IN_MID_WORK and not exchange.awaited:
        return
    for callee in (workers or ("",)) if kind in IN_MID_WORK else ("",):
        live = live_versions(step.state, callee or exchange.service)
        for first in live:
            for second in live:
                fault = Fault(kind, index, exchange.name, first, second, callee)
                if is_possible(step, exchange.service, fault):
                    yield session, fault


def with_moment(seed: int, service: str, fault: Fault, turn: int = 0) -> Fault:
    """A kill or a pause with the moment at which it hits: the same one in all steps, another one in each turn.

    It is not early, because work that has been accepted may lie in a queue for a while.
    """
    if fault.kind not in IN_MID_WORK:
        return fault
    draw = random.Random(f"{seed}/{fault.kind}/{service}/{fault.name}").random()
    return replace(fault, moment=EARLIEST + (draw + turn / 3) % 1.0 * (LATEST - EARLIEST))


def routed(session: SessionShape, route: Sequence[str], fault: Fault) -> tuple[str, ...]:
    """A route with the versions of a fault at the exchanges that it concerns."""
    row = list(route)
    if not fault.callee:
        row[fault.index] = fault.first
    if fault.kind == "reorder":
        row[fault.index + 1] = fault.second
    if fault.kind in ON_REPLICAS and not fault.callee:  # the first version is away from then on
        service = session.exchanges[fault.index].service
        for at in range(fault.index + 1, len(row)):
            if session.exchanges[at].service == service:
                row[at] = fault.second
    return tuple(row)


def _reordered(step: PlannedStep, session: SessionShape, index: int) -> Iterator[tuple[SessionShape, Fault]]:
    """A write overtakes the write before it, if it does not depend on its response. A read would miss its write."""
    after = session.exchanges[index + 1] if index + 1 < len(session.exchanges) else None
    if after is None or not (after.free and after.write):
        return
    exchange = session.exchanges[index]
    for first in live_versions(step.state, exchange.service):
        for second in live_versions(step.state, after.service):
            yield session, Fault("reorder", index, exchange.name, first, second)


def _inner(
    step: PlannedStep, session: SessionShape, index: int, kind: str, callees: Sequence[str]
) -> Iterator[tuple[SessionShape, Fault]]:
    name = session.exchanges[index].name
    for callee in callees:
        live = live_versions(step.state, callee) or ("",)
        if live == ("",) and kind == "inner-duplicate":
            continue  # nothing real duplicates calls to a partner, so the verifier would cause the effect itself
        for first in live:
            for second in live:
                yield session, Fault(kind, index, name, first, second, callee)


def _deferred(
    path: Path, step: PlannedStep, session: SessionShape, index: int, kind: str
) -> Iterator[tuple[SessionShape, Fault]]:
    """A duplicate that is sent in a later step: the next one, or the next one after a rollback."""
    later = tuple(entry for entry in path.steps[path.steps.index(step) + 1 :] if entry.kind != "crash")
    if kind == "duplicate-after-rollback":
        later = tuple(entry for entry in later if entry.kind == "roll back") if step.kind != "roll back" else ()
    if not later:
        return
    exchange = session.exchanges[index]
    for first in live_versions(step.state, exchange.service):
        for second in live_versions(later[0].state, exchange.service):
            yield session, Fault(kind, index, exchange.name, first, second, until=later[0].id)
