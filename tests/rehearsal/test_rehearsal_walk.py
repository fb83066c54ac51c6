"""The composition root on a pretended runtime: actions in order, failures in controls and elsewhere, nothing left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.fake_runtime import TAIL, FakeRuntime, Ran, matrix, rehearse
from verifier.checks.judge import judge
from verifier.contracts.registry import ContractRegistry
from verifier.errors import BrokenEnvironment
from verifier.history.store import read
from verifier.matrix.model import Migrations
from verifier.rehearsal.events import PathBegan, RunBegan, StepBegan, StepEnded
from verifier.runtime.base import ReplicaSpec


def starts(log: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [entry for entry in log if entry[0] in ("start", "stop", "command")]


def nothing_left(ran: Ran) -> None:
    assert ran.runtime.live == {}
    assert ran.runtime.stores == set()
    assert ran.runtime.closed == 1
    assert not (ran.directory / "stores").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A rollout of one replica in which nothing goes wrong."""
    folder = tmp_path_factory.mktemp("whole")
    migrations = Migrations(expand=("grow",), contract=("shrink",))
    return rehearse(matrix(folder, replicas=1, migrations=migrations, rollback="none"), FakeRuntime(), folder)


def test_actions_are_carried_out_in_the_plan_s_order(whole: Ran) -> None:
    assert whole.error is None
    log = whole.runtime.log
    assert log[:2] == [("open",), ("provide",)]
    begun = [at for at, entry in enumerate(log) if entry == ("store", "db")]
    rollout, crash = log[begun[-2] : begun[-1]], log[begun[-1] :]
    assert starts(rollout) == [
        ("start", "things", "1"),
        ("command", "grow"),
        ("start", "things", "1"),  # the restart after the migration: the successor first, as there is no other
        ("stop", "things", "1"),
        ("start", "things", "2"),  # the replacement
        ("stop", "things", "1"),
        ("command", "shrink"),
        ("stop", "things", "2"),
    ]
    assert starts(crash) == [
        ("start", "things", "1"),
        ("command", "grow"),
        ("stop", "things", "1"),  # the kill after the migration
        ("start", "things", "1"),
        ("start", "things", "2"),  # the replacement
        ("stop", "things", "1"),
        ("stop", "things", "2"),  # the kill before the last migration
        ("start", "things", "2"),
        ("command", "shrink"),
        ("stop", "things", "2"),
    ]
    assert rollout[-1] == ("stop store", "db")
    nothing_left(whole)


def test_every_path_begins_on_fresh_stores_and_ends_without_replicas(whole: Ran) -> None:
    log = whole.runtime.log
    assert [entry[0] for entry in log].count("store") == len(whole.prepared.plan.paths) == 6
    running = 0
    for entry in log:
        running += (entry[0] == "start") - (entry[0] == "stop")
        if entry[0] in ("store", "stop store"):
            assert running == 0


def test_a_single_replica_is_never_missing_while_it_is_restarted_or_replaced(whole: Ran) -> None:
    assert whole.runtime.most["things"] == 2
    live = [entry for entry in read(whole.directory).operations if entry.source == "live"]
    assert live
    assert {entry.error for entry in live} == {""}
    assert {entry.response.status for entry in live if entry.response} == {200}


def test_two_replicas_are_restarted_without_a_third(tmp_path: Path) -> None:
    ran = rehearse(matrix(tmp_path, replicas=2, rollback="none"), FakeRuntime(), tmp_path)
    assert ran.error is None
    first = ran.runtime.log[: ran.runtime.log.index(("stop store", "db"))]
    assert starts(first)[:4] == [
        ("start", "things", "1"),
        ("start", "things", "1"),
        ("stop", "things", "1"),
        ("start", "things", "1"),
    ]


def test_what_is_told_while_it_runs(whole: Ran) -> None:
    plan = whole.prepared.plan
    assert isinstance(whole.events[0], RunBegan)
    assert [event.path for event in whole.events if isinstance(event, PathBegan)] == list(plan.paths)
    assert [event.step for event in whole.events if isinstance(event, StepBegan)] == list(plan.steps)
    assert [(event.step, event.error) for event in whole.events if isinstance(event, StepEnded)] == [
        (step, "") for step in plan.steps
    ]
    assert [step.id for step in whole.steps] == [step.id for step in plan.steps]


