"""Late removal on a pretended runtime: the signal comes first, and the replica is sent requests until it is removed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, Ran, matrix, rehearse
from verifier.checks.judge import judge
from verifier.contracts.registry import ContractRegistry
from verifier.history.model import Operation
from verifier.history.store import read
from verifier.matrix.model import StopPolicy
from verifier.plan.faults import IN_HAND, LATE_REMOVAL

LATE = 0.3  # seconds


class Lasting(FakeRuntime):
    """Its replicas go on serving for longer than the load balancer is late."""

    async def stop(self, replica: str, signal: str, grace: float) -> int | None:
        await asyncio.sleep(2 * LATE)
        return await super().stop(replica, signal, grace)


def rehearsed(folder: Path, runtime: FakeRuntime, replicas: int = 1) -> Ran:
    made = matrix(folder, replicas=replicas)
    services = tuple(replace(entry, stop=StopPolicy(drain=0.5, late_removal=LATE)) for entry in made.services)
    ran = rehearse(replace(made, services=services, faults=("late-removal",)), runtime, folder)
    assert ran.error is None
    return ran


def sent_late(ran: Ran) -> dict[str, list[Operation]]:
    """What was sent to each replica that was told to end, in order."""
    found: dict[str, list[Operation]] = {event.replica: [] for event in ran.replicas("terminating")}
    for operation in read(ran.directory).operations:
        if operation.replica in found and operation.fault:
            found[operation.replica].append(operation)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_a_replica_is_sent_requests_from_its_signal_until_it_is_removed(tmp_path: Path, replicas: int) -> None:
    ran = rehearsed(tmp_path, Lasting(), replicas)
    signalled = {event.replica: event for event in ran.replicas("terminating")}
    assert {(event.step, event.version) for event in signalled.values() if "confirm" not in event.step} == {
        ("control-old-1.2", "1"),
        ("control-old-2.2", "1"),
        ("control-new.2", "2"),
        ("rollout.2", "1"),
        ("rollout.3", "2"),
    }
    for replica, operations in sent_late(ran).items():
        event = signalled[replica]
        (in_hand,) = [operation for operation in operations if operation.fault == IN_HAND]
        assert in_hand.request.body
        assert in_hand.started < event.at < event.at + LATE <= in_hand.ended
        after = [entry for entry in operations if entry.fault == LATE_REMOVAL and entry.started >= event.at]
        assert len(after) >= 5, "not by luck"
        assert max(entry.started for entry in after) <= in_hand.ended, "what it has in hand is let go at its removal"
        assert {entry.response.status for entry in operations if entry.response} == {200}
        assert all(entry.response for entry in operations)
        others = [entry for entry in read(ran.directory).operations if entry.replica == replica and not entry.fault]
        assert max(entry.ended for entry in others) <= event.at
    assert judge(read(ran.directory), ContractRegistry(), ran.prepared.plan).violations == ()


def test_a_replica_that_ends_at_once_refuses_them(tmp_path: Path) -> None:
    """Its twin: the runtime of all other tests closes at the signal."""
    ran = rehearsed(tmp_path, FakeRuntime())
    for operations in sent_late(ran).values():
        assert any(entry.error == "refused" for entry in operations)
    found = judge(read(ran.directory), ContractRegistry(), ran.prepared.plan)
    assert found.verdict == "pass"
    assert {entry.attribution for entry in found.violations} == {"pre-existing"}
