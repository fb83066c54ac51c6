"""A plan from a file stands in the place of the one that a matrix makes, if it is a plan for this matrix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from verifier.errors import BadInput
from verifier.history.store import write_value
from verifier.plan.model import Plan
from verifier.rehearsal.given_plan import with_plan
from verifier.rehearsal.prepare import Prepared, prepare

MATRICES = Path(__file__).resolve().parents[2] / "matrices"


@pytest.fixture(scope="module")
def prepared() -> tuple[Prepared, ...]:
    return prepare(MATRICES / "notes-unsafe.yaml", 0)


def _with(prepared: tuple[Prepared, ...], plan: Plan, file: Path) -> tuple[Prepared, ...]:
    write_value(file, plan)
    return with_plan(prepared, file)


def test_the_plan_of_the_file_is_run(prepared: tuple[Prepared, ...], tmp_path: Path) -> None:
    plan = prepared[0].plan
    shorter = replace(plan, paths=plan.paths[:2], seed=7)
    (found,) = _with(prepared, shorter, tmp_path / "plan.json")
    assert found.plan == shorter
    assert found.matrix == prepared[0].matrix


def test_a_plan_for_another_matrix_is_refused(prepared: tuple[Prepared, ...], tmp_path: Path) -> None:
    other = prepare(MATRICES / "greet-unsafe.yaml", 0)[0].plan
    with pytest.raises(BadInput) as refused:
        _with(prepared, other, tmp_path / "plan.json")
    told = str(refused.value)
    assert "the matrix has no front 1" in told


def test_a_route_of_another_length_is_refused(prepared: tuple[Prepared, ...], tmp_path: Path) -> None:
    plan = prepared[0].plan
    path = plan.paths[0]
    step = path.steps[0]
    longer = replace(step.replays[0], route=(*step.replays[0].route, "1"))
    changed = replace(path, steps=(replace(step, replays=(longer,)), *path.steps[1:]))
    with pytest.raises(BadInput, match="routes another"):
        _with(prepared, replace(plan, paths=(changed,)), tmp_path / "plan.json")


def test_an_empty_plan_and_no_plan_are_refused(prepared: tuple[Prepared, ...], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no step"):
        _with(prepared, replace(prepared[0].plan, paths=()), tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match="is damaged"):
        with_plan(prepared, tmp_path / "plan.json")


def test_a_plan_belongs_to_one_pair(tmp_path: Path) -> None:
    pairs = prepare(MATRICES / "checkout-releases.yaml", 0)
    with pytest.raises(BadInput, match="the matrix has 6"):
        _with(pairs, pairs[0].plan, tmp_path / "plan.json")
