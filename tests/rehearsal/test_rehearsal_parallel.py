"""Paths side by side on a pretended runtime: the same verdict however many run at once, and the same ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, Ran, matrix, rehearse
from verifier.errors import BrokenEnvironment
from verifier.history.model import Timing
from verifier.history.store import read
from verifier.plan.confirmation import PREFIX
from verifier.rehearsal.events import PathBegan, StepBegan
from verifier.rehearsal.judging import judge_new
from verifier.runtime.base import ReplicaSpec

# How often live traffic, polls and late requests are sent depends on time in any run.
OF_TIME = ("timing", "counts")


def verdict(ran: Ran) -> dict[str, Any]:
    judge_new(ran.directory, Timing(0.0, 0.0, 0.0, 0.0))
    found: dict[str, Any] = json.loads((ran.directory / "verdict.json").read_text())
    return {key: value for key, value in found.items() if key not in OF_TIME}


def run(folder: Path, parallel: int, runtime: FakeRuntime) -> Ran:
    folder.mkdir()
    return rehearse(matrix(folder.parent, replicas=1, rollback="ends"), runtime, folder, parallel)


def of_new(spec: ReplicaSpec) -> bool:
    """The new version becomes ready on fresh stores alone: its control is path 3."""
    return spec.version == "2" and not spec.id.partition(".")[0].endswith("-3") and "-7." not in spec.id


@pytest.mark.parametrize("fails", [lambda spec: False, of_new])
def test_the_verdict_does_not_depend_on_how_many_run_at_once(fails: Any, tmp_path: Path) -> None:
    runs = [run(tmp_path / str(parallel), parallel, FakeRuntime(fails=fails)) for parallel in (1, 2, 4)]
    first, *others = [verdict(ran) for ran in runs]
    for other in others:
        assert other.keys() == first.keys()
        assert {key for key in first if first[key] != other[key]} == set()
    assert [step["id"] for step in first["steps"]] == [step.id for step in runs[0].steps if not step.confirms]
    for ran in runs:
        assert ran.error is None
        assert (ran.runtime.live, ran.runtime.stores) == ({}, set())
        history = read(ran.directory)
        planned = [step.id for step in ran.prepared.plan.steps]
        assert [step.id for step in history.steps if step.id in planned] == [
            name for name in planned if name in {step.id for step in history.steps}
        ]
        assert [note for note in history.notes if note.kind == "count"] == []
        assert len({entry.id for entry in history.operations}) == len(history.operations)
    names = [sorted({event.replica for event in ran.replicas("ready")}) for ran in runs]
    assert names[0] == names[1] == names[2], "replicas are named the same"
    assert (fails is of_new) == any(step.id.startswith(PREFIX) for step in runs[0].steps)


def test_the_longest_path_begins_first_after_the_controls_that_it_learns_from(tmp_path: Path) -> None:
    ran = run(tmp_path / "run", 2, FakeRuntime())
    began = [event.path.id for event in ran.events if isinstance(event, PathBegan)]
    assert began[:3] == ["control-old-1", "control-old-2", "rollout"]
    steps = [event.step.id for event in ran.events if isinstance(event, StepBegan)]
    assert steps != [step.id for step in ran.prepared.plan.steps], "nothing ran beside something else"
    last_of_old = max(steps.index(name) for name in steps if name.startswith("control-old"))
    assert last_of_old < min(steps.index(name) for name in steps if not name.startswith("control-old"))


def test_a_control_that_breaks_ends_all_that_runs_beside_it(tmp_path: Path) -> None:
    ran = run(tmp_path / "run", 4, FakeRuntime(fails=lambda spec: spec.version == "2"))
    assert isinstance(ran.error, BrokenEnvironment)
    assert "in the control control-new" in str(ran.error)
    assert (ran.runtime.live, ran.runtime.stores, ran.runtime.closed) == ({}, set(), 1)
    assert not (ran.directory / "paths").exists()
    notes = [note for note in read(ran.directory).notes if note.kind == "environment"]
    assert len(notes) == 1


def test_a_store_that_is_lost_in_one_path_ends_the_run(tmp_path: Path) -> None:
    runtime = FakeRuntime()

    def fails(spec: ReplicaSpec) -> bool:
        if spec.version == "2" and spec.id.partition(".")[0].endswith("-5"):
            asyncio.get_running_loop().call_soon(runtime.cells["5"].lost, "store db exited with status 1")
        return False

    runtime.fails = fails
    ran = run(tmp_path / "run", 3, runtime)
    assert isinstance(ran.error, BrokenEnvironment)
    assert str(ran.error).startswith("store db exited with status 1, in rollout.")
    assert (ran.runtime.live, ran.runtime.stores) == ({}, set())
