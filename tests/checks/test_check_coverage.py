"""Coverage counts what was carried out, not what was planned."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.checks.coverage import coverage
from verifier.history.model import FaultInjected, Note
from verifier.plan.model import (
    FOR_BUDGET,
    MET_NO_WORK,
    Count,
    Coverage,
    ExchangeShape,
    Fault,
    LeftOut,
    Plan,
    Replay,
    SessionShape,
)

PAIRS = ((OLD, OLD), (OLD, NEW), (NEW, OLD), (NEW, NEW))
TOTALS = Coverage(Count(2, 2), Count(2, 2), Count(4, 4), Count(2, 3), (LeftOut("x", "y", 1),))


def planned() -> tuple[HistoryBuilder, Plan]:
    """Two steps; in the second one four routes of two operations, a duplicate now and one in a later step."""
    builder = HistoryBuilder()
    builder.step("forward", live={"orders": (OLD,)})
    builder.send("GET /a", OLD, 200)
    builder.charge("a")
    builder.step("forward")
    for number, (first, second) in enumerate(PAIRS, 1):
        builder.replay = f"r{number}"
        builder.send("GET /a", first, 200)
        builder.send("GET /b", second, 200, index=1)
    builder.step("rollback")
    plan = builder.plan()
    first, second, third = plan.paths[0].steps
    faults = (
        Fault("duplicate-after", 0, "POST /a", OLD, NEW),
        Fault("duplicate-next-step", 0, "POST /a", NEW, OLD, until=third.id),
    )
    replays = [Replay(f"r{number}", "s1", pair) for number, pair in enumerate(PAIRS, 1)]
    replays += [Replay(f"r{number}", "s1", (fault.first, OLD), fault) for number, fault in enumerate(faults, 5)]
    steps = (first, replace(second, replays=tuple(replays)), third)
    return builder, replace(plan, paths=(replace(plan.paths[0], steps=steps),), coverage=TOTALS)


def happened(step: str, replay: str, kind: str) -> FaultInjected:
    return FaultInjected(step, replay, kind, "op", "POST /a", OLD, NEW, 0.0)


def test_everything_that_was_planned_and_happened_counts() -> None:
    builder, plan = planned()
    faults = (
        happened("rollout.2", "r5", "duplicate-after"),
        happened("rollout.3", "rollout.2:r6", "duplicate-next-step"),
    )
    found = coverage(structs.replace(builder.history(), faults=faults), plan)
    assert (found.routes, found.faults, found.left_out) == (Count(4, 4), Count(2, 3), TOTALS.left_out)
    assert (found.states.covered, found.transitions.covered) == (found.states.total, found.transitions.total)


def test_faults_that_never_happened_are_left_out_and_counted() -> None:
    builder, plan = planned()
    found = coverage(structs.replace(builder.history(), faults=(happened("rollout.2", "r5", "duplicate-after"),)), plan)
    assert found.faults == Count(1, 3)
    assert [item.count for item in found.left_out if item.what == "planned faults"] == [1]
    none = coverage(builder.history(), plan)
    assert none.faults == Count(0, 3)


def test_a_fault_of_another_replay_or_step_is_not_this_one() -> None:
    builder, plan = planned()
    others = (happened("rollout.2", "r6", "duplicate-next-step"), happened("rollout.1", "r5", "duplicate-after"))
    assert coverage(structs.replace(builder.history(), faults=others), plan).faults.covered == 0


def test_pairs_count_as_they_were_answered() -> None:
    """Steered elsewhere, not answered or disturbed: the pair that was planned did not meet."""
    builder, plan = planned()
    operations = list(builder.operations)
    last = operations[-1]
    for change in ({"version": OLD}, {"response": None}, {"fault": "reset"}):
        spoiled = structs.replace(last, **change)
        history = structs.replace(builder.history(), operations=(*operations[:-1], spoiled))
        found = coverage(history, plan)
        assert found.routes == Count(3, 4)
        assert [item.count for item in found.left_out if item.what == "planned routes"] == [1]


def test_operations_of_two_services_may_have_one_name() -> None:
    builder, plan = planned()
    *before, after = plan.paths[0].steps[1].replays
    assert after.fault is not None
    fault = Fault("duplicate-after", 1, "POST /a", OLD, NEW)  # the other one is of exchange 0
    step = replace(plan.paths[0].steps[1], replays=(*before, replace(after, fault=fault)))
    path = replace(plan.paths[0], steps=(plan.paths[0].steps[0], step, plan.paths[0].steps[2]))
    history = structs.replace(builder.history(), faults=(happened("rollout.2", "r5", "duplicate-after"),))
    for services, covered in ((("orders", "stock"), 1), (("orders", "orders"), 2)):
        shapes = tuple(ExchangeShape("POST /a", service, write=True) for service in services)
        both = replace(plan, paths=(path,), sessions=(SessionShape("s1", shapes),))
        assert coverage(history, both).faults == Count(covered, 3)


def test_steps_that_failed_or_never_ran_cover_nothing() -> None:
    builder, plan = planned()
    whole = coverage(builder.history(), plan)
    cut = coverage(structs.replace(builder.history(), steps=tuple(builder.steps[:1])), plan)
    assert (cut.states.covered, cut.transitions.covered) == (1, 0)
    failed = (*builder.steps[:2], structs.replace(builder.steps[2], error="never ready"))
    short = coverage(structs.replace(builder.history(), steps=failed), plan)
    assert short.transitions.covered == whole.transitions.covered - 1


def test_partners_that_nobody_called_are_told() -> None:
    builder, plan = planned()
    history = builder.history()
    uncalled = structs.replace(
        history, operations=tuple(entry for entry in history.operations if entry.source != "partner")
    )
    told = [[item.what for item in coverage(each, plan).left_out] for each in (history, uncalled)]
    assert ["partners" in each for each in told] == [False, True]


def test_what_the_budget_left_out_is_counted_and_told_apart() -> None:
    """Of two faulted replays one sent nothing. The note of its step says why; without it, the fault was in vain."""
    builder, plan = planned()
    builder.replay = "r5"
    sent = structs.replace(builder.send("POST /a", OLD, 200), step="rollout.2")
    operations = (*builder.operations[:-1], sent)
    told = (Note("rollout.2", "not-run", f"1 of 2 faulted replays were left out {FOR_BUDGET}"),)
    faults = (happened("rollout.2", "r5", "duplicate-after"),)
    for notes, expected in ((told, LeftOut("faulted replays", FOR_BUDGET, 1, 2)), ((), None)):
        found = coverage(structs.replace(builder.history(), operations=operations, faults=faults, notes=notes), plan)
        assert found.faults == Count(1, 3)
        assert [item for item in found.left_out if item.total] == ([expected] if expected else [])
        assert ("planned faults" in [item.what for item in found.left_out]) is (expected is None)


def test_a_fault_that_met_no_work_is_no_coverage_and_a_later_try_is() -> None:
    builder, plan = planned()
    (path,) = plan.paths
    replays = tuple(
        replace(replay, fault=replace(replay.fault, kind="handover", until="")) if replay.fault else replay
        for replay in path.steps[1].replays
    )
    plan = replace(
        plan, paths=(replace(path, steps=(path.steps[0], replace(path.steps[1], replays=replays), path.steps[2])),)
    )
    history = builder.history()
    accepting = next(entry for entry in history.operations if entry.step == "rollout.2" and entry.replay == "r4")
    history = structs.replace(
        history,
        operations=(*history.operations, structs.replace(accepting, id="rollout.2/r6/1.1", replay="r6")),
        faults=(happened("rollout.2", "r5+2", "handover"), happened("rollout.2", "r6", "handover")),
        notes=(Note("rollout.2", "not-run", f"a handover {MET_NO_WORK} in 6 tries", "rollout.2/r6/1.1"),),
    )
    assert coverage(history, plan).faults == Count(1, 3)
    assert coverage(structs.replace(history, notes=()), plan).faults == Count(2, 3)
