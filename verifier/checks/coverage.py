"""What a run covered of what its plan could reach: only steps that were carried out, faults that happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from verifier.history.model import History
from verifier.plan.model import (
    FOR_BUDGET,
    MET_NO_WORK,
    Count,
    Coverage,
    Fault,
    LeftOut,
    Plan,
    PlannedStep,
    Replay,
    first_try,
)
from verifier.plan.route_coverage import covered_pairs
from verifier.plan.state_coverage import visited

Cell = tuple[str, str, str, str, str, str]


def coverage(history: History, plan: Plan) -> Coverage:
    """Counts from the history; the totals are the plan's."""
    done = {step.id for step in history.steps if not step.error}
    states, transitions = visited(plan.paths, done)
    services = {
        (session.id, index): exchange.service
        for session in plan.sessions
        for index, exchange in enumerate(session.exchanges)
    }
    planned_cells = {
        _cell(replay, replay.fault, services) for step in plan.steps for replay in step.replays if replay.fault
    }
    happened = _happened(history)
    cells = {
        _cell(replay, replay.fault, services)
        for step in plan.steps
        for replay in step.replays
        if replay.fault and _where(step, replay, replay.fault) in happened
    }
    missed = len(planned_cells - cells)
    routes = _routes(history, plan)
    left_out = _left_out(history, plan, happened, planned_cells - cells, services, routes)
    return Coverage(
        states=Count(len(states), plan.coverage.states.total),
        transitions=Count(len(transitions), plan.coverage.transitions.total),
        routes=Count(routes, plan.coverage.routes.total),
        faults=Count(plan.coverage.faults.covered - missed, plan.coverage.faults.total),
        left_out=(*plan.coverage.left_out, *left_out),
    )


def _happened(history: History) -> set[tuple[str, str, str]]:
    """Step, replay and kind of the faults that took hold, on the first try or a later one."""
    in_vain = {note.operation for note in history.notes if note.kind == "not-run" and MET_NO_WORK in note.message}
    missed = {(entry.step, entry.replay) for entry in history.operations if entry.id in in_vain}
    found = {(fault.step, first_try(fault.replay), fault.kind) for fault in history.faults}
    return {entry for entry in found if entry[:2] not in missed}


def _left_out(
    history: History,
    plan: Plan,
    happened: set[tuple[str, str, str]],
    missed: set[Cell],
    services: dict[tuple[str, int], str],
    routes: int,
) -> Iterator[LeftOut]:
    """What was planned and did not happen, beside what the plan itself leaves out."""
    skipped = _skipped(history, plan, happened)
    if skipped:
        every = sum(replay.fault is not None for step in plan.steps for replay in step.replays)
        yield LeftOut("faulted replays", FOR_BUDGET, len(skipped), every)
    tried = {
        _cell(replay, replay.fault, services)
        for step in plan.steps
        for replay in step.replays
        if replay.fault and (step.id, replay.id) not in skipped
    }
    if in_vain := len(missed & tried):
        yield LeftOut("planned faults", "the replay ended before, or the call was never made", in_vain)
    if (unmet := plan.coverage.routes.covered - routes) > 0:
        yield LeftOut("planned routes", "the replay ended before, or another version answered", unmet)
    if history.run.partners and not any(operation.source == "partner" for operation in history.operations):
        yield LeftOut("partners", "no service called one, so no effect was compared", len(history.run.partners))


def _skipped(history: History, plan: Plan, happened: set[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """The faulted replays (step, replay) that sent nothing, in the steps of which a note says that the budget left
    some out.
    """
    steps = {note.step for note in history.notes if note.kind == "not-run" and FOR_BUDGET in note.message}
    sent = {(operation.step, operation.replay) for operation in history.operations}
    return {
        (step.id, replay.id)
        for step in plan.steps
        if step.id in steps
        for replay in step.replays
        if replay.fault and (step.id, replay.id) not in sent and _where(step, replay, replay.fault) not in happened
    }


def _where(step: PlannedStep, replay: Replay, fault: Fault) -> tuple[str, str, str]:
    """Step, replay and kind under which the history records a planned fault."""
    if fault.until:
        return (fault.until, f"{step.id}:{replay.id}", fault.kind)
    return (step.id, replay.id, fault.kind)


def _cell(replay: Replay, fault: Fault, services: Mapping[tuple[str, int], str]) -> Cell:
    """Operation × fault × version pair. Operations of two services may have one name."""
    service = services.get((replay.session, fault.index), "")
    return (service, fault.name, fault.kind, fault.callee, fault.first, fault.second)


def _routes(history: History, plan: Plan) -> int:
    """Operation pair × version pair, of undisturbed replays, as they were answered."""
    served: dict[tuple[str, str, str], dict[int, str]] = {}
    for operation in history.operations:
        if operation.source == "replay" and operation.response is not None and not operation.fault:
            place = (operation.step, operation.replay, operation.session)
            served.setdefault(place, {})[operation.index] = operation.version
    planned = {(step.id, replay.id) for step in plan.steps for replay in step.replays if replay.fault is None}
    rows: dict[str, set[tuple[str | None, ...]]] = {}
    lengths: dict[str, int] = {}
    for (_, _, session), versions in served.items():
        lengths[session] = max(lengths.get(session, 0), max(versions) + 1)
    for (step, replay, session), versions in served.items():
        if (step, replay) in planned:
            rows.setdefault(session, set()).add(tuple(map(versions.get, range(lengths[session]))))
    return sum(map(covered_pairs, rows.values()))
