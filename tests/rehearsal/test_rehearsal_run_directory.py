"""A run directory is complete: it is judged again when everything that it came from is gone."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, matrix, prepared
from verifier.checks import judge
from verifier.checks.context import Context
from verifier.checks.registered import GUARANTEES
from verifier.checks.verdict import CheckResult, Judgement
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.errors import BadInput
from verifier.history.store import write_value
from verifier.http.message import Request
from verifier.plan.model import Plan, Proof
from verifier.rehearsal import judging
from verifier.rehearsal.judging import judge_again, judge_new
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.run_directory import stored_contracts, stored_plan
from verifier.rehearsal.walk import Rehearsal
from verifier.report import html

CONTRACT = """\
openapi: 3.0.3
info: {title: things, version: "VERSION"}
paths:
  /things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    put:
      operationId: keep
      requestBody: {content: {application/json: {schema: {$ref: 'parts/thing.yaml#/Thing'}}}}
      responses: {"200": {$ref: '../common/answers.json#/Kept'}}
    get:
      operationId: look
      responses: {"200": {$ref: '../common/answers.json#/Kept'}}
"""
ANSWERS = {
    "Kept": {
        "description": "kept",
        "content": {"application/json": {"schema": {"$ref": "../things/parts/thing%20two.yaml#/Thing"}}},
    }
}
THING = "Thing: {type: object, required: [v], properties: {v: {type: string}}, example: {$ref: not-a-file.yaml}}\n"


def sources(folder: Path) -> Prepared:
    """A matrix with contracts in three folders, one of which has no usual suffix."""
    for name in ("things/parts", "common"):
        (folder / name).mkdir(parents=True)
    files = []
    for version, suffix in (("1", "yaml"), ("2", "openapi")):
        files.append(folder / "things" / f"{version}.{suffix}")
        files[-1].write_text(CONTRACT.replace("VERSION", version))
    (folder / "common" / "answers.json").write_text(json.dumps(ANSWERS))
    (folder / "things" / "parts" / "thing.yaml").write_text(THING)
    (folder / "things" / "parts" / "thing two.yaml").write_text(THING)
    (folder / "things" / "guarantees.yaml").write_text("service: things\noperations: {keep: {}}\n")
    (folder / "things" / "2.guarantees.yaml").write_text(
        "service: things\noperations: {keep: {idempotent: {key: $request.path.id}}}\n"
    )
    (folder / "things" / "unrelated.yaml").write_text("secret: 1\n")
    made = prepared(matrix(folder, replicas=1, rollback="none"))
    registry = ContractRegistry(tuple(version_contract("things", str(at), file) for at, file in enumerate(files, 1)))
    return replace(
        made, registry=registry, contracts=tuple(("things", str(at), file) for at, file in enumerate(files, 1))
    )


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Prepared]:
    """A run that was judged, and whose sources are gone since."""
    inputs, directory = sources(tmp_path / "from"), tmp_path / "run"
    directory.mkdir()
    timing = asyncio.run(Rehearsal(inputs, FakeRuntime(), "", directory, lambda event: None).run())
    judge_new(directory, timing)
    shutil.rmtree(tmp_path / "from")
    return directory, inputs


def test_judging_again_needs_no_source(run: tuple[Path, Prepared]) -> None:
    directory, inputs = run
    before = {name: (directory / name).read_bytes() for name in ("verdict.json", "junit.xml")}
    judge_again(directory)
    assert {name: (directory / name).read_bytes() for name in before} == before
    assert stored_plan(directory) == inputs.plan
    registry = stored_contracts(directory)
    for version in ("1", "2"):
        contract = registry.contract("things", version)
        assert contract is not None
        operation = contract.match("PUT", "/things/7")
        assert operation is not None
        assert operation.id == "keep"
        assert operation.answers[0].media[0].schema is not None, "through three files"
    first, second = (registry.guarantees("things", version, "keep") for version in ("1", "2"))
    assert first is not None
    assert second is not None
    assert first.idempotent is None
    assert second.idempotent is not None, "its own guarantees"


def test_only_what_a_contract_consists_of_is_kept(run: tuple[Path, Prepared]) -> None:
    directory, _ = run
    kept = {str(file.relative_to(directory / "inputs")) for file in (directory / "inputs").rglob("*") if file.is_file()}
    assert kept == {
        "matrix.yaml",
        "contracts/things/1.yaml",
        "contracts/things/2.openapi",
        "contracts/things/guarantees.yaml",
        "contracts/things/2.guarantees.yaml",
        "contracts/things/parts/thing.yaml",
        "contracts/things/parts/thing two.yaml",
        "contracts/common/answers.json",
    }


def test_a_moved_run_is_judged_where_it_lies(run: tuple[Path, Prepared], tmp_path: Path) -> None:
    directory, _ = run
    verdict = (directory / "verdict.json").read_bytes()
    moved = tmp_path / "elsewhere" / "moved"
    shutil.copytree(directory, moved)
    shutil.rmtree(directory)
    judge_again(moved)
    assert (moved / "verdict.json").read_bytes() == verdict


@pytest.mark.parametrize("name", ["plan.json", "inputs.json", "timing.json", "history/run.json"])
def test_a_damaged_run_is_bad_input_and_keeps_its_verdict(name: str, run: tuple[Path, Prepared]) -> None:
    directory, _ = run
    before = (directory / "verdict.json").read_bytes()
    (directory / name).write_bytes((directory / name).read_bytes()[:-9])
    with pytest.raises(BadInput, match=Path(name).name):
        judge_again(directory)
    assert (directory / "verdict.json").read_bytes() == before


def test_a_verdict_is_never_half_written(run: tuple[Path, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that cannot be rendered, or a disk that is full in the middle, leaves the former files whole."""
    directory, _ = run
    names = ("verdict.json", "report.html", "junit.xml")
    before = {name: (directory / name).read_bytes() for name in names}

    def broken(*_: object) -> str:
        raise RuntimeError("no page today")

    with monkeypatch.context() as patch:
        formats = [replace(entry, render=broken) if entry is html.HTML else entry for entry in judging.FORMATS]
        patch.setattr(judging, "FORMATS", formats)
        with pytest.raises(RuntimeError):
            judge_again(directory)
    assert {name: (directory / name).read_bytes() for name in names} == before

    def full(self: Path, text: str, **_: object) -> int:
        with self.open("w") as file:
            file.write(text[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            judge_again(directory)
    assert {name: (directory / name).read_bytes() for name in names} == before


def with_proofs(plan: Plan, *proofs: Proof) -> Plan:
    """The plan with these made-up requests in its first step."""
    first, *paths = plan.paths
    step, *steps = first.steps
    return replace(plan, paths=(replace(first, steps=(replace(step, proofs=proofs), *steps)), *paths))


def test_a_plan_of_before_names_the_authors_of_made_up_requests_in_their_ids_alone(run: tuple[Path, Prepared]) -> None:
    directory, _ = run
    request = Request("PUT", "/things/7", (), b"")
    proofs = [
        Proof(f"made:things:{author}:keep:1", "things", to, "keep", request, author) for author in "12" for to in "21"
    ]
    witness = Proof("proof-c1", "things", "1", "keep", request)
    today = with_proofs(stored_plan(directory), *proofs, witness)
    before = with_proofs(today, *(replace(proof, written_for="") for proof in proofs), witness)
    assert before != today
    for plan in (before, today):
        write_value(directory / "plan.json", plan)
        assert stored_plan(directory) == today


def test_the_traceback_of_a_check_that_raises_lies_in_the_run_directory_until_it_does_not(
    run: tuple[Path, Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, _ = run
    before = judge_again(directory)[0]

    def raising(context: Context, plan: Plan) -> CheckResult:
        raise LookupError("a mistake of this check")

    def judged(*arguments: Any) -> Judgement:
        first, *others = GUARANTEES
        return judge.judge(*arguments, (replace(first, check=raising), *others))

    with monkeypatch.context() as patch:
        patch.setattr(judging, "judge", judged)
        judgement = judge_again(directory)[0]
    assert judgement.verdict == "unknown"
    assert [error.guarantee for error in judgement.errors] == [GUARANTEES[0].name]
    told = (directory / "check-errors.txt").read_text()
    assert f"{GUARANTEES[0].name}: LookupError: a mistake of this check" in told
    assert "Traceback" in told
    assert "check-errors.txt" in (directory / "report.html").read_text()
    assert judge_again(directory)[0] == before
    assert not (directory / "check-errors.txt").exists()
