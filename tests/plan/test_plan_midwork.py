"""Kills and pauses in the middle of work: who is hit, where, and how often."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plan.systems import matrix, service, version
from verifier.plan.confirmation import Target, confirmation
from verifier.plan.faults import EARLIEST, LATEST
from verifier.plan.model import ExchangeShape, Fault, Plan, PlannedStep, SessionShape, live_versions
from verifier.plan.planner import plan
from verifier.plan.render import render

WAIT = ExchangeShape("wait", "orders", False, polled=True)
ORDER = ExchangeShape("order", "orders", True, accepts=True, awaited=True)
SESSION = SessionShape("s1", (ORDER, WAIT, ExchangeShape("rename", "orders", True)))


def made(
    *,
    workers: bool = False,
    replicas: int = 1,
    faults: tuple[str, ...] = ("kill",),
    session: SessionShape = SESSION,
    strategy: str = "rolling",
    seed: int = 0,
) -> Plan:
    services = [service("orders", [version("1"), version("2")], replicas)]
    if workers:
        worker = service("worker", [version("7"), version("8")], replicas)
        services.append(replace(worker, kind="worker", port=0))
    return plan(matrix(services, strategy=strategy, faults=faults), (session,), seed)


def planned(found: Plan) -> list[tuple[PlannedStep, Fault]]:
    return [(step, replay.fault) for step in found.steps for replay in step.replays if replay.fault is not None]


@pytest.mark.parametrize("kind", ["kill", "pause"])
@pytest.mark.parametrize(("workers", "old", "new"), [(False, "1", "2"), (True, "7", "8")])
def test_each_pair_of_versions_is_hit_once_and_controls_come_first(
    kind: str, workers: bool, old: str, new: str
) -> None:
    """The workers where there are some, else who accepted the work; one replica is enough."""
    found = planned(made(workers=workers, replicas=2, faults=(kind,)))
    assert [(fault.first, fault.second) for _, fault in found[:2]] == [(old, old), (new, new)]
    assert sorted((fault.first, fault.second) for _, fault in found[2:]) == [(old, new), (new, old)]
    assert [step.phase for step, _ in found[:2]] == ["control-old", "control-new"]
    for step, fault in found:
        assert (fault.kind, fault.callee, fault.inner) == (kind, "worker" if workers else "", False)
        assert {fault.first, fault.second} <= set(live_versions(step.state, fault.callee or "orders"))


def test_a_single_replica_is_hit_too() -> None:
    assert [(fault.first, fault.second) for _, fault in planned(made())] == [("1", "1"), ("2", "2")]


def test_only_work_whose_end_is_seen_is_hit() -> None:
    unseen = SessionShape("s1", (replace(ORDER, awaited=False), WAIT))
    assert planned(made(session=unseen)) == []


def test_the_moment_is_the_seed_s_and_equal_in_all_steps() -> None:
    moments = {seed: {fault.moment for _, fault in planned(made(workers=True, seed=seed))} for seed in range(8)}
    assert all(len(found) == 1 for found in moments.values())
    assert len(set.union(*moments.values())) == 8
    assert all(EARLIEST <= moment <= LATEST for found in moments.values() for moment in found)
    assert made(seed=3) == made(seed=3)


def test_whoever_is_hit_leaves_the_rest_of_the_session_to_the_other_version() -> None:
    for step in made(replicas=2).steps:
        for replay in step.replays:
            if replay.fault is not None:
                assert replay.route == (replay.fault.first, replay.fault.second, replay.fault.second)


def test_kills_and_pauses_are_the_last_of_their_step() -> None:
    """They may leave a lease behind that has not expired."""
    for step in made(replicas=2, faults=("duplicate-after", "kill", "handover", "lost-answer", "pause")).steps:
        late = [replay.fault.kind in ("kill", "pause") for replay in step.replays if replay.fault is not None]
        assert late == sorted(late)


def test_a_kill_is_tried_again_at_other_moments_in_every_state_that_has_its_like() -> None:
    first = made(workers=True, replicas=2)
    step, fault = next((step, fault) for step, fault in planned(first) if fault.first != fault.second)
    again = confirmation(first, [Target(step.id, "s1", ("1", "1", "1"), fault)])
    assert {path.kind for path in again} == {"control-old", "control-new", "control-upgrade", "rollout"}
    for found in (entry for path in again for entry in path.steps):
        faults = [replay.fault for replay in found.replays if replay.fault is not None]
        assert len({fault.moment for fault in faults}) == len(faults) == 3
        versions = live_versions(found.state, "worker")
        assert all((fault.first != fault.second) is (len(versions) > 1) for fault in faults)
        assert all({fault.first, fault.second} == set(versions) for fault in faults)
        assert all(EARLIEST <= fault.moment <= LATEST for fault in faults)


def test_the_plan_names_them() -> None:
    text = render(made(workers=True, replicas=2), replays=True)
    assert "faults: 1 kill" in text
    assert "kill at 1 order of worker 7/7" in text
