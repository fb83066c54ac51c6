"""What holds for every plan, told by a simulator that shares nothing with the planner."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations, product

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from tests.plan.systems import SESSIONS, matrices, matrix, service, sessions, shop, version
from verifier.matrix.model import FAULTS, Matrix, Migrations
from verifier.plan.faults import ON_REPLICAS, Key, key
from verifier.plan.model import ExchangeShape, Fault, Path, Plan, PlannedStep, SessionShape
from verifier.plan.planner import MOST_PER_SECOND, plan
from verifier.plan.render import render
from verifier.plan.states import paths

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Running = set[tuple[str, str, int]]  # service, version, slot


def simulate(step: PlannedStep, running: Running, migrations: list[str], available: bool) -> None:
    """Carry out a step's actions one by one, as an operator would: what is stopped must run, what starts must not."""
    before = {name for name, _, _ in running}
    for action in step.actions:
        here = (action.service, action.version, action.slot)
        if action.kind == "start":
            assert here not in running
            running.add(here)
        elif action.kind in ("stop", "restart", "crash"):
            assert here in running, f"{step.id}: {action} is not running"
            running -= {here} if action.kind == "stop" else set()
        elif action.kind == "replace":
            leaving = {entry for entry in running if (entry[0], entry[2]) == (action.service, action.slot)}
            assert len(leaving) == 1
            assert here not in leaving, f"{step.id} replaces a replica by itself"
            running -= leaving
            running.add(here)
        elif action.stage == "undo":
            migrations[:] = [entry for entry in migrations if not entry.startswith(f"{action.service} ")]
        else:
            assert f"{action.service} {action.version} {action.stage}" not in migrations, "migrated twice"
            migrations.append(f"{action.service} {action.version} {action.stage}")
        if available:
            assert {name for name, _, _ in running} >= before, f"{step.id} leaves a service without a replica"


def counted(running: Running) -> dict[tuple[str, str], int]:
    return dict(Counter((name, release) for name, release, _ in running))


def state_of(step: PlannedStep) -> dict[tuple[str, str], int]:
    return {(entry.service, entry.version): entry.count for entry in step.state}


def all_of(system: Matrix, new: bool) -> dict[tuple[str, str], int]:
    return {(entry.name, (entry.new if new else entry.old).name): entry.replicas for entry in system.services}


@quick
@given(matrices())
def test_states_are_what_the_actions_make(system: Matrix) -> None:
    for path in plan(system, sessions_of(system), 0).paths:
        running: Running = set()
        migrations: list[str] = []
        for step in path.steps:
            strict = system.rollout.strategy != "recreate" and step.kind not in ("start", "upgrade")
            strict = strict and path.kind != "crash"
            simulate(step, running, migrations, strict)
            assert state_of(step) == counted(running)
            assert list(step.migrations) == migrations


def sessions_of(system: Matrix) -> tuple[SessionShape, ...]:
    names = {entry.name for entry in system.services}
    shapes = (
        SessionShape(session.id, tuple(entry for entry in session.exchanges if entry.service in names))
        for session in SESSIONS
    )
    return tuple(shape for shape in shapes if shape.exchanges)


@quick
@given(matrices())
def test_paths_start_where_they_should_and_end_all_new(system: Matrix) -> None:
    paths = plan(system, (), 0).paths
    assert [path.kind for path in paths[:4]] == ["control-old", "control-old", "control-new", "control-upgrade"]
    assert len({path.id for path in paths}) == len(paths)
    assert len({step.id for path in paths for step in path.steps}) == sum(len(path.steps) for path in paths)
    for path in paths:
        assert state_of(path.steps[0]) == all_of(system, path.kind == "control-new")
        if path.kind != "crash":
            assert state_of(path.steps[-1]) == all_of(system, path.kind != "control-old")
    paths = tuple(path for path in paths if path.kind != "crash")
    moving = sum(len(service.versions) > 1 for service in system.services)
    if moving == 1 or not system.rollout.every_order:
        assert len(paths) == 5
    assert 5 <= len(paths) <= 4 + system.rollout.paths


