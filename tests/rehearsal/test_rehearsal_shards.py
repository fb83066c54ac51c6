"""Shards of a plan on a pretended runtime: merged they give the verdict of a run that was not divided."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, matrix, prepared, rehearse
from tests.rehearsal.test_rehearsal_parallel import of_new, verdict
from verifier.errors import BadInput, BrokenEnvironment
from verifier.history.model import Timing
from verifier.history.store import read
from verifier.plan.confirmation import PREFIX
from verifier.rehearsal.judging import judge_new, load_and_judge
from verifier.rehearsal.merging import Merging, Part, checked, parts_of
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.share import Asked, Shard, cost, digest, shares, store_shard
from verifier.rehearsal.walk import Rehearsal

ASKED = Asked("pretend.yaml", "pretend.yaml", 0, None, False)


def sharded(inputs: Prepared, runtime: Callable[[], FakeRuntime], folder: Path, of: int) -> list[Path]:
    found = []
    for index, [paths] in enumerate(shares([inputs.plan], of), 1):
        directory = folder / f"shard-{index}"
        directory.mkdir(parents=True)
        if paths:
            work = Rehearsal(inputs, runtime(), "for the test", directory, lambda event: None, share=paths)
            asyncio.run(work.run())
        store_shard(directory, Shard(index, of, digest(inputs), "process", ASKED, paths, ""))
        found.append(directory)
    return found


def merged(inputs: Prepared, runtime: FakeRuntime, shards: list[Path], directory: Path) -> dict[str, Any]:
    directory.mkdir()
    merging = Merging(parts_of(shards), directory)
    *_, paths = merging.judged()
    if paths:
        again = Rehearsal(inputs, runtime, "for the test", directory, lambda event: None)
        asyncio.run(again.repeat(paths, merging.known, merging.notes))
    else:
        merging.finish()
    judge_new(directory, Timing(0.0, 0.0, 0.0, 0.0))
    found: dict[str, Any] = json.loads((directory / "verdict.json").read_text())
    return {key: value for key, value in found.items() if key not in ("timing", "counts")}


@pytest.mark.parametrize("fails", [lambda spec: False, of_new])
@pytest.mark.parametrize("of", [1, 3, 9])
def test_merged_shards_give_the_verdict_of_a_run_that_is_not_divided(fails: Any, of: int, tmp_path: Path) -> None:
    declared = matrix(tmp_path, replicas=1, rollback="ends")
    whole = rehearse(declared, FakeRuntime(fails=fails), tmp_path)
    shards = sharded(whole.prepared, lambda: FakeRuntime(fails=fails), tmp_path, of)
    expected = verdict(whole)
    found = merged(whole.prepared, FakeRuntime(fails=fails), shards[::-1], tmp_path / "merged")
    assert {key for key in expected if expected[key] != found[key]} == set()
    confirmed = fails is of_new
    assert confirmed == any(step["id"].startswith(PREFIX) for step in found["confirmation"])
    history = read(tmp_path / "merged")
    ids = [entry.id for entry in history.operations]
    assert len(set(ids)) == len(ids) and not history.run.unfinished
    assert [step.id for step in history.steps] == [step.id for step in read(whole.directory).steps]
    logs = {file.name for file in (tmp_path / "merged" / "logs").glob("*")}
    assert logs == {file.name for file in (whole.directory / "logs").glob("*")}


def test_what_cannot_be_confirmed_does_not_fail(tmp_path: Path) -> None:
    inputs = prepared(matrix(tmp_path, replicas=1, rollback="ends"))
    shards = sharded(inputs, lambda: FakeRuntime(fails=of_new), tmp_path, 2)
    directory = tmp_path / "merged"
    directory.mkdir()
    merging = Merging(parts_of(shards), directory)
    *_, paths = merging.judged()
    assert paths
    merging.finish("no engine is here")
    judgement, *_ = load_and_judge(directory)
    assert judgement.verdict == "unknown"
    assert "no engine is here" in judgement.unknowns
    assert any(violation.fails for violation in judgement.violations), "what was found is still told"


@pytest.mark.parametrize("of", [1, 2, 3, 5, 40])
def test_every_path_is_in_one_shard_and_the_loads_are_balanced(of: int, tmp_path: Path) -> None:
    plans = [prepared(matrix(tmp_path, replicas=replicas, rollback="every-state")).plan for replicas in (1, 2, 3)]
    divided = shares(plans, of)
    assert divided == shares(plans, of)
    for at, plan in enumerate(plans):
        names = [name for shard in divided for name in shard[at]]
        assert sorted(names) == sorted(path.id for path in plan.paths)
    loads = []
    for shard in divided:
        load = 0.0
        for plan, paths in zip(plans, shard, strict=True):
            run = [path for path in plan.paths if path.id in paths or (paths and path.kind == "control-old")]
            load += sum(cost(path, plan) for path in run)
        loads.append(load)
    largest = max(cost(path, plan) + sum(cost(one, plan) for one in plan.paths if one.kind == "control-old")
                  for plan in plans for path in plan.paths)  # fmt: skip
    assert max(loads) <= sum(loads) / of + largest


def stored(folder: Path, shard: Shard) -> Path:
    folder.mkdir()
    store_shard(folder, shard)
    return folder


def test_shards_of_one_plan_are_told_from_others(tmp_path: Path) -> None:
    one = Shard(1, 2, "a", "process", ASKED, ("x",), "")
    first = stored(tmp_path / "first", one)
    second = stored(tmp_path / "second", replace(one, index=2))
    assert [part.shard.index for part in parts_of([second, first])] == [1, 2]
    for problem, shard in (
        ("missing: shard 2/2", None),
        ("is shard 1/2, as is", one),
        ("has another plan", replace(one, index=2, digest="b")),
        ("ran on docker", replace(one, index=2, runtime="docker")),
        ("is shard 2/3, but", replace(one, index=2, of=3)),
        ("another version of the verifier", replace(one, index=3)),
    ):
        others = [] if shard is None else [stored(tmp_path / problem.replace("/", "-"), shard)]
        with pytest.raises(BadInput) as raised:
            parts_of([first, *others])
        assert problem in str(raised.value)
    with pytest.raises(BadInput) as raised:
        parts_of([tmp_path])
    assert "is no shard" in str(raised.value)


def test_a_shard_that_did_not_come_to_its_end_is_not_merged(tmp_path: Path) -> None:
    one = Shard(1, 1, "a", "process", ASKED, ("x",))
    with pytest.raises(BadInput) as raised:
        checked([Part(tmp_path, one)])
    assert "run it again" in str(raised.value)
    with pytest.raises(BrokenEnvironment):
        checked([Part(tmp_path, replace(one, reason="no engine", broke=True))])


def test_a_damaged_shard_is_told(tmp_path: Path) -> None:
    inputs = prepared(matrix(tmp_path, replicas=1, rollback="ends"))
    shards = sharded(inputs, FakeRuntime, tmp_path, 2)
    file = next(shards[1].glob("paths/*/history/operations.jsonl"))
    file.write_bytes(file.read_bytes()[:-9])
    owned = next(part for part in parts_of(shards) if part.directory == shards[1])
    hit = file.parent.parent.name.partition("-")[2] in owned.shard.paths
    target = tmp_path / "merged"
    target.mkdir()
    if not hit:  # a control that the first shard owns: what this one has of it is not used
        file = next(shards[1].glob(f"paths/*-{owned.shard.paths[0]}/history/operations.jsonl"))
        file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(BadInput) as raised:
        Merging(parts_of(shards), target).judged()
    assert "is damaged" in str(raised.value)


def test_a_part_of_a_run_is_not_judged_alone(tmp_path: Path) -> None:
    inputs = prepared(matrix(tmp_path, replicas=1, rollback="ends"))
    with pytest.raises(BadInput) as raised:
        load_and_judge(sharded(inputs, FakeRuntime, tmp_path, 2)[0])
    assert "verifier merge" in str(raised.value)
