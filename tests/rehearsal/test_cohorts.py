"""Replicas that are killed and replaced, and what passes between the end of one and the start of the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.rehearsal.fake_runtime import TAIL, FakeRuntime, matrix, rehearse
from verifier.contracts.registry import ContractRegistry
from verifier.gateway.gateway import Gateway
from verifier.gateway.partner import PartnerServer
from verifier.gateway.rotation import Rotation
from verifier.history.model import BY_FAULT, ReplicaEvent
from verifier.history.store import read
from verifier.http.client import WireClient
from verifier.matrix.model import Matrix
from verifier.matrix.pairs import pairs
from verifier.plan.model import Action, PlannedStep
from verifier.rehearsal.cohorts import Cohorts
from verifier.rehearsal.starting import StepFailed
from verifier.rehearsal.system import System
from verifier.rehearsal.templates import start_stores
from verifier.replay.session import SessionReplayer
from verifier.runtime.base import ReplicaSpec


@dataclass
class Running:
    """A system with two replicas of `1` and one of `2`; `events` are what its history would tell."""

    runtime: FakeRuntime
    system: System
    events: list[ReplicaEvent]

    @property
    def cohorts(self) -> Cohorts:
        return Cohorts(self.system)

    def told(self, what: str) -> list[str]:
        return [event.replica for event in self.events if event.what == what]


@asynccontextmanager
async def running(folder: Path, wait: float = 0.0) -> AsyncIterator[Running]:
    runtime, rotation, client = FakeRuntime(), Rotation(), WireClient(clock=time.monotonic)
    events: list[ReplicaEvent] = []
    made, registry = waiting(matrix(folder), wait), ContractRegistry()
    gateway = Gateway(
        host="127.0.0.1", rotation=rotation, client=client, partner_server=PartnerServer(registry), registry=registry,
        partners={"bank": 0.0}, ports=made.ports, record=events.append, clock=time.monotonic,
    )  # fmt: skip
    system = System(
        pairs(made)[0].matrix, runtime, rotation, client, gateway, events.append, time.monotonic, folder / "run"
    )  # type: ignore[arg-type]
    try:
        await start_stores(system, "rollout")
        actions = (("1", 1), ("1", 2), ("2", 3))
        await system.carry_out(tuple(Action("start", "things", version, slot) for version, slot in actions))
        yield Running(runtime, system, events)
    finally:
        await system.close_path()
        await gateway.close()
        await client.close()


def waiting(made: Matrix, wait: float) -> Matrix:
    services = (replace(service, stop=replace(service.stop, wait=wait)) for service in made.services)
    return replace(made, services=tuple(services))


def test_all_of_a_version_are_killed_and_replaced_in_their_places(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as found:
            before = dict(found.system.running)
            killed = found.cohorts.names("things", "1")
            cohorts = found.cohorts
            await cohorts.kill("things", "1")
            assert found.system.rotation.versions("things") == ("2",)
            assert set(found.runtime.live) == set(cohorts.names("things", "2"))
            await cohorts.replace()
            assert found.system.running.keys() == before.keys()
            assert not set(killed) & set(found.system.running.values())
            assert len(found.system.rotation.of("things")) == 3
            await found.system.note_exits()
            assert found.told("exited") == [], "it was ended on purpose"
            assert sorted(found.told("killed")) == sorted(killed)
            assert {event.detail for event in found.events if event.what == "killed"} == {BY_FAULT}

    asyncio.run(scenario())


def test_a_worker_runs_and_is_in_no_rotation(tmp_path: Path) -> None:
    """Nobody sends anything to it, so nothing is routed to it and no request has to end before it does."""

    async def scenario() -> None:
        async with running(tmp_path) as found:
            (things,) = found.system.matrix.services
            crew = replace(things, name="crew", port=0, kind="worker")
            found.system.matrix = replace(found.system.matrix, services=(things, crew))
            await found.system.start("crew", 1, "1")
            worker = found.system.running["crew", 1, "1"]
            assert worker in found.told("ready")
            assert found.system.rotation.endpoint(worker) is None
            assert not found.system.rotation.of("crew")

    asyncio.run(scenario())


def test_a_replica_that_does_not_start_after_a_kill_is_told_as_that(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as found:
            cohorts = found.cohorts
            await cohorts.kill("things", "2")
            found.runtime.fails = lambda spec: True
            with pytest.raises(StepFailed, match=r"did not become ready: .*, after it was killed") as failure:
                await cohorts.replace()
            assert (failure.value.tail, failure.value.disturbed) == (TAIL, True)
            found.runtime.fails = lambda spec: False

    asyncio.run(scenario())


def test_some_seconds_pass_between_the_end_of_a_replica_and_the_start_of_the_next(tmp_path: Path) -> None:
    ran = rehearse(waiting(matrix(tmp_path, rollback="none"), 0.3), FakeRuntime(), tmp_path)
    assert ran.error is None
    ended: dict[str, float] = {}
    gaps = []
    for event in read(ran.directory).replicas:
        path = event.step.partition(".")[0]
        if event.what in ("stopped", "killed"):
            ended[path] = event.at
        elif event.what == "started" and path in ended:
            gaps.append(event.at - ended[path])
    assert gaps
    assert min(gaps) >= 0.29


def test_a_start_that_fails_after_a_kill_is_a_finding_in_a_control_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a kill it would be a broken environment: nothing could be learned from such a control."""
    usual = SessionReplayer.run

    async def kills(self: SessionReplayer, step: PlannedStep, progress: object) -> None:
        await usual(self, step, progress)  # type: ignore[arg-type]
        if step.phase == "control-new" and self.replicas is not None:
            failing.append("2")
            await self.replicas.kill("things", "2")
            await self.replicas.replace()

    def fails(spec: ReplicaSpec) -> bool:
        return spec.version in failing

    failing: list[str] = []
    monkeypatch.setattr(SessionReplayer, "run", kills)
    ran = rehearse(matrix(tmp_path, rollback="none"), FakeRuntime(fails), tmp_path)
    assert ran.error is None
    (failed,) = [step for step in ran.steps if step.phase == "control-new" and not step.confirms]
    assert "did not become ready" in failed.error
    assert {event.version for event in ran.replicas("never-ready")} == {"2"}


def test_a_crash_kills_one_replica_and_starts_it_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as found:
            before = dict(found.system.running)
            await found.system.carry_out((Action("crash", "things", "1", 2),))
            after = found.system.running
            assert after.keys() == before.keys()
            assert {key for key in after if after[key] != before[key]} == {("things", 2, "1")}
            (killed,) = (event for event in found.events if event.detail == BY_FAULT)
            assert killed.replica == before["things", 2, "1"]
            assert len(found.system.rotation.of("things")) == 3
            found.runtime.fails = lambda spec: True
            with pytest.raises(StepFailed, match="after it was killed") as caught:
                await found.system.carry_out((Action("crash", "things", "1", 1),))
            assert caught.value.disturbed
            found.runtime.fails = lambda spec: False

    asyncio.run(scenario())