def test_replicas_get_addresses_of_the_gateway_and_of_the_store(whole: Ran) -> None:
    assert whole.runtime.specs
    for spec in whole.runtime.specs.values():
        values = dict(spec.environment)
        assert values["STORE"] == "pretend://db"
        assert values["SELF"] == "http://things:8080/x", "its own name is nobody else's"
        assert values["BANK"].startswith("http://127.0.0.1:")
        assert values["BANK"].endswith("/pay")
        assert spec.aliases == ("bank",)


def test_every_request_is_counted_once(whole: Ran) -> None:
    history = read(whole.directory)
    assert [note for note in history.notes if note.kind == "count"] == []
    assert len({entry.id for entry in history.operations}) == len(history.operations)
    judgement = judge(history, ContractRegistry(), whole.prepared.plan)
    assert judgement.violations == ()


# --- what cannot be started ---


def fails_from(nth: int, version: str) -> object:
    """The nth start of a version, and every later one, does not become ready."""
    seen: list[str] = []

    def fails(spec: ReplicaSpec) -> bool:
        seen.append(spec.version)
        return spec.version == version and seen.count(version) >= nth

    return fails


def test_a_replica_that_is_not_ready_in_a_control_means_a_broken_environment(tmp_path: Path) -> None:
    ran = rehearse(matrix(tmp_path), FakeRuntime(fails=lambda spec: True), tmp_path)
    assert isinstance(ran.error, BrokenEnvironment)
    assert "control-old-1" in str(ran.error)
    assert "things 1 did not become ready: not ready within 1 s" in str(ran.error)
    assert TAIL in str(ran.error)
    nothing_left(ran)


def test_a_restart_that_fails_in_a_control_means_a_broken_environment(tmp_path: Path) -> None:
    ran = rehearse(matrix(tmp_path, replicas=1), FakeRuntime(fails=fails_from(2, "1")), tmp_path)  # type: ignore[arg-type]
    assert isinstance(ran.error, BrokenEnvironment)
    nothing_left(ran)


def fails_at(version: str, *numbers: int) -> object:
    """Of the starts of a version, those of these numbers do not become ready."""
    seen: list[str] = []

    def fails(spec: ReplicaSpec) -> bool:
        seen.append(spec.version)
        return spec.version == version and seen.count(version) in numbers

    return fails


def test_elsewhere_it_is_a_finding_and_the_path_goes_back(tmp_path: Path) -> None:
    """The new version starts in its controls (three times) and not on the rollout's data; so again in confirming."""
    made = matrix(tmp_path, replicas=1)
    ran = rehearse(made, FakeRuntime(fails=fails_at("2", 4, 8)), tmp_path)  # type: ignore[arg-type]
    assert ran.error is None
    nothing_left(ran)
    steps = {step.id: step for step in ran.steps}
    assert steps["rollout.2"].error == "things 2 did not become ready: not ready within 1 s"
    assert (steps["rollout.3"].kind, steps["rollout.3"].error) == ("roll back", ""), "does old still serve?"
    assert "rollout.4" not in steps
    event, again = ran.replicas("never-ready")
    assert (event.step, event.version) == ("rollout.2", "2")
    assert (again.step, again.version) == ("confirm-rollout.2", "2")
    assert TAIL in event.detail
    judgement = judge(read(ran.directory), ContractRegistry(), ran.prepared.plan)
    assert judgement.verdict == "fail"
    found = [item for item in judgement.violations if item.guarantee == "available" and item.step == "rollout.2"]
    assert [entry.confirmed for entry in found] == [True]
    assert any("steps were not run" in item for item in judgement.unknowns)
    every_replica_ends_with_its_path(ran)


def every_replica_ends_with_its_path(ran: Ran) -> None:
    """None is left running, and none answers a request of a later path."""
    ended = {event.replica for what in ("stopped", "killed", "never-ready") for event in ran.replicas(what)}
    started = {event.replica: event.step.rpartition(".")[0] for event in ran.replicas("started")}
    assert started.keys() == ended
    for operation in read(ran.directory).operations:
        if operation.replica:
            assert started[operation.replica] == operation.step.rpartition(".")[0]


