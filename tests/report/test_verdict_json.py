"""verdict.json is an interface: its keys, their order and its bytes are fixed."""

from __future__ import annotations

import json
from dataclasses import replace

import report_values as values
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from verifier.checks.verdict import Tolerated
from verifier.report import verdict_json

INTERFACE = ["schema", "matrix", "verdict", "seed", "runtime", "steps", "violations", "coverage", "timing"]
VIOLATION = [
    "guarantee", "attribution", "service", "operation", "step", "versions", "message", "experience", "evidence",
    "reproduce",
]  # fmt: skip


def rendered() -> str:
    return verdict_json.render(values.judgement(), values.history(), values.plan(), values.TIMING)


def test_the_interface_comes_first_and_in_its_order() -> None:
    document = json.loads(rendered())
    assert list(document)[: len(INTERFACE)] == INTERFACE
    assert all(list(item)[: len(VIOLATION)] == VIOLATION for item in document["violations"])
    assert all(list(item)[:4] == ["id", "kind", "state", "verdict"] for item in document["steps"])
    assert list(document["coverage"])[:4] == ["states", "transitions", "routes", "faults"]
    assert (document["schema"], document["verdict"], document["seed"]) == (1, "fail", 7)


def test_what_was_tolerated_is_listed() -> None:
    judgement = replace(values.judgement(), tolerated=(Tolerated("orders getOrder: /note", "it varies", 12),))
    document = json.loads(verdict_json.render(judgement, values.history(), values.plan(), values.TIMING))
    assert document["tolerated"] == [{"place": "orders getOrder: /note", "reason": "it varies", "count": 12}]


def test_values_are_those_of_the_judgement() -> None:
    document = json.loads(rendered())
    assert document["steps"][2] == {
        "id": "rollout.2",
        "kind": "replace",
        "state": {"orders": {"1.4": 1, "2.1": 1}, "payments": {"1.2": 1}},
        "verdict": "fail",
        "path": "rollout",
        "phase": "forward",
        "description": "replace in rollout.2",
        "guarantees": {"available": "pass", "compatible": "pass", "idempotent": "fail"},
        "error": "",
    }
    assert document["coverage"]["routes"] == {"covered": 60, "total": 64}
    assert document["timing"] == {"total_s": 42.123, "boot_s": 10.0, "replay_s": 30.5, "judge_s": 0.25}
    assert document["unknowns"] == ["orders declares getOrder freshness, and no operation tested it"]


def test_evidence_is_small_and_in_causal_order() -> None:
    first = json.loads(rendered())["violations"][0]
    assert first["evidence"][0] == {
        "id": "rollout.2/r7/1.1",
        "request": "POST /orders",
        "version": "1.4",
        "outcome": "info",
        "status": 202,
        "step": "rollout.2",
    }
    assert [item["id"].rpartition("r7/")[2] for item in first["evidence"]] == ["1.1", "1.1/psp-1", "1.2", "1.2/psp-1"]


def test_a_replica_is_evidence_too() -> None:
    event = structs.replace(values.history().replicas[0], what="never-ready", detail="boom")
    history = structs.replace(values.history(), replicas=(values.history().replicas[0], event))
    judgement = values.judgement((replace(values.DOUBLED, evidence=("orders-2.1-2",)),))
    document = json.loads(verdict_json.render(judgement, history, values.plan(), values.TIMING))
    assert document["violations"][0]["evidence"] == [
        {"id": "orders-2.1-2", "request": "", "version": "2.1", "outcome": "never-ready", "status": None,
         "step": "rollout.2"}
    ]  # fmt: skip


def test_equal_values_give_equal_bytes() -> None:
    assert rendered() == rendered()
    assert rendered().endswith("}\n")
    assert rendered().isascii()


@given(st.text())
def test_any_message_comes_back(message: str) -> None:
    judgement = values.judgement((replace(values.DOUBLED, message=message),))
    text = verdict_json.render(judgement, values.history(), values.plan(), values.TIMING)
    assert json.loads(text)["violations"][0]["message"] == message
