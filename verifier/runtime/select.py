"""Which runtime a run takes, and why."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import Runtime

Name = Literal["docker", "process"]

ANSWERS_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class Selection:
    """`reason` is a sentence for the user."""

    name: Name
    reason: str


def select(choice: Literal["auto", "docker", "process"]) -> Selection:
    """Docker where an engine answers within two seconds; asks nobody when the process runtime is asked for.

    Raises BrokenEnvironment when docker was asked for and no engine answers.
    """
    if choice == "process":
        return Selection("process", "the process runtime, as asked for")
    problem = _engine_problem(ANSWERS_WITHIN)
    if problem is None:
        return Selection(
            "docker", f"the docker runtime, {'as asked for' if choice == 'docker' else 'as an engine answers'}"
        )
    if choice == "docker":
        raise BrokenEnvironment(f"the docker runtime was asked for, but no container engine answers: {problem}")
    return Selection("process", f"the process runtime, as no container engine answers ({problem})")


def make(name: Name, run_id: str, directory: Path) -> Runtime:
    """A runtime that is not yet open."""
    if name == "docker":
        from verifier.runtime.docker import DockerRuntime

        return DockerRuntime(run_id, directory)
    from verifier.runtime.process import ProcessRuntime

    return ProcessRuntime(run_id, directory)


def _engine_problem(within: float) -> str | None:
    """None when an engine answers. In a thread: looking up a host's name has no time limit of its own."""
    found: list[str | None] = []

    def ask() -> None:
        from verifier.runtime import engine

        found.append(engine.answers())

    asking = threading.Thread(target=ask, name="engine-ping", daemon=True)
    asking.start()
    asking.join(within + 1.0)  # the libraries' own loading does not count against the engine
    return found[0] if found else f"no answer within {within:g} s"
