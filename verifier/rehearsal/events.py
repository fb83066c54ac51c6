"""The events of a run. Progress bars and logs consume them; the engine does not depend on any consumer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verifier.plan.model import Path, Plan, PlannedStep


@dataclass(frozen=True, slots=True)
class RunBegan:
    plan: Plan
    runtime: str
    why: str
    directory: str


@dataclass(frozen=True, slots=True)
class PathBegan:
    path: Path


@dataclass(frozen=True, slots=True)
class PathCached:
    """A path was taken from the cache. `at` is when it ran, in seconds since the epoch."""

    path: Path
    at: float


@dataclass(frozen=True, slots=True)
class ConfirmationBegan:
    """What was found is tried again on these paths, beyond those of the plan."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class StepBegan:
    step: PlannedStep


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    step: PlannedStep


@dataclass(frozen=True, slots=True)
class StepEnded:
    """The end of a step. `error` says why it could not be completed, or is "". `seconds` is its duration."""

    step: PlannedStep
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Doing:
    """Longer work outside the steps of the plan, such as building images."""

    what: str


Event = RunBegan | PathBegan | PathCached | ConfirmationBegan | StepBegan | ReplayEnded | StepEnded | Doing
Emit = Callable[[Event], None]
