"""`verifier judge RUN`: judges a stored run again. Needs no container engine."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.cli.requested import REPORTS, Requested, write_requested
from verifier.cli.shrinking import shrinking
from verifier.rehearsal.judging import EXIT, judge_again
from verifier.rehearsal.pairs import JudgedPair, has_pairs, judge_pairs_again
from verifier.report import text
from verifier.report.pairs_formats import MERGED


@click.command(epilog=examples("verifier judge .verifier/checkout-20260102-030405-1a2b"))
@click.argument("run", type=click.Path(path_type=Path))
@REPORTS
@click.pass_context
def judge(context: click.Context, run: Path, reports: tuple[Requested, ...]) -> None:
    """Judge a stored run again with the checks of this version.

    The reports in the run directory are rewritten. Exit status: 0 pass, 1 fail, 2 bad input, 3 unknown.
    """
    if has_pairs(run):
        merged = judge_pairs_again(run)
        write_requested(reports, run)
        click.echo(MERGED["text"](merged), nl=False)
        context.exit(EXIT[merged.verdict])
    judgement, history, plan, timing = judge_again(run)
    write_requested(reports, run)
    click.echo(text.render(judgement, history, plan, timing), nl=False)
    for line in shrinking((JudgedPair("", "", run.resolve(), (judgement, history, plan, timing)),)):
        click.echo(line)
    context.exit(EXIT[judgement.verdict])
