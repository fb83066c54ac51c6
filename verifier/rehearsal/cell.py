"""One path of a plan as a cell: what it begins with, and what is left of it when it has run, wherever that was."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from verifier.history.parts import part
from verifier.plan.model import Path as PlanPath
from verifier.rehearsal.cell_cache import StoredCell
from verifier.rehearsal.events import Emit
from verifier.rehearsal.learned import Learned
from verifier.replay.budget import PathBudget


class EndedEarly(Exception):
    """The first step of the first control has shown that the rest of the run would prove nothing."""


@dataclass(slots=True, kw_only=True)
class Cell:
    """A path whose place in the plan is `number`, in the run directory `directory`.

    `known` is what it knows at the beginning, and `learned` what it knows at the end.
    """

    path: PlanPath
    number: int
    directory: Path
    emit: Emit
    known: Learned
    budget: PathBudget | None = None
    boot: float = 0.0
    replaying: float = 0.0
    learned: Learned = field(default_factory=Learned)
    counts: tuple[int, int, int] = (0, 0, 0)  # requests sent, responses received, and requests that failed
    ended: bool = False  # it has come to its end, with all of its replays
    logs: list[Path] = field(default_factory=list)  # of its stores and replicas
    stored: StoredCell | None = None  # what the cache had of it, if it was not carried out

    @property
    def folder(self) -> Path:
        """Where its history is until it is merged with those of the other paths."""
        return part(self.directory, self.number, self.path.id)

    async def run(self) -> None:
        """Carry out the path. Raises BrokenEnvironment and EndedEarly. In any case nothing of it is left running."""
        raise NotImplementedError
