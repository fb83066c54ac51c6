"""The confirmation: the replays of the findings alone, as often in every control as in the mixture."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.systems import SESSIONS, matrices, sessions, shop
from verifier.plan.confirmation import MOST_TARGETS, REPEATS, Target, confirmation
from verifier.plan.model import Plan, live_versions
from verifier.plan.planner import plan


def planned_targets(made: Plan) -> list[Target]:
    return [
        Target(step.id, replay.session, replay.route, replay.fault) for step in made.steps for replay in step.replays
    ]


def test_nothing_found_costs_nothing() -> None:
    assert confirmation(plan(shop(), SESSIONS, 0), ()) == ()


def test_a_target_is_tried_as_often_in_every_state() -> None:
    made = plan(shop(), SESSIONS, 0)
    mixed = next(step for step in made.steps if step.id == "rollout.4")
    replay = next(entry for entry in mixed.replays if entry.fault and entry.fault.kind == "duplicate-after")
    paths = confirmation(made, [Target(mixed.id, replay.session, replay.route, replay.fault)])
    assert [path.kind for path in paths] == ["control-old", "control-new", "control-upgrade", "rollout"]
    assert all(path.confirms and path.id.startswith("confirm-") for path in paths)
    for path in paths:
        for step in path.steps:
            assert len(step.replays) == REPEATS
            assert {(entry.session, entry.fault and entry.fault.kind) for entry in step.replays} == {
                (replay.session, "duplicate-after")
            }
    last = paths[-1].steps[-1]
    assert last.id == "confirm-rollout.4", "no further than the step that showed it"
    assert {entry.route for entry in last.replays} == {replay.route}, "the same route in the state that showed it"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_tried_again_can_run(data: st.DataObject) -> None:
    """Every version of a route and of a fault is live, a late duplicate has a later step, ids are unique."""
    system = data.draw(matrices())
    made = plan(system, data.draw(sessions(system)), 0)
    possible = planned_targets(made)
    if not possible:
        return
    paths = confirmation(made, data.draw(st.lists(st.sampled_from(possible), min_size=1, max_size=4)))
    shapes = {session.id: session for session in made.sessions}
    assert len({step.id for path in paths for step in path.steps}) == sum(len(path.steps) for path in paths)
    for path in paths:
        ids = [step.id for step in path.steps]
        for at, step in enumerate(path.steps):
            assert max(Counter(replay.id for replay in step.replays).values(), default=1) == 1
            for replay in step.replays:
                exchanges = shapes[replay.session].exchanges
                for exchange, version in zip(exchanges, replay.route, strict=True):
                    assert version in live_versions(step.state, exchange.service)
                if replay.fault is not None and replay.fault.until:
                    assert ids.index(replay.fault.until) > at


def test_the_number_of_targets_is_bounded() -> None:
    made = plan(shop(), SESSIONS, 0)
    paths = confirmation(made, planned_targets(made))
    assert max(len(step.replays) for path in paths for step in path.steps) <= MOST_TARGETS * REPEATS


def test_equal_targets_give_an_equal_confirmation() -> None:
    made = plan(shop(), SESSIONS, 0)
    some = planned_targets(made)[40:44]
    assert confirmation(made, some) == confirmation(made, some + some[:1])
