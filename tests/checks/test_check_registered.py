"""One list of guarantees: what all that folds over it takes for granted, and a check that raises an exception."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.checks.history_builder import HistoryBuilder, Scenario, attributions, in_every_phase
from tests.checks.order_scenarios import healthy_session
from verifier.checks import completes, idempotent, lost_write
from verifier.checks.context import Context
from verifier.checks.guarantee import Guarantee
from verifier.checks.judge import judge
from verifier.checks.registered import DECLARATIONS, GUARANTEES
from verifier.checks.verdict import CheckResult, Judgement
from verifier.plan.model import Plan
from verifier.report import phrasing


def test_names_heads_and_keys_are_unique() -> None:
    for found in (
        [guarantee.name for guarantee in GUARANTEES],
        [guarantee.head for guarantee in GUARANTEES],
        [declaration.key for declaration in DECLARATIONS],
    ):
        assert len(set(found)) == len(found) > 0
    assert all(0 < len(guarantee.head) <= 7 for guarantee in GUARANTEES)


def test_every_check_tells_of_its_own_guarantee() -> None:
    builder = HistoryBuilder.of_orders()
    in_every_phase(doubled, builder=builder)
    context = Context(builder.history(), builder.registry)
    for guarantee in GUARANTEES:
        result = guarantee.check(context, builder.plan())
        assert result.guarantee == guarantee.name
        assert result.error is None


def doubled(scenario: Scenario) -> None:
    order = healthy_session(scenario)
    if scenario.broken:
        scenario.builder.charge(order)


def raising(context: Context, plan: Plan) -> CheckResult:
    raise LookupError("a mistake\nof this check")


def judged(broken: bool, *spoiled: Guarantee) -> Judgement:
    builder = HistoryBuilder.of_orders()
    in_every_phase(doubled, *(["forward"] if broken else []), builder=builder)
    guarantees = [replace(entry, check=raising) if entry in spoiled else entry for entry in GUARANTEES]
    return judge(builder.history(), builder.registry, builder.plan(), guarantees)


def test_a_check_that_raises_makes_its_guarantee_unknown_and_the_others_are_judged() -> None:
    safe, judgement = judged(False), judged(False, completes.COMPLETES)
    assert (safe.verdict, safe.errors, safe.unknowns) == ("pass", (), ())
    assert judgement.verdict == "unknown"
    (sentence,) = judgement.unknowns
    assert sentence.startswith("completes was not judged, because its check failed: LookupError: a mistake of this")
    (error,) = judgement.errors
    assert error.guarantee == "completes"
    assert "Traceback" in error.traceback
    assert "in raising" in error.traceback
    for step, twin in zip(judgement.steps, safe.steps, strict=True):
        cells, others = dict(step.guarantees), dict(twin.guarantees)
        assert (step.verdict, cells.pop("completes"), others.pop("completes")) == ("unknown", "unknown", "pass")
        assert cells == others
        assert phrasing.cell(judgement, step, "completes") == "unknown"


def test_a_check_that_raises_hides_no_violation_of_another() -> None:
    whole, judgement = judged(True), judged(True, completes.COMPLETES)
    assert judgement.verdict == whole.verdict == "fail"
    assert attributions(judgement) == attributions(whole) == {("idempotent", "mixed")}
    assert len(judgement.unknowns) == 1


def test_a_check_that_raises_is_never_a_pass_where_it_would_have_failed() -> None:
    judgement = judged(True, idempotent.IDEMPOTENT)
    assert (judgement.verdict, judgement.violations) == ("unknown", ())


@pytest.mark.parametrize("spoiled", [lost_write.NO_LOST_WRITE, lost_write.ROLLBACK_SAFE])
def test_one_of_two_guarantees_of_one_module_may_fail_alone(spoiled: Guarantee) -> None:
    assert [error.guarantee for error in judged(False, spoiled).errors] == [spoiled.name]
