"""A share of a plan: which of its paths one of several runs carries out, before `verifier merge` puts them together.

RUN/shard.json  paths/NNN-ID/cell.json  paths/NNN-ID/history/…  logs/…

Every shard runs the controls with all old itself, because its other paths learn from them how long work takes on its
machine. In the merged run they stand once: they belong to the first shard that runs a path of the pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from verifier.errors import BadInput
from verifier.history.store import read_value, write_value
from verifier.plan.faults import ON_REPLICAS
from verifier.plan.model import Path as PlanPath
from verifier.plan.model import Plan, PlannedStep
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.run_directory import SHARD, files_of, is_shard
from verifier.runtime.fingerprint import of_file

UNFINISHED = "it did not come to its end"
SCHEMA = 1
PER_REPLAY = 0.02  # what a replay costs, where starting a replica costs 1
ALONE = 1.0  # what one costs that kills or pauses replicas, and waits


@dataclass(frozen=True, slots=True)
class Asked:
    """What `prepare` was asked for, so that `merge` can ask for the same. `edited`: with a plan from a file."""

    matrix: str  # absolute path
    named: str  # as on the command line
    seed: int
    budget: float | None
    all_pairs: bool
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """What a run directory that is a shard says of itself. `paths` are those that count in the merged run.

    `digest` is that of the plan with its inputs, and `reason` says why it has not run all of them, or is "".
    """

    index: int  # from 1
    of: int
    digest: str
    runtime: str
    asked: Asked
    paths: tuple[str, ...]
    reason: str = UNFINISHED
    broke: bool = False  # the environment, and `reason` says how
    schema: int = SCHEMA

    @property
    def name(self) -> str:
        return f"shard {self.index}/{self.of}"


def store_shard(directory: Path, shard: Shard) -> None:
    write_value(directory / SHARD, shard)


def stored_shard(directory: Path) -> Shard:
    """Raises BadInput."""
    if not is_shard(directory):
        raise BadInput.one(directory, f"is no shard: it has no {SHARD}, which `verifier run --shard` writes")
    shard: Shard = read_value(directory / SHARD, Shard)
    if shard.schema != SCHEMA or not 1 <= shard.index <= shard.of:
        raise BadInput.one(directory / SHARD, "was written by another version of the verifier")
    return shard


def digest(prepared: Prepared) -> str:
    """Of the plan, the matrix, the contracts and the recordings: equal digests make parts of one run."""
    matrix = prepared.matrix
    contracts = {file for _, _, contract in prepared.contracts for file in files_of(contract.resolve())}
    files = [matrix.file, *sorted(contracts), *(traffic.recording for traffic in matrix.traffic)]
    found = hashlib.sha256(msgspec.json.encode(prepared.plan))
    for file in files:
        found.update(of_file(file).encode())
    return found.hexdigest()


def shares(plans: Sequence[Plan], of: int) -> list[list[tuple[str, ...]]]:
    """For each shard, for each plan, the ids of its paths in the plan's order. Every path is in one shard.

    The most expensive path comes first, and each goes to the shard that is the cheapest with it. A shard also pays for
    the controls with all old of every plan that it has a path of.
    """
    controls = [sum(cost(path, plan) for path in plan.paths if _teaches(path)) for plan in plans]
    cells = [
        (-cost(path, plan), number, place, path.id)
        for number, plan in enumerate(plans)
        for place, path in enumerate(plan.paths)
        if not _teaches(path)
    ]
    alone = [number for number, plan in enumerate(plans) if all(map(_teaches, plan.paths))]
    cells += [(-controls[number], number, -1, "") for number in alone]
    loads = [0.0] * of
    taken: list[list[set[str]]] = [[set() for _ in plans] for _ in range(of)]
    for negative, number, _, name in sorted(cells):
        load, shard = min(
            (loads[at] - negative + (0.0 if taken[at][number] else controls[number]), at) for at in range(of)
        )
        loads[shard] = load
        taken[shard][number].add(name)
    for number, plan in enumerate(plans):
        owner = next((entry[number] for entry in taken if entry[number]), set())
        owner.update(path.id for path in plan.paths if _teaches(path))
    return [
        [tuple(path.id for path in plan.paths if path.id in entry[number]) for number, plan in enumerate(plans)]
        for entry in taken
    ]


def cost(path: PlanPath, plan: Plan) -> float:
    """The estimated time of a path, where starting a replica takes 1."""
    lengths = {session.id: len(session.exchanges) for session in plan.sessions}
    return sum(_cost(step, lengths) for step in path.steps)


def _cost(step: PlannedStep, lengths: dict[str, int]) -> float:
    replays = sum(
        ALONE
        if replay.fault is not None and replay.fault.kind in ON_REPLICAS
        else PER_REPLAY * lengths.get(replay.session, 1)
        for replay in step.replays
    )
    return 1.0 + len(step.actions) + replays


def _teaches(path: PlanPath) -> bool:
    """Whether the other paths learn from it, so that every shard runs it."""
    return path.kind == "control-old"
