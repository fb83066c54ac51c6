"""Rows of invariants are attributed like any other finding, in the first step that shows them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from msgspec import structs

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import StoreRows
from verifier.matrix.model import Invariant

ONCE = Invariant("once", "select 1", "db", "paid twice")


def judged(builder: HistoryBuilder, rows: list[StoreRows], *invariants: Invariant) -> Judgement:
    history = structs.replace(builder.history(), store_rows=tuple(rows))
    plan = replace(builder.plan(), invariants=invariants or (ONCE,))
    return judge(history, builder.registry, plan)


def rows(step: str, *found: Any, **more: Any) -> StoreRows:
    texts = tuple(json.dumps({"reference": value}) for value in found)
    return StoreRows(
        **{"step": step, "invariant": "once", "rows": texts, "error": "", "quiet": True, "at": 0.0, **more}
    )


def scenario(*showing: str, **more: Any) -> tuple[HistoryBuilder, list[StoreRows]]:
    """An order with a retry in each phase, and a row about it at the end of the phases that show it."""
    builder, found = HistoryBuilder.of_orders(), []
    for phase in ("control-old", "control-old", "control-new", "forward", "rollback"):
        step = builder.step(phase)  # type: ignore[arg-type]
        reference = builder.fresh("reference-")
        first, second = (OLD, NEW) if phase == "forward" else (NEW, NEW) if phase == "control-new" else (OLD, OLD)
        sent = builder.send("POST /orders", first, (202, {"id": reference}), body={"reference": reference})
        builder.send("POST /orders", second, (202, {"id": reference}), body={"reference": reference}, retry=sent)
        found.append(rows(step, *([reference] if phase in showing else []), **more))
    return builder, found


def of_invariants(judgement: Judgement) -> list[Violation]:
    return [entry for entry in judgement.violations if entry.guarantee == "invariant"]


def test_rows_of_the_mixture_alone_are_laid_to_it_with_the_requests_that_hold_them() -> None:
    judgement = judged(*scenario("forward"))
    (found,) = of_invariants(judgement)
    assert (found.attribution, found.operation, found.service) == ("mixed", "placeOrder", "orders")
    assert found.versions == (OLD, NEW)
    assert len(found.evidence) == 2
    assert found.experience == "paid twice"
    assert found.fails and judgement.verdict == "fail"


def test_rows_that_old_alone_leaves_too_are_not_laid_to_the_deployment() -> None:
    judgement = judged(*scenario("control-old", "control-new", "forward", "rollback"))
    assert {entry.attribution for entry in of_invariants(judgement)} == {"pre-existing"}
    assert judgement.verdict != "fail"


def test_rows_of_new_alone_are_its_own() -> None:
    (found,) = of_invariants(judged(*scenario("control-new")))
    assert found.attribution == "new-version"


def test_a_row_counts_in_the_first_step_of_its_path_alone() -> None:
    builder, found = scenario("forward")
    again = structs.replace(found[-1], rows=found[-2].rows)
    (violation,) = of_invariants(judged(builder, [*found[:-1], again]))
    assert (violation.count, violation.steps) == (1, (found[-2].step,))


def test_rows_while_work_was_under_way_are_no_finding_and_no_pass() -> None:
    judgement = judged(*scenario("forward", quiet=False))
    assert of_invariants(judgement) == []
    assert (
        "invariant once was not verified at the end of control-old-1.1: work was still under way" in judgement.unknowns
    )


def test_a_store_that_could_not_be_asked_keeps_the_run_from_passing() -> None:
    judgement = judged(*scenario(error="sqlite: no such table: t"))
    assert any("no such table: t" in sentence for sentence in judgement.unknowns)
    assert any("it was not asked" in sentence for sentence in judged(scenario()[0], []).unknowns)


def test_a_row_that_belongs_to_no_request_is_found_all_the_same() -> None:
    builder, found = scenario()
    at = next(index for index, step in enumerate(builder.steps) if step.phase == "forward")
    found[at] = rows(builder.steps[at].id, 17)
    (violation,) = of_invariants(judged(builder, found))
    assert (violation.attribution, violation.operation, violation.evidence) == ("mixed", "", ())


def test_an_invariant_over_the_history_names_the_operation_of_each_row() -> None:
    """Two acceptances of one reference by two versions."""
    sql = """
        SELECT max(id) AS operation FROM operations WHERE method = 'POST'
        GROUP BY step, request_body->>'$.reference' HAVING count(DISTINCT version) > 1
    """
    builder, _ = scenario()
    (violation,) = of_invariants(judged(builder, [], Invariant("one-version", sql)))
    assert (violation.attribution, violation.operation) == ("mixed", "placeOrder")
    assert "one-version returned" in violation.message


def test_an_invariant_over_the_history_that_fails_is_unknown_and_says_why() -> None:
    builder, _ = scenario()
    judgement = judged(builder, [], Invariant("wrong", "select 'nowhere' as step"))
    assert any(sentence.startswith("invariant was not judged") for sentence in judgement.unknowns)
