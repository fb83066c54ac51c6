"""Rehearses the pairs of a matrix one after the other, and judges what was run."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import click
import uvloop

from verifier.checks.verdict import Verdict
from verifier.cli.interrupt import Interrupted, interruptible
from verifier.cli.progress import Progress
from verifier.contracts.registry import ContractRegistry
from verifier.errors import BrokenEnvironment, shortage
from verifier.matrix.pairs import safe_name
from verifier.printable import printable
from verifier.rehearsal.broken import write_errors
from verifier.rehearsal.cell_cache import CellCache
from verifier.rehearsal.contracts_only import contracts_only
from verifier.rehearsal.events import Emit
from verifier.rehearsal.judging import judge_new
from verifier.rehearsal.pairs import (
    Index,
    Judged,
    JudgedPair,
    StoredPair,
    merged_run,
    result,
    store_index,
    write_merged,
)
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.remote import Elsewhere
from verifier.rehearsal.run_directory import templates_of
from verifier.rehearsal.templates import Templates, templates
from verifier.rehearsal.walk import Rehearsal
from verifier.report import text
from verifier.report.pairs import ContractsOnly
from verifier.report.pairs_formats import MERGED
from verifier.runtime.select import Selection, make

Watch = Callable[[], AbstractContextManager[Emit]]  # makes the consumer of the events of one pair
Say = Callable[[str], object]  # told what is not an event, such as the pair that begins


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that was judged. `interrupted` is the exit status after a signal, 0 without one."""

    verdict: Verdict
    report: str
    interrupted: int
    folders: str  # of the run directory
    judged: tuple[JudgedPair, ...] = ()


def told(sentence: str) -> None:
    """A sentence for people, on standard error."""
    click.echo(sentence, err=True)


