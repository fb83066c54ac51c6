"""Requests made up from contracts: what a version takes of its own, the other must not refuse as invalid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.checks.context import Context
from verifier.checks.declared import check_made
from verifier.checks.verdict import CheckResult
from verifier.http.message import Request
from verifier.plan.model import Proof

OF_OLD, OF_NEW = f"made:orders:{OLD}:placeOrder:1", f"made:orders:{NEW}:placeOrder:1"


def found_in(name: str, *answers: tuple[str, str, int]) -> CheckResult:
    """One made-up request, sent in each phase to a version, with the status it was answered."""
    builder = HistoryBuilder()
    for phase, version, status in answers:
        builder.step(phase, live={"orders": (version,)})  # type: ignore[arg-type]
        builder.send("POST /orders", version, status, source="proof", replay=name)
    plan = builder.plan()
    request = Request("POST", "/orders", (), b"")
    author = OLD if name == OF_OLD else NEW
    proofs = tuple(Proof(name, "orders", version, "placeOrder", request, author) for _, version, _ in answers)
    first, *others = plan.paths
    steps = (replace(first.steps[0], proofs=proofs), *first.steps[1:])
    return check_made(
        Context(builder.history(), builder.registry), replace(plan, paths=(replace(first, steps=steps), *others))
    )


@pytest.mark.parametrize("refusal", [400, 405, 415, 422, 500, 503])
def test_what_old_takes_of_its_own_new_must_not_refuse(refusal: int) -> None:
    (found,) = found_in(OF_OLD, ("control-old", OLD, 201), ("control-new", NEW, refusal)).findings
    assert (found.guarantee, found.step) == ("compatible", "control-new-1.1")
    assert set(found.versions) == {OLD, NEW}


@pytest.mark.parametrize("answer", [200, 202, 301, 401, 403, 404, 409, 412])
def test_an_answer_about_what_was_asked_is_no_refusal(answer: int) -> None:
    result = found_in(OF_OLD, ("control-old", OLD, 201), ("control-new", NEW, answer))
    assert result.findings == []
    assert result.steps["control-new-1.1"] == 1


@pytest.mark.parametrize("own", [400, 422, 500])
def test_what_a_version_refuses_of_its_own_says_nothing_about_the_other(own: int) -> None:
    result = found_in(OF_OLD, ("control-old", OLD, own), ("control-new", NEW, 422))
    assert result.findings == []
    assert not result.steps


def test_new_requests_are_judged_by_how_new_answers_them() -> None:
    answers = (("control-new", NEW, 201), ("forward", OLD, 422))
    (found,) = found_in(OF_NEW, *answers).findings
    assert found.step == "rollout.1"
    assert "422" in found.message


def test_work_that_nobody_asked_for_is_in_no_other_check() -> None:
    builder = HistoryBuilder()
    builder.step("control-old")
    made = builder.send("POST /orders", OLD, 202, source="proof", replay=OF_OLD)
    charge = builder.charge("a")
    linked = HistoryBuilder()
    linked.steps, linked.operations = builder.steps, [made, structs.replace(charge, parent=made.id)]
    context = Context(linked.history(), linked.registry)
    assert list(context.work()) == []
    assert not context.effects
