"""Merges the shards of each pair of versions, and confirms what they found where that is possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from verifier.cli.rehearse import Manner, carry_out, shortages
from verifier.cli.sharding import PLAN_FILE
from verifier.errors import BadInput, BrokenEnvironment
from verifier.files import read_text
from verifier.history.model import Timing
from verifier.history.store import read_value
from verifier.rehearsal.edited_plan import with_plans
from verifier.rehearsal.judging import judge_new
from verifier.rehearsal.merging import Merging, Part
from verifier.rehearsal.pairs import INDEX, Index, Judged, has_pairs
from verifier.rehearsal.prepare import Prepared, prepare
from verifier.rehearsal.share import digest
from verifier.runtime.select import Selection, select


def index_of_shards(runs: Sequence[Path]) -> Index | None:
    """The pairs of versions that the shards have in common; None if they have a single one. Raises BadInput."""
    indexes = [read_value(run / INDEX, Index) if has_pairs(run) else None for run in runs]
    first: Index | None = indexes[0]
    for run, index in zip(runs, indexes, strict=True):
        if index != first:
            raise BadInput.one(run, f"has other pairs of versions than {runs[0]}")
    return first and replace(first, pairs=tuple(replace(pair, reason="") for pair in first.pairs))


@dataclass(slots=True)
class Confirmer:
    """Repeats what shards found, with the matrix that they were run with."""

    matrix: Path
    manner: Manner
    _prepared: tuple[Prepared, ...] = ()

    def ready(self, part: Part) -> tuple[Prepared, Selection]:
        """What the shard was run with, and its runtime. Raises BadInput and BrokenEnvironment if they are not here."""
        shard, asked = part.shard, part.shard.asked
        if not self._prepared:
            self._prepared = prepare(
                self.matrix, asked.seed, asked.budget, say=self.manner.say, all_pairs=asked.all_pairs
            )
            if asked.edited:
                file = part.directory / PLAN_FILE
                self._prepared = with_plans(self._prepared, read_text(file), str(file))
        for entry in self._prepared:
            if digest(entry) == shard.digest:
                return entry, select(shard.runtime)
        raise BadInput.one(self.matrix, "is not as it was when the shards were run, or its recordings or contracts are")


def merged(parts: Sequence[Part], directory: Path, confirmer: Confirmer) -> tuple[Judged, int]:
    """Merge the shards of one pair into a folder, and judge them. The number is the exit status after a signal.

    Raises BadInput, and BrokenEnvironment if the environment breaks while what was found is repeated.
    """
    directory.mkdir(parents=True, exist_ok=True)
    merging = Merging(parts, directory)
    judgement, history, plan, paths = merging.judged()
    timing = merging.timing()
    if not paths:
        merging.finish()
        return judge_new(directory, timing, judged=(judgement, history, plan)), 0
    try:
        prepared, chosen = confirmer.ready(parts[0])
    except (BadInput, BrokenEnvironment) as error:
        merging.finish(f"what was found could not be confirmed here: {error}")
        return judge_new(directory, timing), 0
    with shortages(directory):
        rehearsal, interrupted = carry_out(
            prepared, chosen, directory, confirmer.manner, lambda run: run.repeat(paths, merging.known, merging.notes)
        )
    took = rehearsal.timing
    sums = {name: getattr(timing, name) + getattr(took, name) for name in Timing.__struct_fields__}
    return judge_new(directory, structs.replace(timing, **sums)), interrupted