def progress() -> AbstractContextManager[Emit]:
    """Progress for people, on standard error."""
    return Progress(sys.stderr)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a pair is rehearsed: how many paths at a time, who is told of its events, and who of all else.

    `cache` is where its paths are kept for later runs; None if they all run and none is kept. `elsewhere` makes what
    carries out its cells instead of this machine. `templates` are those of stores that several pairs share.
    """

    parallel: int = 1
    watch: Watch = progress
    say: Say = told
    cache: CellCache | None = None
    elsewhere: Callable[[], Elsewhere] | None = None
    templates: Templates | None = None


def rehearse(prepared: Sequence[Prepared], chosen: Selection, directory: Path, manner: Manner | None = None) -> Ended:
    """Rehearse every pair, judge it, and write the reports into an empty folder. Raises BrokenEnvironment.

    A single pair is run in this folder, and several are run in folders below it.
    """
    manner = manner or Manner()
    if len(prepared) > 1:
        with templates(templates_of(directory)) as shared:
            return _pairs(prepared, chosen, directory, replace(manner, templates=shared))
    judged, interrupted = _rehearsed(prepared[0], chosen, directory, manner)
    pair = prepared[0].pair
    every = (JudgedPair(pair.old, pair.new, directory, judged),)
    return Ended(judged[0].verdict, text.render(*judged), interrupted, "history/, logs/", every)


def _pairs(prepared: Sequence[Prepared], chosen: Selection, directory: Path, manner: Manner) -> Ended:
    """One complete run after the other, each on a runtime of its own.

    A pair whose environment breaks has no verdict, and the others are still run. If all break, so does the whole. An
    interrupted pair is judged as far as it came, and the later ones are not run.
    """
    index = index_of(prepared, chosen)
    stored = list(index.pairs)
    results = [result(pair, None) for pair in stored]
    store_index(directory, index)
    interrupted = 0
    every: list[JudgedPair] = []
    for at, entry in enumerate(prepared):
        manner.say(printable(f"pair {entry.pair} ({at + 1} of {len(prepared)})"))
        folder = directory / stored[at].directory
        folder.mkdir(parents=True)
        judged: Judged | None = None
        try:
            judged, interrupted = _rehearsed(entry, chosen, folder, manner)
            stored[at] = replace(stored[at], reason="")
        except BrokenEnvironment as broken:
            manner.say(printable(f"The environment broke; no verdict of {entry.pair}. {broken}"))
            if found := write_errors(folder, entry.plan, chosen.name, str(broken)):
                manner.say(found)
            stored[at] = replace(stored[at], reason=f"the environment broke: {str(broken).partition(chr(10))[0]}")
        except Interrupted as stopped:  # before this pair had begun
            interrupted = stopped.status
        results[at] = result(stored[at], judged)
        every.append(JudgedPair(entry.pair.old, entry.pair.new, folder, judged, stored[at].reason))
        store_index(directory, replace(index, pairs=tuple(stored)))
        if interrupted:
            break
    if not interrupted and all(entry.document is None for entry in results):
        raise BrokenEnvironment(f"no pair could be run; of {results[0]}, {results[0].reason}")
    run = merged_run(index, tuple(results))
    write_merged(directory, run)
    return Ended(run.verdict, MERGED["text"](run), interrupted, "pairs/", tuple(every))


def index_of(prepared: Sequence[Prepared], chosen: Selection) -> Index:
    """The pairs of a run before they are run."""
    plan = prepared[0].plan
    asked = [entry.pair for entry in prepared]
    stored = tuple(StoredPair(pair.old, pair.new, pair.name, attempt=pair.attempt) for pair in asked)
    unrun = tuple(_contracts_only(prepared))
    return Index(plan.matrix, plan.seed, chosen.name, plan.tool, prepared[0].versions, stored, unrun)


def _contracts_only(prepared: Sequence[Prepared]) -> Iterator[ContractsOnly]:
    """What the contracts say of pairs that are not run."""
    whole = prepared[0].whole
    if whole is not None:
        registry = ContractRegistry(tuple(entry for item in prepared for entry in item.registry.entries))
        yield from contracts_only(whole, [item.pair for item in prepared], registry)


def _rehearsed(prepared: Prepared, chosen: Selection, directory: Path, manner: Manner) -> tuple[Judged, int]:
    """Run and judge one pair in an empty folder. The number is the exit status after a signal, 0 without one.

    Raises BrokenEnvironment, also if the machine has run out of something or the folder cannot be written, and
    Interrupted if nothing had begun.
    """
    with shortages(directory):
        return _rehearse(prepared, chosen, directory, manner)


@contextmanager
def shortages(directory: Path) -> Iterator[None]:
    """What the machine runs out of in the block, or cannot write below the folder, is a BrokenEnvironment."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        if why := shortage(error):
            raise BrokenEnvironment(why) from error
        file = getattr(error, "filename", None)
        if isinstance(file, str | PathLike) and directory in Path(file).parents:
            raise BrokenEnvironment(f"{file}: {error}") from error
        raise


def _rehearse(prepared: Prepared, chosen: Selection, directory: Path, manner: Manner) -> tuple[Judged, int]:
    rehearsal, interrupted = carry_out(prepared, chosen, directory, manner, Rehearsal.run)
    return judge_new(directory, rehearsal.timing, judged=None if interrupted else rehearsal.judged), interrupted


def carry_out(
    prepared: Prepared,
    chosen: Selection,
    directory: Path,
    manner: Manner,
    work: Callable[[Rehearsal], Coroutine[Any, Any, object]],
    share: Collection[str] | None = None,
) -> tuple[Rehearsal, int]:
    """Do the work of a rehearsal on a runtime of its own. The number is the exit status after a signal, 0 without one.

    Raises BrokenEnvironment, and Interrupted if nothing had begun.
    """
    runtime = (
        manner.elsewhere()
        if manner.elsewhere is not None
        else make(chosen.name, f"{safe_name(prepared.matrix.name)[:20]}-{secrets.token_hex(4)}", directory)
    )
    interrupted = 0
    with manner.watch() as emit:
        rehearsal = Rehearsal(
            prepared,
            runtime,
            chosen.reason,
            directory,
            emit,
            parallel=manner.parallel,
            cache=manner.cache,
            share=share,
            templates=manner.templates,
        )
        try:
            uvloop.run(interruptible(work(rehearsal)))
        except Interrupted as stopped:
            interrupted = stopped.status
            if not (directory / "history" / "run.json").is_file():
                raise
    return rehearsal, interrupted
