"""`verifier run MATRIX`: rehearses a rollout, shows progress, and writes the run directory and the reports."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.cli.options import examples, run_directory, seconds
from verifier.cli.rehearse import Ended, Manner, rehearse, told
from verifier.cli.requested import REPORTS, Requested, check_requested, copy_errors, write_requested
from verifier.cli.sharding import parse_shard, rehearse_shard
from verifier.cli.shrinking import shrinking
from verifier.cli.watching import watching
from verifier.cli.workers import on_workers
from verifier.errors import BadInput, BrokenEnvironment
from verifier.files import read_text
from verifier.rehearsal.broken import write_errors
from verifier.rehearsal.cell_cache import CellCache, default_folder
from verifier.rehearsal.edited_plan import with_plans
from verifier.rehearsal.judging import EXIT
from verifier.rehearsal.prepare import prepare
from verifier.rehearsal.schedule import most_parallel
from verifier.rehearsal.share import Asked
from verifier.rehearsal.specs import unfit
from verifier.report.formats import FORMATS
from verifier.report.pairs_formats import FILES
from verifier.runtime.select import AUTO, RUNTIMES, select


@click.command(
    epilog=examples(
        "verifier run matrices/checkout.yaml",
        "verifier run matrices/checkout.yaml --runtime process --budget 2m --out run",
        "verifier run matrices/checkout.yaml --shard 2/5 --out shard-2",
        "verifier run matrices/checkout.yaml --scheduler tcp://10.0.0.1:8786",
    )
)
@click.argument("matrix", type=click.Path(path_type=Path))
@click.option(
    "--runtime",
    "choice",
    type=click.Choice([AUTO, *(kind.name for kind in RUNTIMES)]),
    default=AUTO,
    show_default=True,
    help="Where versions run; auto takes containers if an engine answers and local processes otherwise.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed; equal seeds give equal plans.")
@click.option("--budget", help="Time limit for replays, such as 2m; overrides the matrix.")
@click.option("--all-pairs", is_flag=True, help="Every upgrade from a version to a later one; overrides the matrix.")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory; by default a new one under .verifier/.")
@click.option(
    "--parallel",
    type=click.IntRange(0, 64),
    default=0,
    help="Paths that run at a time; by default (0) as many as cores and memory allow.",
)
@click.option("--no-cache", is_flag=True, help="Run every path, also where nothing of it has changed.")
@click.option("--shard", metavar="I/N", help="Run one of N shares of the paths, such as 2/5; see `verifier merge`.")
@click.option("--scheduler", metavar="ADDRESS", help="Run the paths on the workers of this Dask scheduler.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    help="Run this plan, which `plan --format json` or `shrink` wrote. Paths and replays may be removed or changed.",
)
@REPORTS
@click.option("--quiet", is_flag=True, help="No progress and no report, only the verdict in a sentence.")
@click.option("--events", type=click.Path(dir_okay=False, path_type=Path), help="File for events as JSON lines.")
@click.option("--share", is_flag=True, help="Let other users read the run directory; by default only you can.")
@click.pass_context
def run(
    context: click.Context,
    matrix: Path,
    choice: str,
    seed: int,
    budget: str | None,
    all_pairs: bool,
    out: Path | None,
    parallel: int,
    no_cache: bool,
    shard: str | None,
    scheduler: str | None,
    plan_file: Path | None,
    reports: tuple[Requested, ...],
    quiet: bool,
    events: Path | None,
    share: bool,
) -> None:
    """Verify a rollout before it happens.

    Exit status: 0 pass, 1 fail, 2 bad input, 3 unknown (something was not tested), 4 broken environment (no verdict).
    A shard has no verdict: 0 says that all of its paths were run, whatever they show.
    """
    which = None if shard is None else parse_shard(shard)
    if which is not None and scheduler is not None:
        raise BadInput.one(
            "--shard", "divides the paths among pipelines, and --scheduler among workers: use one of them"
        )
    say = _nothing if quiet else told
    prepared = prepare(matrix, seed, seconds(budget), say=say, all_pairs=all_pairs)
    asked = Asked(str(matrix.resolve()), str(matrix), seed, seconds(budget), all_pairs, plan_file is not None)
    plan_text = "" if plan_file is None else read_text(plan_file)
    if plan_file is not None:
        prepared = with_plans(prepared, plan_text, str(plan_file))
    for note in dict.fromkeys(note for pair in prepared for note in pair.notes):
        say(f"note: {note}")
    check_requested(reports)
    directory = run_directory(out, prepared[0].matrix.name, share)
    folder = None if no_cache else default_folder()
    cache = None if folder is None else CellCache(folder)
    try:
        with watching(quiet, events) as watch:
            manner = Manner(parallel or most_parallel(), watch, say, cache)
            if scheduler is not None:
                chosen, manner = on_workers(scheduler, choice, manner, asked, plan_text)
            else:
                chosen = select(choice, unfit(prepared[0].whole or prepared[0].matrix))
            if which is not None:
                status = rehearse_shard(prepared, chosen, directory, manner, which, asked, plan_text)
                click.echo(f"shard {shard}: {directory}")
                context.exit(status)
            ended = rehearse(prepared, chosen, directory, manner)
    except BrokenEnvironment as broken:
        if found := write_errors(directory, prepared[0].plan, choice, str(broken)):
            click.echo(found, err=True)
        copy_errors(reports, directory)
        raise
    click.echo("\n".join(ended.report.splitlines()[:1]) + "\n" if quiet else ended.report, nl=False)
    write_requested(reports, directory)
    if not quiet:
        _point_to(ended, directory, len(prepared) > 1)
    if ended.interrupted:
        click.echo("Interrupted; judged as far as it came. Everything that the run started has been removed.", err=True)
    context.exit(ended.interrupted or EXIT[ended.verdict])


def _point_to(ended: Ended, directory: Path, several: bool) -> None:
    """Say how to find the smallest reproduction of each defect, and where everything is."""
    files = ", ".join([*(FILES if several else ()), *(entry.file for entry in FORMATS if entry.file)])
    for line in shrinking(ended.judged):
        click.echo(line)
    click.echo(f"run directory: {directory} ({files}, {ended.folders})")


def _nothing(sentence: str) -> None:
    """Says nothing."""
