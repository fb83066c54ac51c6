"""Migrations in a wrong order, which a matrix may ask for: when each of them runs, and what else stays the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from tests.plan.systems import matrices, shop
from verifier.matrix.model import ATTEMPTS, Matrix
from verifier.matrix.pairs import pairs
from verifier.plan.model import Path, Plan
from verifier.plan.planner import plan


def rollout(system: Matrix, attempt: str) -> Path:
    (found,) = (pair.matrix for pair in pairs(replace(system, attempts=(attempt,))) if pair.attempt)
    return next(path for path in plan(found, (), 0).paths if path.kind == "rollout")


def rollouts(made: Plan) -> list[Path]:
    return [path for path in made.paths if path.kind == "rollout"]


def kinds(path: Path) -> list[tuple[str, str]]:
    return [
        (step.kind, f"{action.service} {action.stage or action.version}")
        for step in path.steps
        for action in step.actions[:1]
        if step.kind in ("migrate", "finalize", "replace")
    ]


def test_contract_early_runs_the_last_migrations_while_only_old_replicas_run() -> None:
    assert kinds(rollout(shop(), "contract-early")) == [
        ("replace", "payments 1.3"),
        ("migrate", "orders expand"),
        ("migrate", "orders migrate"),
        ("finalize", "orders contract"),
        ("replace", "orders 2.0"),
        ("replace", "orders 2.0"),
    ]


def test_new_before_expand_starts_a_new_replica_on_the_old_schema() -> None:
    assert kinds(rollout(shop(), "new-before-expand")) == [
        ("replace", "payments 1.3"),
        ("replace", "orders 2.0"),
        ("migrate", "orders expand"),
        ("replace", "orders 2.0"),
        ("migrate", "orders migrate"),
        ("finalize", "orders contract"),
    ]


@settings(max_examples=60, deadline=None)
@given(matrices())
def test_an_attempt_has_every_migration_once_and_ends_all_new(system: Matrix) -> None:
    for pair in pairs(replace(system, attempts=ATTEMPTS)):
        made = plan(pair.matrix, (), 0)
        if not pair.attempt:
            continue
        assert made.coverage.left_out == ()
        right = plan(replace(pair.matrix, rollout=replace(pair.matrix.rollout, attempt="")), (), 0)
        ends = {(path.steps[-1].state, frozenset(path.steps[-1].migrations)) for path in rollouts(made)}
        assert ends == {(path.steps[-1].state, frozenset(path.steps[-1].migrations)) for path in rollouts(right)}
        for path in rollouts(made):
            assert len(set(path.steps[-1].migrations)) == len(path.steps[-1].migrations)
            assert not any(step.phase == "rollback" for step in path.steps)
