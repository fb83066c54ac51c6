"""Cells that run elsewhere, on pretended workers: one verdict, and what comes back damaged or broken is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, Ran, matrix, prepared, rehearse
from tests.rehearsal.test_rehearsal_parallel import of_new, verdict
from tests.rehearsal.test_rehearsal_shards import ASKED
from verifier.cli.one_cell import result_of
from verifier.errors import BrokenEnvironment
from verifier.history.store import read
from verifier.plan.confirmation import PREFIX
from verifier.rehearsal.events import PathBegan, StepEnded
from verifier.rehearsal.learned import Learned
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.remote import CellJob, CellResult, Elsewhere
from verifier.rehearsal.share import digest
from verifier.rehearsal.walk import Rehearsal


class Workers(Elsewhere):
    """Each cell on a runtime and in a folder of its own; jobs and results are written and read as for a worker."""

    name = "process"
    asked = ASKED
    plan = ""
    cached = False

    def __init__(self, inputs: Prepared, folder: Path, fails: Any, change: Callable[[CellResult], CellResult]) -> None:
        self.inputs, self.folder, self.fails, self.change = inputs, folder, fails, change
        self.jobs: list[CellJob] = []
        self.opened = self.closed = 0

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def carry_out(self, job: CellJob) -> CellResult:
        job = msgspec.msgpack.decode(msgspec.msgpack.encode(job), type=CellJob)
        self.jobs.append(job)
        assert job.digest == digest(self.inputs)
        directory = self.folder / f"{len(self.jobs)}"
        directory.mkdir(parents=True)
        work = Rehearsal(self.inputs, FakeRuntime(fails=self.fails), "", directory, lambda event: None, share=())
        path = job.confirmation or next(path for path in self.inputs.plan.paths if path.id == job.path)
        tried = set(job.tried)
        seconds = None if path.confirms else job.seconds
        cell = await work.one(path, job.number, Learned.restored(job.known), seconds, tried)
        result = result_of(cell, work.ended_early, tuple(sorted(tried)))
        return self.change(msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=CellResult))


def run(
    folder: Path, fails: Any, change: Callable[[CellResult], CellResult] = lambda result: result, parallel: int = 2
) -> tuple[Ran, Workers]:
    folder.mkdir()
    inputs = prepared(matrix(folder.parent, replicas=1, rollback="ends"))
    workers = Workers(inputs, folder / "workers", fails, change)
    directory, events = folder / "run", []
    directory.mkdir()
    error: BaseException | None = None
    try:
        work = Rehearsal(inputs, workers, "for the test", directory, events.append, parallel=parallel)
        asyncio.run(work.run())
    except Exception as broken:
        error = broken
    return Ran(directory, FakeRuntime(), inputs, events, error), workers


@pytest.mark.parametrize("fails", [lambda spec: False, of_new])
def test_workers_give_the_verdict_of_one_machine(fails: Any, tmp_path: Path) -> None:
    whole = rehearse(matrix(tmp_path, replicas=1, rollback="ends"), FakeRuntime(fails=fails), tmp_path)
    ran, workers = run(tmp_path / "there", fails)
    assert (ran.error, workers.opened, workers.closed) == (None, 1, 1)
    expected, found = verdict(whole), verdict(ran)
    assert {key for key in expected if expected[key] != found[key]} == set()
    confirming = [job.path for job in workers.jobs if job.path.startswith(PREFIX)]
    assert bool(confirming) == (fails is of_new)
    assert [job.path for job in workers.jobs][:2] == ["control-old-1", "control-old-2"]
    assert len({job.number for job in workers.jobs}) == len(workers.jobs)
    history = read(ran.directory)
    assert not history.run.unfinished
    assert [step.id for step in history.steps] == [step.id for step in read(whole.directory).steps]
    began = [event.path.id for event in ran.events if isinstance(event, PathBegan)]
    assert began[:2] == ["control-old-1", "control-old-2"]
    assert sum(isinstance(event, StepEnded) for event in ran.events) == len(history.steps)
    logs = {file.name for file in (ran.directory / "logs").glob("*")}
    assert logs == {file.name for file in (whole.directory / "logs").glob("*")}


def test_the_budget_is_shared_by_what_a_path_has_to_do(tmp_path: Path) -> None:
    ran, workers = run(tmp_path / "there", lambda spec: False, parallel=1)
    assert ran.error is None
    seconds = {job.path: job.seconds for job in workers.jobs}
    assert all(share > 0 for share in seconds.values())
    assert max(seconds, key=lambda path: seconds[path]) == "rollout"
    budget = ran.prepared.matrix.budget
    assert seconds["control-old-1"] < budget / 3
    assert max(seconds.values()) <= budget, "what is not used goes to the later ones, and no more"


def test_a_worker_whose_environment_breaks_ends_the_run(tmp_path: Path) -> None:
    ran, workers = run(tmp_path / "there", lambda spec: False, lambda result: CellResult(broke="no engine"))
    assert isinstance(ran.error, BrokenEnvironment) and "no engine" in str(ran.error)
    assert workers.closed == 1


def broken(result: CellResult) -> CellResult:
    name = "history/operations.jsonl"
    return replace(result, files=result.files | {name: result.files["history/steps.jsonl"]})


def escaping(result: CellResult) -> CellResult:
    assert result.cell is not None
    name, other = "history/operations.jsonl", "logs/../../operations.jsonl"
    files = result.files | {other: result.files[name]}
    digests = result.cell.files | {other: result.cell.files[name]}
    return replace(result, files=files, cell=replace(result.cell, files=digests))


@pytest.mark.parametrize("change", [broken, escaping])
def test_what_comes_back_damaged_is_not_taken(change: Callable[[CellResult], CellResult], tmp_path: Path) -> None:
    ran, _ = run(tmp_path / "there", lambda spec: False, change)
    assert isinstance(ran.error, BrokenEnvironment) and "returned a damaged" in str(ran.error)
    assert not list(tmp_path.glob("**/there/operations.jsonl"))
