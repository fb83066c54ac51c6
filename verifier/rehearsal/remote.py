"""Cells that run elsewhere: what is sent to a worker, what comes back, and how it becomes a part of this run."""

from __future__ import annotations

import hashlib
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from verifier.errors import BrokenEnvironment
from verifier.history.model import Step
from verifier.history.store import records
from verifier.plan.faults import Key
from verifier.plan.model import Path as PlanPath
from verifier.rehearsal.cell import Cell, EndedEarly
from verifier.rehearsal.cell_cache import StoredCell
from verifier.rehearsal.events import PathBegan, PathCached, ReplayEnded, StepBegan, StepEnded
from verifier.rehearsal.learned import Learned, StoredLearned
from verifier.rehearsal.share import Asked


@dataclass(frozen=True, slots=True)
class CellJob:
    """One path for a worker. `digest` is that of the plan with its inputs, which the worker reads from its own disk.

    `plan` is the text of a file with plans, or empty. `confirmation` is set for a path that is not in the plan, and
    `seconds` of replaying for one that is. `beside` is how many cells may run on the worker's machine at a time.
    """

    asked: Asked
    digest: str
    plan: str
    runtime: str
    path: str
    number: int
    confirmation: PlanPath | None
    known: StoredLearned
    seconds: float
    tried: tuple[Key, ...]
    beside: int
    cached: bool


@dataclass(frozen=True, slots=True)
class CellResult:
    """What is left of a cell. `files` are compressed, with the names and digests of `cell.files`.

    `broke` says how the environment broke; then nothing else counts. `cached`: the worker had it in its cache.
    """

    cell: StoredCell | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    boot: float = 0.0
    replaying: float = 0.0
    ended: bool = False
    early: bool = False
    cached: bool = False
    tried: tuple[Key, ...] = ()
    broke: str = ""


class Elsewhere(ABC):
    """Where the cells of a run are carried out instead of on this machine. `name` is that of their runtime."""

    name: str
    asked: Asked
    plan: str  # the text of a file with plans, or empty
    cached: bool  # whether workers may use their caches
    beside: int = 1  # cells that may run on one machine at a time

    @abstractmethod
    async def open(self) -> None:
        """Raises BrokenEnvironment if nobody is there."""

    @abstractmethod
    async def carry_out(self, job: CellJob) -> CellResult:
        """The result of a job. It is given to another worker when one is lost. Raises BrokenEnvironment."""

    @abstractmethod
    async def close(self) -> None:
        """End what has not ended. Idempotent."""


@dataclass(slots=True, kw_only=True)
class RemoteRun(Cell):
    """The run of one path elsewhere. Its history and logs come into this run directory."""

    elsewhere: Elsewhere
    digest: str

    async def run(self) -> None:
        self.emit(PathBegan(self.path))
        budget = None if self.budget is None else self.budget.whole
        job = CellJob(
            self.elsewhere.asked,
            self.digest,
            self.elsewhere.plan,
            self.elsewhere.name,
            self.path.id,
            self.number,
            self.path if self.path.confirms else None,
            self.known.stored(),
            0.0 if budget is None else budget.portion(self.path.id),
            () if budget is None else tuple(sorted(budget.tried)),
            self.elsewhere.beside,
            self.elsewhere.cached,
        )
        result = await self.elsewhere.carry_out(job)
        if result.broke or result.cell is None:
            raise BrokenEnvironment(result.broke or f"a worker returned nothing of {self.path.id}")
        self._store(result, result.cell)
        if budget is not None:
            budget.used(self.path.id, result.replaying)
            budget.tried.update(result.tried)
        self._tell(result)
        if result.early:
            raise EndedEarly

    def _store(self, result: CellResult, cell: StoredCell) -> None:
        for name, digest in cell.files.items():
            folder, _, file = name.partition("/")
            content = zlib.decompress(result.files[name])
            if folder not in ("history", "logs") or "/" in file or hashlib.sha256(content).hexdigest() != digest:
                raise BrokenEnvironment(f"a worker returned a damaged {name!r} of {self.path.id}")
            target = (self.directory if folder == "logs" else self.folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.learned, self.counts = Learned.restored(cell.learned), cell.counts
        self.boot, self.replaying, self.ended = result.boot, result.replaying, result.ended
        self.stored = cell if result.cached else None

    def _tell(self, result: CellResult) -> None:
        if self.stored is not None:
            self.emit(PathCached(self.path, self.stored.at))
            return
        planned = {step.id: step for step in self.path.steps}
        for step in records(self.folder, Step):
            self.emit(StepBegan(planned[step.id]))
            for _ in planned[step.id].replays:
                self.emit(ReplayEnded(planned[step.id]))
            self.emit(StepEnded(planned[step.id], step.error, step.ended - step.started))