@quick
@given(matrices())
def test_every_transition_changes_what_it_says(system: Matrix) -> None:
    for path in plan(system, (), 0).paths:
        for before, after in zip(path.steps, path.steps[1:], strict=False):
            _holds(system, path, before, after)


def _holds(system: Matrix, path: Path, before: PlannedStep, after: PlannedStep) -> None:
    was, now = state_of(before), state_of(after)
    said = after.description
    if match := re.fullmatch(r"replace replica ([\d, ]+) of (\S+) (\S+) → (\S+)", said):
        slots, name, old, new = match.groups()
        moved = len(slots.split(","))
        assert now == +(Counter(was) + Counter({(name, new): moved}) - Counter({(name, old): moved}))
    elif said.startswith("roll back"):
        assert now == all_of(system, False)
        assert was != now
    elif said.startswith("stop every old replica, migrate"):
        assert (was, now) == (all_of(system, False), all_of(system, True))
    elif said == "contract with all new":
        assert was == now
        assert len(after.migrations) > len(before.migrations)
    elif match := re.fullmatch(r"go forward again to the state of (\S+)", said):
        origin = next(step for step in path.steps if step.id == match[1])
        assert now == state_of(origin)
        assert set(after.migrations) == set(origin.migrations)
    elif match := re.fullmatch(r"undo the migrations of (.+)", said):
        names = match[1].split(", ")
        assert set(after.migrations) == {entry for entry in before.migrations if entry.split()[0] not in names}
        assert after.migrations != before.migrations
    elif match := re.fullmatch(r"(expand|migrate|contract) for (.+)", said):
        added = [f"{name} {match[1]}" for name in match[2].split(", ")]
        assert list(after.migrations) == [*before.migrations, *added]
    elif said.startswith("expand, then kill"):
        assert was == now
        assert len(after.migrations) > len(before.migrations)
    elif said == "replace every old replica by a new one":
        assert (was, now, before.migrations) == (all_of(system, False), all_of(system, True), after.migrations)
    else:
        kind = "crash" if said.startswith("kill") else "restart"
        assert said.startswith(("kill", "restart"))
        assert (was, before.migrations) == (now, after.migrations)
        assert {action.kind for action in after.actions} == {kind}


@quick
@given(matrices())
def test_replicas_are_killed_beside_migrations_on_a_path_of_their_own_and_every_crash_has_a_control(
    system: Matrix,
) -> None:
    made = plan(system, sessions_of(system), 0)
    killed: dict[str, set[tuple[str, str]]] = {}
    for path in made.paths:
        for step in path.steps:
            for action in (action for action in step.actions if action.kind == "crash"):
                assert not step.live, "no request is under way"
                assert not any(replay.fault for replay in step.replays)
                assert (action.service, action.version) in state_of(step)
                killed.setdefault(path.kind, set()).add((action.service, action.version))
    moving = [entry for entry in system.services if entry.new is not entry.old]
    old = {(entry.name, entry.old.name) for entry in moving if entry.migrating("expand")}
    last = [entry for entry in moving if entry.migrating("migrate") or entry.migrating("contract")]
    new = {(entry.name, entry.new.name) for entry in last}
    assert killed.get("crash", set()) == old | new
    assert (killed.get("control-old", set()), killed.get("control-new", set())) == (old, new)
    assert not killed.keys() - {"crash", "control-old", "control-new"}


def expansions(system: Matrix) -> list[tuple[str, PlannedStep]]:
    """Each service whose schema is expanded alone in a rollout, with the step after that."""
    return [
        (step.description.removeprefix("expand for ").split()[0], following)
        for path in plan(system, (), 0).paths[4:]
        for step, following in zip(path.steps, path.steps[1:], strict=False)
        if step.description.startswith("expand for")
    ]


@quick
@given(matrices())
def test_an_old_replica_is_restarted_after_its_migration(system: Matrix) -> None:
    for name, following in expansions(system):
        old = next(entry.old.name for entry in system.services if entry.name == name)
        assert [(a.kind, a.service, a.version) for a in following.actions] == [("restart", name, old)]


