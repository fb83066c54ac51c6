"""Puts the shards of one plan together into one run directory, as if one run had carried out all of its paths.

What a shard found is confirmed by nobody: a confirmation repeats a replay in its state and in matched controls, at one
time and on one machine. So `Merging` judges the whole history, and repeats what would fail the run where it is merged,
exactly as a run that is not divided does it. Where this is not possible the verdict is `unknown`, because nothing may
fail that was not confirmed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from verifier.checks.judge import judge
from verifier.checks.stopped import UNCONFIRMED
from verifier.checks.verdict import Judgement
from verifier.errors import BadInput, BrokenEnvironment
from verifier.files import exists
from verifier.history.model import History, Note, RunInfo, Timing
from verifier.history.parts import part
from verifier.history.store import HistoryWriter, merge, read, read_value, records
from verifier.plan.confirmation import confirmation
from verifier.plan.model import Path as PlanPath
from verifier.plan.model import Plan
from verifier.rehearsal.cell_cache import CELL, StoredCell, copy_files
from verifier.rehearsal.confirming import targets
from verifier.rehearsal.learned import Learned
from verifier.rehearsal.run_directory import stored_contracts, stored_plan, stored_timing
from verifier.rehearsal.share import Shard, stored_shard

_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Part:
    """One shard in its folder."""

    directory: Path
    shard: Shard


def parts_of(directories: Sequence[Path]) -> tuple[Part, ...]:
    """The shards in these folders, in order. Raises BadInput unless they are all the shards of one plan, each once."""
    found = [Part(directory, stored_shard(directory)) for directory in directories]
    if not found:
        raise BadInput.one("RUN", "names no shard")
    first = found[0]
    by_index: dict[int, Part] = {}
    for entry in found:
        where = entry.directory
        if entry.shard.of != first.shard.of:
            raise BadInput.one(where, f"is {entry.shard.name}, but {first.directory} is {first.shard.name}")
        if entry.shard.digest != first.shard.digest:
            raise BadInput.one(where, f"has another plan than {first.directory}, or other inputs")
        if entry.shard.runtime != first.shard.runtime:
            raise BadInput.one(where, f"ran on {entry.shard.runtime}, but {first.directory} on {first.shard.runtime}")
        if other := by_index.get(entry.shard.index):
            raise BadInput.one(where, f"is {entry.shard.name}, as is {other.directory}")
        by_index[entry.shard.index] = entry
    missing = [f"{index}/{first.shard.of}" for index in range(1, first.shard.of + 1) if index not in by_index]
    if missing:
        raise BadInput.one(first.directory, f"is {first.shard.name}; missing: shard {', '.join(missing)}")
    return tuple(by_index[index] for index in sorted(by_index))


def checked(parts: Sequence[Part]) -> None:
    """Raise BrokenEnvironment if that of a shard broke, and BadInput if one did not come to its end."""
    for entry in parts:
        if entry.shard.reason and entry.shard.broke:
            raise BrokenEnvironment(f"{entry.directory} ({entry.shard.name}): {entry.shard.reason}")
        if entry.shard.reason:
            raise BadInput.one(entry.directory, f"is {entry.shard.name}, and {entry.shard.reason}; run it again")


@dataclass(slots=True)
class Merging:
    """Merges complete `parts` into a run directory, which must exist and be empty."""

    parts: Sequence[Part]
    directory: Path
    known: Learned = field(default_factory=Learned)  # what the controls with all old have taught
    notes: tuple[Note, ...] = ()  # those of the run that belong to no path

    def judged(self) -> tuple[Judgement, History, Plan, tuple[PlanPath, ...]]:
        """Copy everything and judge it. The paths are those that have to confirm what was found.

        The histories stay apart, and the run unfinished, until `finish` or a `Rehearsal.repeat`. Raises BadInput.
        """
        first = self._first
        shutil.copytree(first / "inputs", self.directory / "inputs")
        for name in ("inputs.json", "plan.json"):
            shutil.copyfile(first / name, self.directory / name)
        plan = stored_plan(self.directory)
        for path in plan.paths:
            if not _SAFE.fullmatch(path.id):
                raise BadInput.one(first / "plan.json", f"has a path with the id {path.id!r}")
        ran = [entry for entry in self.parts if entry.shard.paths]
        self.known = Learned.of([found for entry in ran for found in self._copied(entry, plan)])
        self.notes = tuple(dict.fromkeys(note for entry in ran for note in _notes(entry)))
        self._write(self.notes, unfinished=True)
        history = read(self.directory)
        history = structs.replace(history, run=structs.replace(history.run, unfinished=False))
        judgement = judge(history, stored_contracts(self.directory), plan)
        return judgement, history, plan, confirmation(plan, targets(judgement, history, plan))

    def finish(self, unconfirmed: str = "") -> None:
        """Put the histories together. `unconfirmed` says why what was found could not be confirmed."""
        told = (Note("", UNCONFIRMED, unconfirmed),) if unconfirmed else ()
        self._write((*self.notes, *told), unfinished=False)
        merge(self.directory)

    def timing(self) -> Timing:
        """Durations of the shards: that of the longest one, and the sums of their parts."""
        every = [stored_timing(entry.directory) for entry in self.parts]
        return Timing(
            max(timing.total_s for timing in every),
            sum(timing.boot_s for timing in every),
            sum(timing.replay_s for timing in every),
            sum(timing.judge_s for timing in every),
        )

    @property
    def _first(self) -> Path:
        """The folder of the first shard that has run something."""
        return next((entry for entry in self.parts if entry.shard.paths), self.parts[0]).directory

    def _write(self, notes: tuple[Note, ...], unfinished: bool) -> None:
        ran = [entry.directory for entry in self.parts if entry.shard.paths] or [self._first]
        every: list[RunInfo] = [read_value(folder / "history" / "run.json", RunInfo) for folder in ran]
        images = [image for image in every[0].images if all(image in run.images for run in every)]
        run = structs.replace(every[0], at=min(run.at for run in every), images=tuple(images), unfinished=unfinished)
        writer = HistoryWriter(self.directory, run)
        try:
            for note in notes:
                writer.add(note)
        finally:
            writer.close()

    def _copied(self, entry: Part, plan: Plan) -> Iterator[Learned]:
        """Copy the paths that the shard owns; yields what its controls with all old have taught."""
        for number, path in enumerate(plan.paths, 1):
            source = part(entry.directory, number, path.id)
            if path.id not in entry.shard.paths:
                continue
            if not exists(source / CELL) and _ended_early(entry):
                continue
            cell: StoredCell = read_value(source / CELL, StoredCell)
            try:
                copy_files(cell, source, entry.directory, part(self.directory, number, path.id), self.directory)
            except OSError as error:
                raise BadInput.one(source, f"is damaged: {error.strerror or error}") from None
            if path.kind == "control-old":
                yield Learned.restored(cell.learned)


def _notes(entry: Part) -> Iterator[Note]:
    """The notes of a shard that belong to no path, but those on paths that another shard owns."""
    for note in records(entry.directory, Note):
        if note.step or (note.kind == "cached" and note.message.partition(" ")[0] not in entry.shard.paths):
            continue
        if note.kind != "ended-early":
            yield note
    owns_controls = any(name.startswith("control-old") for name in entry.shard.paths)
    if not owns_controls and (why := _ended_early(entry)):
        yield Note("", "ended-early", f"in {entry.shard.name} {why}")


def _ended_early(entry: Part) -> str:
    """Why the shard ended after its first step, or ""."""
    return next((note.message for note in records(entry.directory, Note) if note.kind == "ended-early"), "")
