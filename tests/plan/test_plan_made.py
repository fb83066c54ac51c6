"""Made-up requests for two documents of 200 operations: only for what the callers of a run use."""

from __future__ import annotations

import json

import pytest
from systems import matrix, service, version

from tests.benchmarks.contracts.documents import documents
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.matrix.model import Matrix
from verifier.plan.made import MADE, MOST_GUESSED
from verifier.plan.model import ExchangeShape, Plan, SessionShape
from verifier.plan.planner import plan


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> ContractRegistry:
    found = []
    for name, document in zip("12", documents(200), strict=True):
        file = tmp_path_factory.mktemp("large") / f"{name}.json"
        file.write_text(json.dumps(document))
        found.append(version_contract("back", name, file))
    return ContractRegistry(tuple(found))


def system(called: bool) -> Matrix:
    address = {"BACK_URL": "http://back:8080"} if called else {}
    front = service("front", [version("1", environment=address), version("2", environment=address)])
    return matrix([front, service("back", [version("1"), version("2")])], faults=())


def recorded(*names: str) -> tuple[SessionShape, ...]:
    exchanges = (ExchangeShape(name, "back", True) for name in names)
    return (SessionShape("s", (ExchangeShape("GET /", "front", False), *exchanges)),)


def made_up(made: Plan) -> list[str]:
    """The operations of version 1 for which version 1 gets requests, each as often as it gets one."""
    proofs = [proof for step in made.steps for proof in step.proofs if proof.id.startswith("made:back:1:")]
    return [proof.operation for proof in proofs if proof.version == "1"]


def test_operations_that_were_not_recorded_have_no_requests(registry: ContractRegistry) -> None:
    made = plan(system(called=False), recorded("makeResource0", "getResource1"), 0, registry)
    names = made_up(made)
    assert set(names) == {"makeResource0", "getResource1"}
    assert len(names) <= 2 * MADE
    (left_out,) = (item for item in made.coverage.left_out if item.what == "operations of contracts")
    assert left_out.count == 198


def test_what_another_service_may_call_has_some(registry: ContractRegistry) -> None:
    made = plan(system(called=True), recorded("makeResource45"), 0, registry)
    names = set(made_up(made))
    assert "makeResource45" in names
    assert MOST_GUESSED / 2 < len(names) <= MOST_GUESSED + 1


def test_the_breaks_of_all_operations_are_planned(registry: ContractRegistry) -> None:
    made = plan(system(called=False), recorded("makeResource0"), 0, registry)
    changed = {item.operation for item in made.declared.breaks}
    assert len(changed) == 4 * 17, "four operations of every third of 50 resources"
