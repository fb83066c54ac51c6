"""The budget of a run, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plan.systems import SESSIONS, shop
from verifier.matrix.model import FAULTS
from verifier.plan.faults import Key, key
from verifier.plan.model import FOR_BUDGET, Plan, PlannedStep, Replay
from verifier.plan.planner import plan
from verifier.replay.budget import Budget, PathBudget

PLAN = plan(shop(faults=FAULTS, budget=100_000.0), SESSIONS, 0)
LAST = [step for step in PLAN.steps if any(replay.fault for replay in step.replays)][-1]  # crashes have no faults
SERVICES = {(session.id, at): entry.service for session in SESSIONS for at, entry in enumerate(session.exchanges)}


@dataclass
class Run:
    """A run in which replays take the time that a test gives them."""

    now: float = 0.0
    seconds: float = 60.0
    made: Plan = PLAN

    def __post_init__(self) -> None:
        self.budget = Budget(self.seconds, self.made, lambda: self.now)
        self.paths = {path.id: PathBudget(self.budget, path.id) for path in self.made.paths}
        self.ran: dict[str, list[Replay]] = {}
        self.notes: dict[str, str] = {}

    def step(self, step: PlannedStep, fixed: float, speed: Iterator[float]) -> None:
        """One step: `fixed` seconds for its undisturbed replays and for its read-back together."""
        path = self.paths[step.id.rpartition(".")[0]]
        path.begin(step)
        self.now += fixed / 2
        for replay in step.replays:
            if path.admits(replay):
                self.ran.setdefault(step.id, []).append(replay)
                self.now += next(speed) if replay.fault else 0.0
        path.replayed()
        self.now += fixed / 2
        note = path.end()
        if note is not None:
            assert (note.step, note.kind) == (step.id, "not-run")
            self.notes[step.id] = note.message
        self.now += 5.0  # replicas stop and start

    def keys(self, step: PlannedStep) -> list[Key]:
        return [kind(replay) for replay in self.ran.get(step.id, []) if replay.fault]


def kind(replay: Replay) -> Key:
    assert replay.fault is not None
    return key(SERVICES[replay.session, replay.fault.index], replay.fault)


def faults(step: PlannedStep) -> list[Replay]:
    return [replay for replay in step.replays if replay.fault]


def always(seconds: float) -> Iterator[float]:
    while True:
        yield seconds


def test_with_time_enough_everything_runs_and_nothing_is_noted() -> None:
    run = Run(seconds=600.0)
    for step in PLAN.steps:
        run.step(step, 0.1, always(0.001))
        assert run.ran[step.id] == list(step.replays)
    assert run.notes == {}


def test_without_time_every_undisturbed_replay_runs_and_the_others_are_counted() -> None:
    run = Run(seconds=1.0)
    for step in PLAN.steps:
        run.step(step, 2.0, always(1.0))
        assert [replay for replay in run.ran.get(step.id, []) if replay.fault is None] == [
            replay for replay in step.replays if replay.fault is None
        ]
        first = step is PLAN.steps[0]  # it uses up the reserve
        count = len(faults(step))
        if not count:
            assert step.id not in run.notes
            continue
        assert run.notes[step.id].startswith(f"{count - first} of {count} faulted replays were left out {FOR_BUDGET}")


def test_a_small_budget_leaves_out_the_same_kinds_in_controls_and_later() -> None:
    run = Run(seconds=60.0)
    for step in PLAN.steps:
        run.step(step, 0.5, always(0.25))
    tried = {step.id: set(run.keys(step)) for step in PLAN.steps}
    control = set().union(*(tried[step.id] for step in PLAN.steps if step.phase == "control-old"))
    later = set().union(*(tried[step.id] for step in PLAN.steps if step.phase != "control-old"))
    planned = {kind(replay) for step in PLAN.steps for replay in faults(step)}
    assert later == control < planned
    assert run.budget.spent == pytest.approx(60.0, rel=0.1)


def test_waiting_that_uses_up_the_budget_does_not_starve_later_steps() -> None:
    """In the controls of the new version every undisturbed replay waits in vain; the rest is quick."""
    run = Run(seconds=20.0)
    for step in PLAN.steps:
        run.step(step, 12.0 if step.phase == "control-new" else 0.05, always(0.002))
    assert run.budget.spent > 20.0
    later = [step for step in PLAN.steps if step.phase in ("forward", "rollback") and faults(step)]
    assert all(len(run.keys(step)) == len(faults(step)) for step in later)


def test_what_a_step_does_not_use_goes_to_later_ones() -> None:
    quick, slow = Run(seconds=60.0), Run(seconds=60.0)
    for run, first in ((quick, 0.0), (slow, 0.5)):
        for step in PLAN.steps:
            run.step(step, 0.5, always(first if step.phase.startswith("control") else 0.5))
    assert len(quick.ran[LAST.id]) > len(slow.ran[LAST.id])


def test_steps_that_a_failed_path_never_reached_leave_their_shares() -> None:
    run, control = Run(seconds=60.0), PLAN.steps[0]
    run.step(control, 0.0, always(0.0))
    for path in PLAN.paths:
        if LAST not in path.steps:
            run.budget.leave(path.id)
    run.step(LAST, 0.0, always(30.0))
    assert len(run.keys(LAST)) == 2  # 30 s each


def test_steps_side_by_side_do_not_use_the_same_seconds_twice() -> None:
    run, (one, other) = Run(seconds=60.0), PLAN.paths[:2]
    shares = [run.budget.share(path.id, path.steps[0].id)[0] for path in (one, other)]
    assert 0 < shares[1] < shares[0] * 1.5
    assert sum(shares) < 60.0
    run.budget.used(one.steps[0].id, 0.0)  # what it has not used is there again
    left = sum(run.budget.share(path.id, step.id)[0] for path in PLAN.paths for step in path.steps[1:])
    assert shares[1] + left <= 60.0


def test_a_kind_that_no_control_tried_is_left_out_later() -> None:
    run = Run(seconds=600.0)
    emptied = replace(PLAN.steps[0], replays=tuple(replay for replay in PLAN.steps[0].replays if not replay.fault))
    run.step(emptied, 0.0, always(0.0))
    later = next(step for step in PLAN.steps if step.phase == "forward" and faults(step))
    run.step(later, 0.0, always(0.0))
    count = len(faults(later))
    assert not run.keys(later)
    assert run.notes[later.id].endswith(f"; {count} of them are of a kind that no control with all old tried")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), seconds=st.sampled_from([5.0, 60.0, 300.0]))
def test_whatever_the_speeds_the_time_is_kept_and_controls_come_first(data: st.DataObject, seconds: float) -> None:
    """The undisturbed replays and read-backs of a step take at most half of an equal share; no fault takes longer."""
    run, part = Run(seconds=seconds), seconds / len(PLAN.steps) / 2
    draw = data.draw(st.randoms(use_true_random=False))
    scales = data.draw(st.lists(st.floats(0, 1), min_size=len(PLAN.steps), max_size=len(PLAN.steps)))
    control: set[Key] = set()
    for step, scale in zip(PLAN.steps, scales, strict=True):
        run.step(step, draw.uniform(0, part), iter(lambda scale=scale: draw.uniform(0, part * scale), None))
        if step.phase == "control-old":
            control |= set(run.keys(step))
        else:
            assert set(run.keys(step)) <= control
    assert run.budget.spent <= 1.2 * seconds
