"""Rehearses a matrix within a test session, and reads stored runs. It imports the whole verifier, so it comes late."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.cli.options import run_directory, seconds
from verifier.cli.rehearse import Manner, rehearse
from verifier.errors import BadInput, BrokenEnvironment
from verifier.pytest_plugin.result import Result, pair_result
from verifier.rehearsal.broken import write_errors
from verifier.rehearsal.events import Emit, Event
from verifier.rehearsal.pairs import load_judged
from verifier.rehearsal.prepare import Prepared, prepare
from verifier.rehearsal.specs import unfit
from verifier.runtime.select import AUTO, select


@dataclass(frozen=True, slots=True)
class Choices:
    """How a matrix is rehearsed. `out` is the run directory; None for a new one under `.verifier/`."""

    runtime: str = AUTO
    seed: int = 0
    budget: str | None = None
    out: Path | None = None


def planned(matrix: Path, choices: Choices, start: bool = True, folder: Path | None = None) -> tuple[Prepared, ...]:
    """The plan of each pair of a matrix. Without `start` no secret is read, and nothing can be run. Raises BadInput."""
    environ = os.environ if start else None
    return prepare(matrix, choices.seed, seconds(choices.budget), environ, folder=folder)


def only(prepared: Sequence[Prepared], pair: tuple[str, str] | None) -> tuple[Prepared, ...]:
    """The plan of one pair, given as old and new version. Raises BadInput if the matrix does not rehearse it."""
    found = tuple(entry for entry in prepared if pair is None or (entry.pair.old, entry.pair.new) == pair)
    if not found:
        known = ", ".join(str(entry.pair) for entry in prepared)
        raise BadInput.one(prepared[0].named, f"rehearses no pair {pair}; it has {known}")
    return found


def rehearsed(prepared: Sequence[Prepared], choices: Choices) -> Result:
    """Run and judge. Raises BadInput, BrokenEnvironment, and KeyboardInterrupt once everything has been removed."""
    directory = run_directory(choices.out, prepared[0].matrix.name, share=False)
    try:
        chosen = select(choices.runtime, unfit(prepared[0].whole or prepared[0].matrix))
        ended = rehearse(prepared, chosen, directory, Manner(1, _silent, lambda sentence: None))
    except BrokenEnvironment as broken:
        write_errors(directory, prepared[0].plan, choices.runtime, str(broken))
        raise
    if ended.interrupted:
        raise KeyboardInterrupt
    return Result(prepared[0].matrix.name, directory, tuple(map(pair_result, ended.judged)))


def stored(directory: Path) -> Result:
    """A run that `verifier run` or an earlier session left, judged again. Raises BadInput, BrokenEnvironment."""
    matrix, pairs = load_judged(directory)
    return Result(matrix, directory, tuple(map(pair_result, pairs)))


def written(declared: Mapping[str, Any], folder: Path) -> Path:
    """A matrix that a test declares as an object, as a file."""
    file = folder / f"{declared.get('matrix', 'matrix')}.yaml"
    file.write_text(json.dumps(declared, indent=2), encoding="utf-8")  # JSON is YAML
    return file


def _ignored(event: Event) -> None:
    """A test session has its own progress."""


@contextmanager
def _silent() -> Iterator[Emit]:
    yield _ignored
