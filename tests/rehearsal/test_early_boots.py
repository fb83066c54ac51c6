"""Replicas that boot while the step before theirs is replayed: only those that can do nothing there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, matrix, rehearse
from verifier.checks.judge import judge
from verifier.contracts.registry import ContractRegistry
from verifier.gateway.holding import Holding
from verifier.history.store import read
from verifier.http.message import Request
from verifier.http.server import Reply
from verifier.matrix.model import Matrix
from verifier.plan.model import Action, PlannedStep
from verifier.rehearsal.early_boots import early
from verifier.runtime.base import Address, ReplicaSpec, StartFailure

ROLLOUT = "-5."  # in the ids of the replicas of the rollout, which is the fifth path


@dataclass
class Noticing(FakeRuntime):
    """Notes how many requests were served when a replica of `2` was told to start in the rollout."""

    served: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    refusing: bool = False  # the first of them does not become ready

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        if spec.version == "2" and ROLLOUT in spec.id:
            self.begun.append(len(self.served))
            if self.refusing and len(self.begun) == 1:
                return StartFailure("never-ready", "not ready within 1 s", "")
        return await super().start(spec)

    async def _serve(self, spec: ReplicaSpec, sent: Request) -> Reply:
        self.served.append(1)
        return await super()._serve(spec, sent)


def stateless(made: Matrix) -> Matrix:
    """The same system without its store."""
    (things,) = made.services
    kept = ("SELF", "BANK")
    versions = tuple(
        replace(entry, environment=tuple(pair for pair in entry.environment if pair[0] in kept))
        for entry in things.versions
    )
    return replace(made, services=(replace(things, versions=versions),))


def step_of(*actions: Action) -> PlannedStep:
    return PlannedStep("rollout.2", "replace", "forward", "", actions, (), (), True)


REPLACE = Action("replace", "things", "2", 1)


def test_only_a_replica_that_can_do_nothing_before_its_step_boots_early(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    free = stateless(made)
    (things,) = free.services
    assert early(free, step_of(REPLACE)) == REPLACE
    assert early(made, step_of(REPLACE)) is None, "it names a store"
    worker = replace(free, services=(replace(things, kind="worker"),))
    assert early(worker, step_of(REPLACE)) is None, "a worker takes work of its own accord"
    waiting = replace(free, services=(replace(things, stop=replace(things.stop, wait=1.0)),))
    assert early(waiting, step_of(REPLACE)) is None, "it waits for the end of another one"
    for kind in ("stop", "restart", "crash", "migrate"):
        assert early(free, step_of(Action(kind, "things", "1", 1), REPLACE)) is None  # type: ignore[arg-type]
    assert early(free, step_of(REPLACE, Action("migrate", "things", "2", stage="contract"))) is None
    assert early(free, step_of()) is None


@pytest.mark.parametrize("refusing", [False, True])
def test_a_replica_that_boots_early_counts_from_its_step_on(refusing: bool, tmp_path: Path) -> None:
    """One that does not become ready early, such as one whose calls are held back, is started in its step again."""
    runtime = Noticing(refusing=refusing)
    ran = rehearse(stateless(matrix(tmp_path, replicas=2)), runtime, tmp_path)
    assert ran.error is None
    history = read(ran.directory)
    assert not [step for step in history.steps if step.error]
    assert not [entry for entry in history.replicas if entry.what == "never-ready"]
    assert "2" not in {entry.version for entry in history.operations if entry.step == "rollout.1"}
    assert {entry.step for entry in history.replicas if ROLLOUT in entry.replica and entry.version == "2"} >= {
        "rollout.2"
    }
    assert judge(history, ContractRegistry(), ran.prepared.plan).violations == ()
    assert runtime.live == {}


@pytest.mark.parametrize("stores", [True, False])
def test_only_a_replica_without_stores_begins_before_the_replays_of_the_step_before(
    stores: bool, tmp_path: Path
) -> None:
    runtime = Noticing()
    made = matrix(tmp_path)
    ran = rehearse(made if stores else stateless(made), runtime, tmp_path)
    assert ran.error is None
    ended = next(step.ended for step in ran.steps if step.id == "rollout.1")
    served = sum(entry.ended <= ended for entry in read(ran.directory).operations if entry.replica)
    assert (runtime.begun[0] < served) == (not stores)


def test_what_is_booted_for_a_step_that_does_not_follow_is_ended(tmp_path: Path) -> None:
    """The step fails, so its path goes back: the replica that has booted for the next step has to end."""
    started: list[str] = []

    def fails(spec: ReplicaSpec) -> bool:
        if spec.version == "2" and ROLLOUT in spec.id:
            started.append(spec.id)
        return spec.version == "2" and ROLLOUT in spec.id and len(started) < 3

    ran = rehearse(stateless(matrix(tmp_path, replicas=2)), FakeRuntime(fails=fails), tmp_path)
    assert ran.error is None
    assert [step.id for step in ran.steps if step.error and not step.confirms] == ["rollout.2"]
    assert ran.runtime.live == {}


def test_calls_of_a_replica_that_is_held_back_wait_for_its_step() -> None:
    async def scenario() -> None:
        holding, order = Holding(), []

        async def call(replica: str) -> None:
            await holding.passed(replica)
            order.append(replica)

        holding.hold("early")
        calls = [asyncio.create_task(call(name)) for name in ("early", "other")]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert order == ["other"]
        holding.release("early")
        await asyncio.gather(*calls)
        assert order == ["other", "early"]
        holding.release("early")

    asyncio.run(scenario())
