"""What the engine says while it runs. Progress bars and logs consume these; the engine knows none of them."""

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
class StepBegan:
    step: PlannedStep


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    step: PlannedStep


@dataclass(frozen=True, slots=True)
class StepEnded:
    """`error` says why the step could not be completed; "" when it was. `seconds` is how long it took."""

    step: PlannedStep
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Doing:
    """Something that takes a while outside the plan's steps, such as building images."""

    what: str


Event = RunBegan | PathBegan | StepBegan | ReplayEnded | StepEnded | Doing
Emit = Callable[[Event], None]
