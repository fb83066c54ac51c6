"""Removes what killed runs left behind, on this machine and on the engine. `verifier clean` uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine
from verifier.runtime import leftovers as sweep
from verifier.runtime.leftovers import Leftover

_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was removed. `alive` and `elsewhere` are skipped runs; `engine` says why no engine was searched, or ""."""

    removed: tuple[Leftover, ...]
    alive: tuple[str, ...]
    elsewhere: tuple[str, ...]
    engine: str


def find() -> tuple[list[Leftover], str]:
    """Everything with the label of any run, and why the engine could not be searched ("" if it was)."""
    found = sweep.processes() + sweep.folders()
    problem = engine.answers()
    if problem is None:
        with engine.connected() as client:
            found += engine.leftovers(client)
    return sorted(found, key=lambda item: (item.run, item.kind, item.id)), problem or ""


def state(items: Sequence[Leftover]) -> bool | None:
    """Whether the verifier of one run is alive; None if this machine cannot know."""
    answers = {item.owner.alive() for item in items if item.owner is not None}
    if True in answers:
        return True
    return False if answers == {False} else None


def clean(named: Sequence[str] = ()) -> Cleaned:
    """Clean up after the named runs, alive or not. Without names, after every run whose verifier has ended."""
    found, problem = find()
    runs: dict[str, list[Leftover]] = {}
    for item in found:
        runs.setdefault(item.run, []).append(item)
    states = {run: state(items) for run, items in runs.items()}
    chosen = [run for run in runs if run in named] if named else [run for run in runs if states[run] is False]
    removed = [item for run in chosen for item in _remove(run, not problem)]
    left = () if named else tuple(runs)
    return Cleaned(
        tuple(dict.fromkeys(removed)),
        tuple(run for run in left if states[run] is True),
        tuple(run for run in left if states[run] is None),
        problem,
    )


def _remove(run: str, with_engine: bool) -> list[Leftover]:
    removed = sweep.until_quiet([lambda: sweep.kill_processes(run)], 0.0, _LIMIT)
    if with_engine:
        try:
            with engine.connected() as client:
                removed += sweep.until_quiet([lambda: engine.sweep(client, run)], 0.0, _LIMIT)
        except engine.FAILURES as error:
            raise BrokenEnvironment(f"run {run}: the engine failed: {engine.reason(error)}") from None
    return removed + sweep.remove_folder(run)
