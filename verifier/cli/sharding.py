"""`--shard 2/5`: carries out one share of the paths of all pairs of a matrix. `verifier merge` judges them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from verifier.cli.rehearse import Manner, carry_out, index_of, shortages
from verifier.errors import BadInput, BrokenEnvironment
from verifier.history.store import write_value
from verifier.printable import printable
from verifier.rehearsal.pairs import store_index
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.run_directory import keep_inputs
from verifier.rehearsal.share import Asked, Shard, digest, shares, store_shard
from verifier.rehearsal.walk import Rehearsal
from verifier.runtime.select import Selection

MOST = 1000
PLAN_FILE = "plan-file.json"  # a copy of what `--plan` named, in a shard


def parse_shard(text: str) -> tuple[int, int]:
    """The number of a shard, from 1, and how many there are. Raises BadInput."""
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    index, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= of <= MOST:
        raise BadInput.one("--shard", f"must be a shard and how many there are, such as 2/5, not {text!r}")
    return index, of


def rehearse_shard(
    prepared: Sequence[Prepared],
    chosen: Selection,
    directory: Path,
    manner: Manner,
    which: tuple[int, int],
    asked: Asked,
    plan: str = "",
) -> int:
    """Carry out the paths of a shard, in an empty folder. Returns the exit status after a signal, 0 without one.

    `plan` is the text of a file with plans, or empty.

    Raises BrokenEnvironment. Nothing is judged.
    """
    index, of = which
    mine = shares([entry.plan for entry in prepared], of)[index - 1]
    folders = [directory]
    if len(prepared) > 1:
        pairs = index_of(prepared, chosen)
        store_index(directory, pairs)
        folders = [directory / pair.directory for pair in pairs.pairs]
    for entry, paths, folder in zip(prepared, mine, folders, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        shard = Shard(index, of, digest(entry), chosen.name, asked, paths)
        store_shard(folder, shard)
        if plan:
            (folder / PLAN_FILE).write_text(plan, encoding="utf-8")
        manner.say(printable(f"{shard.name} of {entry.pair}: {', '.join(paths) or 'no path'}"))
        if not paths:
            keep_inputs(folder, entry)
            write_value(folder / "plan.json", entry.plan)
            store_shard(folder, replace(shard, reason=""))
            continue
        try:
            with shortages(folder):
                rehearsal, interrupted = carry_out(entry, chosen, folder, manner, Rehearsal.run, paths)
        except BrokenEnvironment as broken:
            store_shard(folder, replace(shard, reason=f"the environment broke: {broken}", broke=True))
            raise
        write_value(folder / "timing.json", rehearsal.timing)
        if interrupted:
            return interrupted
        store_shard(folder, replace(shard, reason=""))
    return 0
