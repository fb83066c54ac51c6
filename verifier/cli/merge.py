"""`verifier merge RUN…`: puts the shards of a run together, confirms what they found, and judges the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from verifier.cli.merged_pairs import Confirmer, index_of_shards, merged
from verifier.cli.options import examples, run_directory
from verifier.cli.rehearse import Manner, told
from verifier.cli.requested import REPORTS, Requested, write_requested
from verifier.cli.watching import watching
from verifier.rehearsal.judging import EXIT
from verifier.rehearsal.merging import checked, parts_of
from verifier.rehearsal.pairs import INTERRUPTED, Judged, merged_run, result, store_index, write_merged
from verifier.rehearsal.run_directory import stored_plan
from verifier.rehearsal.schedule import most_parallel
from verifier.report import text
from verifier.report.pairs_formats import MERGED


@click.command(epilog=examples("verifier merge shard-1 shard-2 shard-3 --out run"))
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    "--output",
    type=click.Path(path_type=Path),
    help="Run directory; by default a new one under .verifier/.",
)
@click.option(
    "--matrix",
    type=click.Path(path_type=Path),
    help="The matrix of the shards, to confirm what they found; by default the file that they were run with.",
)
@click.option("--parallel", type=click.IntRange(0, 64), default=0, help="As of `run`, for the confirmation.")
@REPORTS
@click.option("--quiet", is_flag=True, help="No progress and no report, only the verdict in a sentence.")
@click.option("--share", is_flag=True, help="Let other users read the run directory; by default only you can.")
@click.pass_context
def merge(
    context: click.Context,
    runs: tuple[Path, ...],
    out: Path | None,
    matrix: Path | None,
    parallel: int,
    reports: tuple[Requested, ...],
    quiet: bool,
    share: bool,
) -> None:
    """Put the shards of a run together and judge them.

    RUN are the directories that `verifier run --shard` wrote: all shards of one plan. What they found is repeated here
    before the run may fail, as in a run that is not divided; this needs the runtime of the shards. Where that is not
    possible, the verdict is unknown.

    Exit status: 0 pass, 1 fail, 2 bad input (such as a missing shard), 3 unknown, 4 broken environment (no verdict).
    """
    index = index_of_shards(runs)
    names = [pair.directory for pair in index.pairs] if index is not None else ["."]
    every = [parts_of([run / name for run in runs]) for name in names]
    for parts in every:
        checked(parts)
    asked = every[0][0].shard.asked
    directory = run_directory(out, stored_plan(every[0][0].directory).matrix, share)
    with watching(quiet, None) as watch:
        manner = Manner(parallel or most_parallel(), watch, (lambda sentence: None) if quiet else told, None)
        confirmer = Confirmer(matrix or Path(asked.matrix), manner)
        judged: list[Judged] = []
        interrupted = 0
        for name, parts in zip(names, every, strict=True):
            found, interrupted = merged(parts, directory / name, confirmer)
            judged.append(found)
            if interrupted:
                break
    if index is None:
        report, verdict = text.render(*judged[0]), judged[0][0].verdict
    else:
        unmerged = [None] * (len(names) - len(judged))
        pairs = (
            *index.pairs[: len(judged)],
            *(replace(pair, reason=INTERRUPTED) for pair in index.pairs[len(judged) :]),
        )
        index = replace(index, pairs=pairs)
        results = tuple(map(result, pairs, [*judged, *unmerged]))
        whole = merged_run(index, results)
        store_index(directory, index)
        write_merged(directory, whole)
        report, verdict = MERGED["text"](whole), whole.verdict
    write_requested(reports, directory)
    click.echo("\n".join(report.splitlines()[:1]) + "\n" if quiet else report, nl=False)
    if not quiet:
        click.echo(f"run directory: {directory}")
    context.exit(interrupted or EXIT[verdict])