@pytest.mark.parametrize("stage", ["expand", "migrate", "contract"])
def test_the_old_version_makes_the_schema_that_the_new_one_migrates(stage: str) -> None:
    """In the control of the new version, too, and if nothing but the last stage is declared."""
    migrations = Migrations(**{stage: ("run",)})
    system = matrix([service("orders", (version("1"), version("2", migrations=migrations)), 2)])
    (control,) = [path for path in plan(system, (), 0).paths if path.kind == "control-new"]
    done = [(action.kind, action.version) for action in control.steps[0].actions]
    begun = [*[("start", "1")] * 2, *[("stop", "1")] * 2]
    assert done == [*begun, *([("migrate", "2")] if stage != "contract" else []), *[("start", "2")] * 2]


def test_without_a_migration_the_new_version_is_alone_from_the_beginning() -> None:
    system = matrix([service("orders", (version("1"), version("2")), 2)])
    (control,) = [path for path in plan(system, (), 0).paths if path.kind == "control-new"]
    assert {action.version for action in control.steps[0].actions} == {"2"}


def test_the_property_sees_expansions() -> None:
    assert find(matrices(), expansions, settings=settings(phases=[Phase.generate]))


@quick
@given(st.data())
def test_the_same_seed_gives_the_same_bytes(data: st.DataObject) -> None:
    system = data.draw(matrices())
    shapes, seed = data.draw(sessions(system)), data.draw(st.integers(0, 5))
    first, second = plan(system, shapes, seed), plan(system, shapes, seed)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert render(first, replays=True) == render(second, replays=True)


@quick
@given(st.data())
def test_a_plan_reads_back_equal(data: st.DataObject) -> None:
    system = data.draw(matrices())
    made = plan(system, data.draw(sessions(system)), 1)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Plan) == made


def test_another_seed_gives_another_plan() -> None:
    tight = shop(budget=10.0)
    assert len({msgspec.json.encode(plan(tight, SESSIONS, seed).paths) for seed in range(5)}) == 5


@quick
@given(st.data())
def test_versions_are_asked_for_only_where_they_are_live(data: st.DataObject) -> None:
    system = data.draw(matrices())
    shapes = data.draw(sessions(system))
    made = plan(system, shapes, 3)
    services = {shape.id: [exchange.service for exchange in shape.exchanges] for shape in shapes}
    for path in made.paths:
        steps = {step.id: step for step in path.steps}
        for step in path.steps:
            for replay in step.replays:
                for name, release in zip(services[replay.session], replay.route, strict=True):
                    assert state_of(step).get((name, release), 0) > 0
                if replay.fault:
                    _fault_is_possible(step, steps, services[replay.session], replay.fault)


def _fault_is_possible(step: PlannedStep, steps: dict[str, PlannedStep], services: list[str], fault: Fault) -> None:
    name = services[fault.index]
    if fault.callee:
        live = {release for called, release in state_of(step) if called == fault.callee} or {""}
        assert {fault.first, fault.second} <= live
        return
    later = steps[fault.until] if fault.until else step
    other = services[fault.index + 1] if fault.kind == "reorder" else name
    assert (name, fault.first) in state_of(step)
    assert (other, fault.second) in state_of(later)
    if fault.until:
        order = list(steps)
        distance = order.index(later.id) - order.index(step.id)
        assert distance >= 1
        assert distance == 1 if fault.kind == "duplicate-next-step" else later.kind == "roll back"


