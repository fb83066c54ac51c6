"""A reproduction from a file stands in the place of the plan that a matrix makes, if the matrix can run it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from verifier.errors import BadInput
from verifier.plan.model import Plan
from verifier.rehearsal.edited_plan import with_plans
from verifier.rehearsal.prepare import Prepared, prepare

MATRICES = Path(__file__).resolve().parents[2] / "matrices"


@pytest.fixture(scope="module")
def prepared() -> tuple[Prepared, ...]:
    return prepare(MATRICES / "notes-unsafe.yaml", 0)


def _with(prepared: tuple[Prepared, ...], plan: Plan) -> tuple[Prepared, ...]:
    return with_plans(prepared, msgspec.json.encode(replace(plan, repeated=True)).decode(), "plan.json")


def test_the_reproduction_of_the_file_is_run(prepared: tuple[Prepared, ...]) -> None:
    plan = replace(prepared[0].plan, seed=7, repeated=True)
    (found,) = _with(prepared, plan)
    assert found.plan == plan
    assert found.matrix == prepared[0].matrix


@pytest.mark.parametrize("without", ["control-old", "control-new", "rollout"])
def test_a_reproduction_without_a_control_or_a_rollout_is_refused(without: str, prepared: tuple[Prepared, ...]) -> None:
    """It could pass and show nothing."""
    plan = prepared[0].plan
    left = replace(plan, paths=tuple(path for path in plan.paths if path.kind != without))
    with pytest.raises(BadInput, match=r"plan\.json:1: paths: must have steps of a rollout, of control-old and"):
        _with(prepared, left)


def test_a_reproduction_for_another_matrix_is_refused(prepared: tuple[Prepared, ...]) -> None:
    other = prepare(MATRICES / "greet-unsafe.yaml", 0)[0].plan
    with pytest.raises(BadInput, match="the matrix has no front 1"):
        _with(prepared, other)


def test_a_route_of_another_length_is_refused(prepared: tuple[Prepared, ...]) -> None:
    plan = prepared[0].plan
    path = plan.paths[0]
    step = path.steps[0]
    longer = replace(step.replays[0], route=(*step.replays[0].route, "1"))
    changed = replace(path, steps=(replace(step, replays=(longer,)), *path.steps[1:]))
    with pytest.raises(BadInput, match="routes another"):
        _with(prepared, replace(plan, paths=(changed, *plan.paths[1:])))
