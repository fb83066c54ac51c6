"""What contracts say of a rollout: whom a break hurts and in which steps, seams, safe orders, made-up requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from systems import matrix, service, version

from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.matrix.model import Matrix, Traffic
from verifier.plan.model import ExchangeShape, Plan, PlannedBreak, SessionShape, live_versions
from verifier.plan.planner import plan
from verifier.plan.render import render

DOCUMENT = """
openapi: 3.1.0
info: {{title: Back, version: "{name}"}}
paths:
  /greetings:
    post:
      operationId: keep
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [{required}]
              properties: {{{properties}}}
      responses:
        "201":
          description: Kept.
          content:
            application/json:
              schema: {{type: object, required: [id], properties: {{id: {{type: string}}}}}}
"""
NAME, LANGUAGE = "name: {type: string}", "language: {type: string}"
SESSION = (SessionShape("s", (ExchangeShape("POST /hello", "front", True),)),)


@pytest.fixture
def registry(tmp_path: Path) -> ContractRegistry:
    """`back` 1 refuses what it does not know, 2 knows a language, 3 requires one."""
    found = []
    for name, required, properties in (
        ("1", "name", NAME),
        ("2", "name", f"{NAME}, {LANGUAGE}"),
        ("3", "name, language", f"{NAME}, {LANGUAGE}"),
    ):
        file = tmp_path / f"{name}.yaml"
        file.write_text(DOCUMENT.format(name=name, required=required, properties=properties))
        found.append(version_contract("back", name, file))
    return ContractRegistry(tuple(found))


def rollout(order: tuple[str, ...], new: str = "2", safe: bool = False) -> Matrix:
    """`front` calls `back`; clients call `front`."""
    from dataclasses import replace

    address = {"BACK_URL": "http://back:8080"}
    front = service("front", [version("1", environment=address), version("2", environment=address)])
    back = service("back", [version("1"), version(new)], 2)
    made = matrix([front, back], faults=())
    traffic = (Traffic(Path("t.har"), "1", "front"),)
    return replace(made, rollout=replace(made.rollout, order=order, safe_order=safe), traffic=traffic)


def breaking(made: Plan) -> list[PlannedBreak]:
    return [item for item in made.declared.breaks if item.verdict == "breaking"]


def test_a_break_hurts_where_the_new_caller_meets_the_old_service(registry: ContractRegistry) -> None:
    made = plan(rollout(("front", "back")), SESSION, 0, registry)
    (found,) = breaking(made)
    assert (found.column, found.meets, found.callers) == ("request_new_to_old", "1", ("front 2",))
    expected = [
        step.id
        for step in made.steps
        if "2" in live_versions(step.state, "front") and "1" in live_versions(step.state, "back")
    ]
    assert list(found.steps) == expected != []
    assert found.request is not None
    assert b"language" in found.request.body


def test_its_witness_is_sent_once_to_the_old_service(registry: ContractRegistry) -> None:
    made = plan(rollout(("front", "back")), SESSION, 0, registry)
    proofs = [(step.id, proof) for step in made.steps for proof in step.proofs if proof.id.startswith("proof-")]
    (found,) = breaking(made)
    assert [(step, proof.service, proof.version) for step, proof in proofs] == [(found.steps[0], "back", "1")]


def test_in_the_other_order_nobody_is_hurt_and_nothing_is_sent(registry: ContractRegistry) -> None:
    made = plan(rollout(("back", "front")), SESSION, 0, registry)
    assert [item.steps for item in breaking(made)] == [()]
    sent = {(proof.id, proof.version) for step in made.steps for proof in step.proofs}
    assert sent, "each version's own requests, and old ones for new replicas"
    assert not any(name.startswith("proof-") for name, _ in sent)
    assert not any(name.startswith("made:back:2:") and to == "1" for name, to in sent), "nobody would send these"
    assert any(name.startswith("made:back:1:") and to == "2" for name, to in sent)


def test_the_safe_order_is_taken(registry: ContractRegistry) -> None:
    made = plan(rollout(("front", "back"), safe=True), SESSION, 0, registry)
    assert made.declared.order is not None
    assert made.declared.order.orders == (("back", "front"),)
    changed = [action.service for step in made.steps if step.kind == "replace" for action in step.actions]
    assert changed.index("back") < changed.index("front")
    assert "safe upgrade orders: back → front" in render(made)
    assert made.declared.order.known


def test_its_twin_where_no_contract_says_anything_no_order_is_called_safe() -> None:
    made = plan(rollout(("front", "back"), safe=True), SESSION, 0, ContractRegistry())
    assert made.declared.order is not None
    assert (made.declared.order.count, made.declared.order.known) == (2, False)
    assert "safe upgrade orders: unknown" in render(made)
    assert "→ front" not in render(made)


def test_without_a_safe_order_the_plan_says_what_to_expand(registry: ContractRegistry) -> None:
    made = plan(rollout(("front", "back"), new="3", safe=True), SESSION, 0, registry)
    assert made.declared.order is not None
    assert made.declared.order.count == 0
    told = render(made)
    assert "no upgrade order is safe" in told
    assert "expand back" in told


def test_clients_hold_the_contract_of_the_service_they_address(registry: ContractRegistry) -> None:
    """`back` is called by `front` alone: recorded clients, also of a version of the same name, are not its callers."""
    made = plan(rollout(("front", "back"), new="3"), SESSION, 0, registry)
    callers = {caller for item in breaking(made) for caller in item.callers}
    assert callers == {"front 2"}, "front 1 is gone before back 3 comes, and back before front when going back"


def test_a_seam_is_found_in_the_steps_in_which_its_sides_meet(tmp_path: Path) -> None:
    document = DOCUMENT.format(name="1", required="name", properties=NAME)
    entries = []
    for name, service_name, said in (
        ("front", "front", "service: front\nassumes:\n  back.keep: {idempotent: true}\n"),
        ("back", "back", "service: back\noperations:\n  keep: {}\n"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "guarantees.yaml").write_text(said)
        for number in ("1", "2"):
            (folder / f"{number}.yaml").write_text(document)
            entries.append(version_contract(service_name, number, folder / f"{number}.yaml"))
    made = plan(rollout(("front", "back")), SESSION, 0, ContractRegistry(tuple(entries)))
    assert made.declared.seams
    for item in made.declared.seams:
        assert item.steps
        assert "guarantees.yaml:3" in str(item.seam.assumed)
        assert "guarantees.yaml" in str(item.seam.promised)
    promised = tmp_path / "back" / "guarantees.yaml"
    promised.write_text(promised.read_text().replace("keep: {}", "keep: {idempotent: {key: $request.header.Key}}"))
    kept = [
        version_contract(item.service, item.version, tmp_path / item.service / f"{item.version}.yaml")
        for item in entries
    ]
    assert plan(rollout(("front", "back")), SESSION, 0, ContractRegistry(tuple(kept))).declared.seams == ()
