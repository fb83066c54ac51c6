"""Breaks that contracts declare: what a running replica answered to the witness decides where it was asked."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, Answer, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.contracts.expectations import Line, Seam
from verifier.plan.model import Declared, PlannedBreak, SeamBreak


def broken(**values: Any) -> PlannedBreak:
    """A break of requests: new clients send what old does not take."""
    known: dict[str, Any] = {
        "id": "c1", "service": "orders", "old": OLD, "new": NEW, "column": "request_new_to_old", "verdict": "breaking",
        "rule": "property-added", "operation": "placeOrder", "pointer": "/body/gift", "message": "gift is not known",
        "part": "body", "media": "application/json", "has_witness": True, "witness": {"gift": True}, "meets": OLD,
        "callers": ("client 2.0",), "steps": ("rollout.1",), "request": None,
    }  # fmt: skip
    known.update(values)
    return PlannedBreak(**{field.name: known[field.name] for field in fields(PlannedBreak)})


def judged(said: Declared, proof: Answer | str = "none", used: str = "placeOrder") -> Judgement:
    """A calm run in which the witness was answered in the first mixed step, or not sent. Clients send `used`."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            builder.send("GET /things/1", version, 200, name=used)
        if not isinstance(proof, str) and builder.steps[-1].id == "rollout.1" and builder.replay == "r1":
            builder.send("POST /orders", OLD, proof, source="proof", replay="proof-c1")

    in_every_phase(play, builder=builder)
    return judge(builder.history(), builder.registry, replace(builder.plan(), declared=said))


@pytest.mark.parametrize("proof", ["none", 400, 422, 500, None])
def test_a_break_that_no_replica_took_after_all_is_found(proof: Answer | str) -> None:
    judgement = judged(Declared(breaks=(broken(),)), proof)
    assert attributions(judgement) == {("compatible", "mixed")}
    violation = judgement.violations[0]
    assert (violation.step, violation.versions, violation.operation) == ("rollout.1", (OLD, NEW), "placeOrder")
    assert len(violation.evidence) == (0 if proof == "none" else 1)


def test_a_break_on_paper_that_the_replica_takes_is_none() -> None:
    assert judged(Declared(breaks=(broken(),)), 200).verdict == "pass"


def test_a_break_that_hurts_nobody_in_this_rollout_is_none() -> None:
    assert judged(Declared(breaks=(broken(steps=(), callers=()),))).verdict == "pass"
    assert judged(Declared(breaks=(broken(steps=("never-run.1",)),))).verdict == "pass"


def test_a_break_of_an_operation_that_no_caller_of_this_run_uses_is_listed_and_fails_nothing() -> None:
    judgement = judged(Declared(breaks=(broken(),)), used="getOrder")
    assert (judgement.verdict, judgement.violations) == ("pass", ())
    assert judgement.unused == (f"orders {OLD} and {NEW}, placeOrder /body/gift: gift is not known",)
    assert judged(Declared(breaks=(broken(verdict="unknown"),)), used="getOrder").verdict == "pass"
    assert judged(Declared(breaks=(broken(),))).unused == ()


def test_a_break_names_only_the_callers_that_use_the_operation() -> None:
    (found,) = judged(Declared(breaks=(broken(callers=("orders 2.0", "clients built for 2.0")),))).violations
    assert found.message.startswith("clients built for 2.0, meeting")


def test_a_comparison_that_stayed_open_is_never_passed() -> None:
    judgement = judged(Declared(breaks=(broken(verdict="unknown"),)))
    assert (judgement.verdict, judgement.violations) == ("unknown", ())
    assert judged(Declared(breaks=(broken(verdict="unknown", steps=()),))).verdict == "pass"


def test_a_seam_that_does_not_hold_is_found_in_its_steps() -> None:
    lines = Line("a.yaml", 3, "idempotent: true"), Line("b.yaml", 0, "nothing")
    known: dict[str, Any] = {
        "consumer": "orders", "consumer_version": NEW, "provider": "payments", "provider_version": "1.2",
        "operation": "charge", "guarantee": "idempotent", "assumed": lines[0], "promised": lines[1],
        "message": "orders 2.0 assumes that payments.charge is idempotent",
    }  # fmt: skip
    seam = Seam(**{field.name: known[field.name] for field in fields(Seam)})
    judgement = judged(Declared(seams=(SeamBreak(seam, ("rollout.2",)),)))
    assert attributions(judgement) == {("seam", "mixed")}
    assert "a.yaml:3: idempotent: true" in judgement.violations[0].message
    assert judged(Declared(seams=(SeamBreak(seam, ()),))).verdict == "pass"
