"""The way to the states of a reproduction: as the plan reaches them, with no step more, beside its controls."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.systems import SESSIONS, matrices, sessions, shop
from verifier.plan.model import Path, Plan, PlannedStep
from verifier.plan.planner import plan
from verifier.shrink.layout import COMPARED, Slots, layout, way


def _slots(steps: tuple[PlannedStep, ...]) -> dict[str, Slots]:
    """The version in every slot after each step, by its id."""
    slots: Slots = {}
    found = {}
    for step in steps:
        for action in step.actions:
            if action.kind == "stop":
                slots.pop((action.service, action.slot), None)
            elif action.kind != "migrate":
                slots[action.service, action.slot] = action.version
        found[step.id] = dict(slots)
    return found


def _rollout(made: Plan) -> Path:
    return next(path for path in made.paths if path.kind == "rollout")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_kept_steps_are_reached_in_the_state_of_the_plan(data: st.DataObject) -> None:
    system = data.draw(matrices())
    path = _rollout(plan(system, data.draw(sessions(system)), 0))
    kept = data.draw(st.lists(st.sampled_from([step.id for step in path.steps]), min_size=1, max_size=3, unique=True))
    short = way(path, kept)
    assert [step.id for step in short.steps] == [step.id for step in path.steps if step.id in kept]
    whole, found = _slots(path.steps), _slots(short.steps)
    assert all(found[name] == whole[name] for name in kept)
    by_id = {step.id: step for step in path.steps}
    assert all(
        (step.state, step.migrations) == (by_id[step.id].state, by_id[step.id].migrations) for step in short.steps
    )
    done = [action for step in short.steps for action in step.actions]
    every = [action for step in path.steps for action in step.actions]
    assert len(done) <= len(every)
    assert not any(action.late_removal for action in done)
    assert not any(step.replays or step.live for step in short.steps)


def test_a_way_back_and_forth_is_left_out() -> None:
    made = plan(shop(rollback="every-state"), SESSIONS, 0)
    path = _rollout(made)
    mixed = [step for step in path.steps if step.kind == "replace" and step.state != path.steps[0].state]
    last = way(path, [mixed[-1].id])
    (step,) = last.steps
    started = [action for action in step.actions if action.kind == "start"]
    replaced = [action for action in step.actions if action.kind == "replace"]
    assert len(started) == 4, "every old replica once"
    assert len({(action.service, action.slot) for action in replaced}) == len(replaced), "each is replaced once"
    assert {action.version for action in replaced} == {"1.3", "2.0"}


def test_a_rollback_that_is_kept_is_carried_out() -> None:
    path = _rollout(plan(shop(rollback="every-state"), SESSIONS, 0))
    back = next(at for at, step in enumerate(path.steps) if step.kind == "roll back")
    before, after = path.steps[back - 1], path.steps[back]
    short = way(path, [before.id, after.id])
    assert [step.kind for step in short.steps] == [before.kind, "roll back"]
    done = [(action.kind, action.service, action.version, action.slot) for action in short.steps[1].actions]
    assert done == [(action.kind, action.service, action.version, action.slot) for action in after.actions]


def test_an_attribution_has_the_controls_that_it_is_compared_with() -> None:
    made = plan(shop(), SESSIONS, 0)
    mixed = next(step.id for step in made.steps if step.kind == "replace")
    for attribution, kinds in COMPARED.items():
        paths = layout(made, attribution, [mixed], live=False)
        assert [path.kind for path in paths] == [*kinds, "rollout"]
        assert [len(path.steps) for path in paths if path.kind in ("control-old", "control-new")] == [1] * (
            len(kinds) - ("control-upgrade" in kinds)
        )
        assert not any(step.live for path in paths for step in path.steps)


def test_old_code_on_migrated_data_is_a_control_of_a_mixture() -> None:
    made = plan(shop(), SESSIONS, 0)
    path = _rollout(made)
    expand = next(at for at, step in enumerate(path.steps) if step.migrations)
    mixed = next(step for step in path.steps[expand:] if step.kind == "replace")
    assert path.steps[expand].state != path.steps[0].state, "payments are new by then, so this is no such control"
    kept = layout(made, "mixed", [mixed.id], live=False)[-1]
    assert [step.id for step in kept.steps] == [mixed.id]


def test_live_traffic_has_somebody_to_send_to() -> None:
    made = plan(shop(), SESSIONS, 0)
    mixed = next(step.id for step in made.steps if step.kind == "replace")
    *controls, path = layout(made, "mixed", [mixed], live=True)
    assert [(step.kind, step.live) for step in path.steps] == [("start", False), ("replace", True)]
    assert all(any(step.live for step in control.steps) for control in controls if control.kind != "control-upgrade")
