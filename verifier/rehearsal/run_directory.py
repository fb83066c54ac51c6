"""The contents of a run directory besides the history: the inputs that `judge` needs, and durations.

RUN/plan.json  inputs.json  inputs/…  history/…  logs/…  timing.json  verdict.json  report.html  junit.xml
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from verifier.checks.registered import DECLARATIONS
from verifier.contracts import document
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.files import exists, is_file, resolved
from verifier.history.model import Timing
from verifier.history.store import read_value, write_value
from verifier.plan.model import Plan, PlannedStep
from verifier.rehearsal.prepare import Prepared
from verifier.replay.credentials import Credentials

SHARD = "shard.json"  # in a run directory that is a part of a run


@dataclass(frozen=True, slots=True)
class KeptContract:
    """A copied contract. `file` is relative to the run directory."""

    service: str
    version: str
    file: str


@dataclass(frozen=True, slots=True)
class Inputs:
    matrix: str
    contracts: tuple[KeptContract, ...]


def is_shard(directory: Path) -> bool:
    return exists(directory / SHARD)


def templates_of(directory: Path) -> Path:
    """Where a run keeps templates of stores until it ends."""
    return directory / "templates"


def tidy(directory: Path, secrets: Credentials | None) -> None:
    """Remove the data of stores, and mask the secrets of real accounts in the logs. It must not fail."""
    shutil.rmtree(directory / "stores", ignore_errors=True)
    shutil.rmtree(templates_of(directory), ignore_errors=True)
    if secrets is not None:
        secrets.mask_files(directory / "logs")


def keep_inputs(directory: Path, prepared: Prepared) -> None:
    """Copy the matrix and all files of its contracts. The folder structure stays, so that references still work."""
    folder = directory / "inputs"
    folder.mkdir()
    shutil.copyfile(prepared.matrix.file, folder / "matrix.yaml")
    contracts = [contract.resolve() for _, _, contract in prepared.contracts]
    files = sorted({file for contract in contracts for file in files_of(contract)})
    root = Path(os.path.commonpath([file.parent for file in files])) if files else Path()
    for file in files:
        copy = folder / "contracts" / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    kept = (
        KeptContract(service, version, str(Path("inputs", "contracts", file.relative_to(root))))
        for (service, version, _), file in zip(prepared.contracts, contracts, strict=True)
    )
    write_value(directory / "inputs.json", Inputs(str(prepared.matrix.file), tuple(kept)))


def files_of(contract: Path) -> set[Path]:
    """The file of a contract, the guarantees beside it, and all files that they refer to, directly or indirectly."""
    waiting = [contract, *filter(is_file, guarantee_files(contract))]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            targets = (resolved(file.parent, unquote(name)) for name in _referred(document.read(file)))
            waiting += [target for target in targets if target is not None and is_file(target)]
    return found


def _referred(node: Any, inside: bool = False) -> Iterator[str]:
    """The file parts of `$ref`s and of a discriminator's `mapping`; other strings name no file."""
    if isinstance(node, str) and inside and "://" not in node:
        if name := node.partition("#")[0]:
            yield name
    elif isinstance(node, list):
        for item in node:
            yield from _referred(item)
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from _referred(item, inside=key == "$ref" or (inside and isinstance(item, str)) or key == "mapping")


def guarantee_files(contract: Path) -> tuple[Path, Path]:
    """The possible guarantee files of a contract. The first one that exists is used."""
    return contract.with_name(f"{contract.stem}.guarantees.yaml"), contract.with_name("guarantees.yaml")


def stored_contracts(directory: Path) -> ContractRegistry:
    inputs: Inputs = read_value(directory / "inputs.json", Inputs)
    return ContractRegistry(
        tuple(
            version_contract(item.service, item.version, directory / item.file, DECLARATIONS)
            for item in inputs.contracts
        )
    )


def stored_plan(directory: Path) -> Plan:
    plan: Plan = read_value(directory / "plan.json", Plan)
    return _with_authors(plan)


def _with_authors(plan: Plan) -> Plan:
    """The plan with `Proof.written_for` of made-up requests, which earlier versions wrote into their ids alone."""
    authors = {
        proof.id: proof.version
        for step in plan.steps
        for proof in step.proofs
        if proof.id.startswith(f"made:{proof.service}:{proof.version}:")
    }
    if all(proof.written_for == authors.get(proof.id, "") for step in plan.steps for proof in step.proofs):
        return plan
    paths = (replace(path, steps=tuple(_with_author(step, authors) for step in path.steps)) for path in plan.paths)
    return replace(plan, paths=tuple(paths))


def _with_author(step: PlannedStep, authors: Mapping[str, str]) -> PlannedStep:
    proofs = (replace(proof, written_for=proof.written_for or authors.get(proof.id, "")) for proof in step.proofs)
    return replace(step, proofs=tuple(proofs))


def stored_timing(directory: Path) -> Timing:
    """The durations of a run; zero if it was killed before it could store them."""
    if not exists(directory / "timing.json"):
        return Timing(0.0, 0.0, 0.0, 0.0)
    timing: Timing = read_value(directory / "timing.json", Timing)
    return timing