def test_the_path_after_a_failed_restart_of_the_only_replica_starts_from_nothing(tmp_path: Path) -> None:
    """The old replica that its failed successor was to relieve is stopped with its path, and takes no traffic after.

    Going back does not start it again, for it still runs.
    """
    migrations = Migrations(expand=("grow",))
    made = matrix(tmp_path, replicas=1, migrations=migrations)
    # Control old 1 starts version 1 three times, control old 2 twice, control new once for its schema, the
    # upgrade once; the rollout once, then restarts.
    ran = rehearse(made, FakeRuntime(fails=fails_from(9, "1")), tmp_path)  # type: ignore[arg-type]
    assert ran.error is None
    failed = [step for step in ran.steps if step.error and step.path == "rollout"]
    assert [(step.id, step.kind) for step in failed] == [("rollout.3", "restart")]
    assert any(step.kind == "roll back" for step in ran.steps)
    nothing_left(ran)
    every_replica_ends_with_its_path(ran)
    came_up = ran.runtime.log.count(("start", "things", "1")) - len(ran.replicas("never-ready"))
    assert came_up == ran.runtime.log.count(("stop", "things", "1"))


@pytest.mark.parametrize("exit_code", [0, 7])
def test_a_migration(exit_code: int, tmp_path: Path) -> None:
    migrations = Migrations(migrate=("move",))
    runtime = FakeRuntime()
    seen: list[str] = []

    def fails(spec: ReplicaSpec) -> bool:
        """Fails nobody: it only notices when the rollout begins, whose migration is the one that goes wrong."""
        seen.append(spec.version)
        runtime.migration = exit_code if seen.count("1") > 6 else 0
        return False

    runtime.fails = fails
    ran = rehearse(matrix(tmp_path, replicas=1, migrations=migrations, rollback="none"), runtime, tmp_path)
    assert ran.error is None
    last = [step for step in ran.steps if step.path == "rollout"][-1]
    assert (last.kind, bool(last.error)) == ("migrate", exit_code != 0)
    if exit_code:
        assert last.error == "migrate of things 2 failed: exit code 7"
        assert all(TAIL in event.detail for event in ran.replicas("command-failed"))
        assert ran.replicas("command-failed")[0].step == last.id
        judgement = judge(read(ran.directory), ContractRegistry(), ran.prepared.plan)
        assert judgement.verdict == "fail"
        assert [step.verdict for step in judgement.steps if step.id == last.id] == ["fail"]


def test_a_migration_that_fails_in_a_control_means_a_broken_environment(tmp_path: Path) -> None:
    made = matrix(tmp_path, migrations=Migrations(migrate=("move",)))
    ran = rehearse(made, FakeRuntime(migration=3), tmp_path)
    assert isinstance(ran.error, BrokenEnvironment)
    assert "control-new: migrate of things 2 failed: exit code 3" in str(ran.error)
    assert TAIL in str(ran.error)


# --- what ends by itself ---


@pytest.mark.parametrize("strategy", ["rolling", "recreate", "blue-green"])
@pytest.mark.parametrize("requests", [3, 8])
def test_a_replica_that_ends_by_itself_is_an_event_and_ends_no_run(
    requests: int, strategy: str, tmp_path: Path
) -> None:
    """It is gone from the slot that a later step restarts, stops or replaces: that must not stop the run either."""
    made = matrix(tmp_path, replicas=2, strategy=strategy)
    ran = rehearse(made, FakeRuntime(dies_after={"2": requests}), tmp_path)
    assert ran.error is None
    assert ran.replicas("exited")
    assert {event.detail for event in ran.replicas("exited")} == {"exited with status 9"}
    nothing_left(ran)
    operations = read(ran.directory).operations
    last_by = {event.replica: event.at for event in ran.replicas("exited")}
    assert not [entry for entry in operations if entry.started > last_by.get(entry.replica, entry.started)]


def test_an_interrupted_step_says_that_it_did_not_end(tmp_path: Path) -> None:
    class Interrupted(FakeRuntime):
        async def start(self, spec: ReplicaSpec) -> object:  # type: ignore[override]
            if len(self.specs) == 3:
                raise KeyboardInterrupt
            return await super().start(spec)

    try:
        rehearse(matrix(tmp_path, replicas=1), Interrupted(), tmp_path)
    except KeyboardInterrupt:
        pass
    else:
        pytest.fail("the interruption was swallowed")
    history = read(tmp_path / "run")
    steps = history.steps
    assert history.run.unfinished
    assert steps[-1].stopped
    assert steps[-1].error.startswith("not completed: ")
    assert [step.error for step in steps[:-1]] == [""] * (len(steps) - 1)
    assert not (tmp_path / "run" / "verdict.json").exists()
