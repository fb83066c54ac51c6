"""The list of runtimes, and the selection of one for a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import Runtime

ANSWERS_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class RuntimeKind:
    """One entry of the list. The module of a runtime is imported on demand, because engine libraries load slowly.

    `make` returns a runtime that is not open yet, for a run id and a run directory. `problem` says why the runtime
    cannot be used on this machine, and returns None if it can. `usable` and `unusable` describe the two cases.
    """

    name: str
    make: Callable[[str, Path], Runtime]
    problem: Callable[[], str | None]
    usable: str
    unusable: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected runtime. `reason` is shown to the user."""

    name: str
    reason: str


def _docker(run_id: str, directory: Path) -> Runtime:
    from verifier.runtime.docker import DockerRuntime

    return DockerRuntime(run_id, directory)


def _process(run_id: str, directory: Path) -> Runtime:
    from verifier.runtime.process import ProcessRuntime

    return ProcessRuntime(run_id, directory)


def _engine_problem() -> str | None:
    """None if an engine answers, otherwise the reason. Runs in a thread, because a DNS lookup has no time limit."""
    found: list[str | None] = []

    def ask() -> None:
        from verifier.runtime import engine

        found.append(engine.answers())

    asking = threading.Thread(target=ask, name="engine-ping", daemon=True)
    asking.start()
    asking.join(ANSWERS_WITHIN + 1.0)  # importing the libraries does not count as time of the engine
    return found[0] if found else f"no answer within {ANSWERS_WITHIN:g} s"


# In the order in which `auto` tries them. A new runtime is one module and one entry here.
RUNTIMES: tuple[RuntimeKind, ...] = (
    RuntimeKind("docker", _docker, _engine_problem, "a container engine answers", "no container engine answers"),
    RuntimeKind("process", _process, lambda: None, "this machine runs processes", "this machine runs no processes"),
)
AUTO = "auto"


def select(choice: str, unfit: Mapping[str, str] | None = None) -> Selection:
    """Select the runtime of this name; for `auto`, the first usable one. Runtimes after it are not checked.

    `unfit` says of runtimes, by name, why the matrix cannot run there: `auto` does not take those.

    Raises BrokenEnvironment if the requested runtime cannot be used.
    """
    if choice != AUTO:
        kind = _named(choice)
        problem = kind.problem()
        if problem is not None:
            raise BrokenEnvironment(f"--runtime {choice} was requested, but {kind.unusable}: {problem}")
        return Selection(choice, "requested")
    refused: list[str] = []
    for kind in RUNTIMES:
        if unfit and kind.name in unfit:
            refused.append(unfit[kind.name])
            continue
        problem = kind.problem()
        if problem is None:
            return Selection(kind.name, "; ".join(refused) or kind.usable)
        refused.append(f"{kind.unusable}: {problem}")
    raise BrokenEnvironment(f"no runtime can be used: {'; '.join(refused)}")


def make(name: str, run_id: str, directory: Path) -> Runtime:
    """A runtime that is not open yet."""
    return _named(name).make(run_id, directory)


def _named(name: str) -> RuntimeKind:
    return next(kind for kind in RUNTIMES if kind.name == name)