def brute_force_cells(path: Path, shapes: tuple[SessionShape, ...], kinds: tuple[str, ...]) -> set[tuple[object, ...]]:
    """Operation × fault × version pair for the outer faults of a path, from states alone."""
    writes = {(e.service, e.name) for shape in shapes for e in shape.exchanges if e.write}
    found: set[tuple[object, ...]] = set()
    for at, step in enumerate(path.steps):
        later = {"duplicate-next-step": path.steps[at + 1 : at + 2]}
        going_back = tuple(entry for entry in path.steps[at + 1 :] if entry.kind == "roll back")[:1]
        later["duplicate-after-rollback"] = going_back if step.kind != "roll back" else ()
        if path.kind != "rollout" and "duplicate-next-step" not in kinds:
            # A control goes back nowhere: there a late duplicate comes in the next step.
            kinds = tuple(kind.replace("after-rollback", "next-step") for kind in kinds)
        for (name, operation), kind in product(writes, kinds):
            live = [release for called, release in state_of(step) if called == name]
            # No exchange of these sessions accepts work, and `late-removal` befalls actions.
            if kind.startswith("inner") or kind in (*ON_REPLICAS, "late-removal"):
                continue
            if kind == "reorder":
                after = following(shapes, name, operation)
                others = [release for called, release in state_of(step) if after and called == after.service]
                if after and after.free and after.write:
                    found |= {(name, operation, kind, one, other) for one, other in product(live, others)}
                continue
            if kind == "slow-read":
                found |= {(name, operation, kind, release, release) for release in live}
                continue
            for target in later.get(kind, (step,)):
                others = [release for called, release in state_of(target) if called == name]
                found |= {(name, operation, kind, one, other) for one, other in product(live, others)}
    return found


def following(shapes: tuple[SessionShape, ...], name: str, operation: str) -> ExchangeShape | None:
    """The exchange after the first place at which an operation writes."""
    for shape in shapes:
        for at, exchange in enumerate(shape.exchanges):
            if (exchange.service, exchange.name, exchange.write) == (name, operation, True):
                return shape.exchanges[at + 1] if at + 1 < len(shape.exchanges) else None
    return None


@quick
@given(st.data())
def test_every_fault_within_the_budget_is_planned(data: st.DataObject) -> None:
    from dataclasses import replace

    system = replace(data.draw(matrices()), budget=100_000.0)
    shapes = data.draw(sessions(system))
    made = plan(system, shapes, 0)
    by_id = {shape.id: shape for shape in shapes}
    wanted: set[tuple[object, ...]] = set()
    planned: set[tuple[object, ...]] = set()
    for path in made.paths:
        steps = tuple(step for step in path.steps if step.kind != "crash" and path.kind != "crash")
        here = brute_force_cells(replace(path, steps=steps), shapes, system.faults)
        got = {
            (
                by_id[r.session].exchanges[r.fault.index].service,
                r.fault.name,
                r.fault.kind,
                r.fault.first,
                r.fault.second,
            )
            for step in path.steps
            for r in step.replays
            if r.fault and not r.fault.callee
        }
        assert got == here
        wanted |= here
        planned |= got
    assert made.coverage.faults.covered == made.coverage.faults.total
    if not any(kind.startswith("inner") for kind in system.faults):
        assert made.coverage.faults.total == len(wanted) == len(planned)


def test_inner_faults_meet_every_pair_of_the_callees_versions() -> None:
    made = plan(shop(faults=("inner-lost-answer", "inner-duplicate"), budget=100_000.0), SESSIONS, 0)
    pairs = {
        (replay.fault.kind, replay.fault.callee, replay.fault.first, replay.fault.second)
        for step in made.steps
        for replay in step.replays
        if replay.fault and replay.fault.name == "placeOrder"
    }
    versions = [("1.2", "1.2"), ("1.3", "1.3")]
    expected = {("inner-lost-answer", "payments", *pair) for pair in versions}
    expected |= {("inner-duplicate", "payments", *pair) for pair in versions}
    assert pairs >= expected | {("inner-lost-answer", "psp", "", "")}
    assert not any(callee == "psp" and kind == "inner-duplicate" for kind, callee, _, _ in pairs)


