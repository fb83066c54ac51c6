"""Who is told of the events of a run: people, by a bar, and other tools, by JSON lines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, assert_never

from verifier.cli.rehearse import Watch, progress
from verifier.errors import BadInput
from verifier.rehearsal.events import (
    ConfirmationBegan,
    Doing,
    Emit,
    Event,
    PathBegan,
    PathCached,
    ReplayEnded,
    RunBegan,
    StepBegan,
    StepEnded,
)

SCHEMA = 1


@contextmanager
def watching(quiet: bool, events: Path | None) -> Iterator[Watch]:
    """What makes the consumers of each pair of versions. Raises BadInput if the file of events cannot be written."""
    if events is None:
        yield _silent if quiet else progress
        return
    try:
        file = events.open("wb", buffering=0)
    except OSError as error:
        raise BadInput.one(events, f"cannot be written: {error.strerror or error}", key="--events") from None
    with file:

        @contextmanager
        def both() -> Iterator[Emit]:
            with (_silent if quiet else progress)() as shown:

                def emit(event: Event) -> None:
                    shown(event)
                    _write(file, event)

                yield emit

        yield both


@contextmanager
def _silent() -> Iterator[Emit]:
    yield _ignored


def _ignored(event: Event) -> None:
    """Nobody is told."""


def _write(file: FileIO, event: Event) -> None:
    """One line, at once, so that a tool can follow the run. The run goes on when that tool has gone."""
    line = json.dumps({"schema": SCHEMA, "at": round(time.time(), 3), **values(event)})
    with suppress(BrokenPipeError):
        file.write(f"{line}\n".encode())


def values(event: Event) -> dict[str, Any]:
    """An event as JSON values: its kind, and what tells it from others of its kind."""
    if isinstance(event, RunBegan):
        plan = event.plan
        return {"event": "run-began", "matrix": plan.matrix, "seed": plan.seed, "runtime": event.runtime,
                "why": event.why, "directory": event.directory, "paths": len(plan.paths),
                "steps": len(plan.steps), "replays": sum(len(step.replays) for step in plan.steps)}  # fmt: skip
    if isinstance(event, PathBegan):
        return {"event": "path-began", "path": event.path.id, "steps": len(event.path.steps)}
    if isinstance(event, PathCached):
        return {"event": "path-cached", "path": event.path.id, "ran": event.at}
    if isinstance(event, ConfirmationBegan):
        return {"event": "confirmation-began", "paths": [path.id for path in event.paths]}
    if isinstance(event, StepBegan):
        return {"event": "step-began", "step": event.step.id, "description": event.step.description}
    if isinstance(event, ReplayEnded):
        return {"event": "replay-ended", "step": event.step.id}
    if isinstance(event, StepEnded):
        return {"event": "step-ended", "step": event.step.id, "error": event.error, "seconds": round(event.seconds, 3)}
    if isinstance(event, Doing):
        return {"event": "doing", "what": event.what}
    assert_never(event)
