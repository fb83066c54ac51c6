"""What a run directory holds besides the history: the inputs that a later judge needs, and how long things took.

RUN/plan.json  inputs.json  inputs/…  history/…  logs/…  timing.json  verdict.json  report.html  junit.xml
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from verifier.contracts.promises import Promises, promises_of
from verifier.history.model import Timing
from verifier.history.store import read_value, write_value
from verifier.plan.model import Plan
from verifier.rehearsal.prepare import Prepared

KEPT = {".yaml", ".yml", ".json"}


@dataclass(frozen=True, slots=True)
class KeptContract:
    """`file` is relative to the run directory."""

    service: str
    version: str
    file: str


@dataclass(frozen=True, slots=True)
class Inputs:
    matrix: str
    contracts: tuple[KeptContract, ...]


def keep_inputs(directory: Path, prepared: Prepared) -> None:
    """Copy the matrix, and each contract's folder, so that references between documents stay whole."""
    folder = directory / "inputs"
    folder.mkdir()
    matrix = folder / "matrix.yaml"
    shutil.copyfile(prepared.matrix.file, matrix)
    homes: dict[Path, Path] = {}
    kept = []
    for service, version, contract in prepared.contracts:
        if contract.parent not in homes:
            homes[contract.parent] = folder / "contracts" / str(len(homes) + 1)
            homes[contract.parent].mkdir(parents=True)
            for file in sorted(contract.parent.iterdir()):
                if file.is_file() and file.suffix in KEPT:
                    shutil.copyfile(file, homes[contract.parent] / file.name)
        copy = homes[contract.parent] / contract.name
        kept.append(KeptContract(service, version, str(copy.relative_to(directory))))
    write_value(directory / "inputs.json", Inputs(str(prepared.matrix.file), tuple(kept)))


def stored_promises(directory: Path) -> Promises:
    inputs: Inputs = read_value(directory / "inputs.json", Inputs)
    return Promises(tuple(promises_of(item.service, item.version, directory / item.file) for item in inputs.contracts))


def stored_plan(directory: Path) -> Plan:
    plan: Plan = read_value(directory / "plan.json", Plan)
    return plan


def stored_timing(directory: Path) -> Timing:
    timing: Timing = read_value(directory / "timing.json", Timing)
    return timing