@quick
@given(st.data())
def test_coverage_is_what_counting_gives(data: st.DataObject) -> None:
    system = data.draw(matrices())
    shapes = data.draw(sessions(system))
    made = plan(system, shapes, 2)
    rollouts = [step for path in made.paths if path.kind == "rollout" for step in path.steps]
    mixtures = {(step.state, frozenset(step.migrations)) for step in rollouts}
    assert made.coverage.states.covered == len(mixtures) <= made.coverage.states.total
    met, possible = set(), set()
    for step, shape in product(made.steps, shapes):
        live = [[v for name, v in state_of(step) if name == e.service] for e in shape.exchanges]
        for one, other in combinations(range(len(live)), 2):
            possible |= {(shape.id, one, other, a, b) for a, b in product(live[one], live[other])}
        for replay in step.replays:
            if replay.fault is None and replay.session == shape.id:
                met |= {
                    (shape.id, one, other, replay.route[one], replay.route[other])
                    for one, other in combinations(range(len(live)), 2)
                }
    assert met == possible
    assert (made.coverage.routes.covered, made.coverage.routes.total) == (len(met), len(possible))
    planned = {
        (shapes[int(r.session[1:])].exchanges[r.fault.index].service, r.fault.name, r.fault.kind, r.fault.callee,
         r.fault.first, r.fault.second)
        for step in made.steps
        for r in step.replays
        if r.fault
    }  # fmt: skip
    assert made.coverage.faults.covered == len(planned)
    missing = sum(item.count for item in made.coverage.left_out if item.why == "beyond the budget")
    assert made.coverage.faults.total == len(planned) + missing


@quick
@given(st.data())
def test_a_step_has_no_more_replays_than_its_share_of_the_budget(data: st.DataObject) -> None:
    system = data.draw(matrices())
    made = plan(system, data.draw(sessions(system)), 2)
    share = max(4, int(system.budget * MOST_PER_SECOND / len(made.steps)))
    for path in made.paths:
        for step in path.steps:
            plain = [(replay.session, replay.route) for replay in step.replays if replay.fault is None]
            assert len(plain) == len(set(plain)) * (2 if path.kind.startswith("control") else 1)
            assert len(step.replays) - len(plain) <= max(0, share - len(set(plain)))


@quick
@given(st.data())
def test_faults_stand_in_rounds_with_the_same_order_of_kinds_in_all_steps(data: st.DataObject) -> None:
    system = data.draw(matrices())
    shapes = data.draw(sessions(system))
    by_id = {shape.id: shape for shape in shapes}
    after: set[tuple[Key, Key]] = set()
    for step in plan(system, shapes, 2).steps:
        kinds = [
            key(by_id[replay.session].exchanges[replay.fault.index].service, replay.fault)
            for replay in step.replays
            if replay.fault
        ]
        rounds = [kinds[:at].count(kind) for at, kind in enumerate(kinds)]
        assert rounds == sorted(rounds)
        for first in set(rounds):
            together = [kind for kind, number in zip(kinds, rounds, strict=True) if number == first]
            after |= set(combinations(together, 2))
    assert not any((second, first) in after for first, second in after)


def test_services_of_one_version_make_no_other_order() -> None:
    two = [version("1"), version("2")]
    still = [service(name, [version("1")]) for name in ("x", "y")]

    def rollouts(*names: str) -> list[str]:
        found = paths(matrix([*(service(name, two) for name in names), *still], every_order=True))
        return [path.id for path in found if path.kind == "rollout"]

    assert rollouts("a") == ["rollout"]
    assert rollouts("a", "b") == ["rollout-1", "rollout-2"]


def test_what_is_beyond_the_most_paths_is_told_as_left_out() -> None:
    two = [version("1"), version("2")]
    made = plan(matrix([service(name, two) for name in "abcde"], every_order=True, faults=()), (), 0)
    assert len([path for path in made.paths if path.kind == "rollout"]) == 6
    left = {item.what: (item.count, item.total) for item in made.coverage.left_out}
    assert left["states of the rollout"] == (made.coverage.states.total - made.coverage.states.covered, 32)


def test_old_equal_to_new_is_said() -> None:
    from dataclasses import replace

    same = service("a", [version("1"), replace(version("1"), name="2")])
    assert len(plan(matrix([same]), (), 0).same) == 1
    other = service("a", [version("1"), version("2", environment={"FLAG": "on"})])
    assert plan(matrix([other]), (), 0).same == ()


def test_recorded_writes_each_have_their_faults_once() -> None:
    made = plan(shop(faults=FAULTS, budget=100_000.0), SESSIONS, 0)
    first = next(step for step in made.steps if step.phase == "forward")
    kinds = Counter((r.fault.name, r.fault.kind, r.fault.callee) for r in first.replays if r.fault)
    assert set(kinds.values()) == {1}
    assert {name for name, _, _ in kinds} == {"placeOrder", "setNote", "charge"}
