"""`verifier shrink RUN VIOLATION`: the smallest reproduction of a violation, as a folder that runs in seconds."""

from __future__ import annotations

from pathlib import Path

import click
import uvloop

from verifier.cli.interrupt import interruptible
from verifier.cli.options import examples, seconds
from verifier.cli.rehearse import told
from verifier.printable import printable
from verifier.runtime.select import AUTO, RUNTIMES, select
from verifier.shrink.reproduction import Wanted, reproduce


@click.command(epilog=examples("verifier shrink .verifier/checkout-20260102-030405-1a2b 1 --output reproduction"))
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("violation")
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write; by default reproduction-VIOLATION.")
@click.option("--budget", default="5m", show_default=True, help="Time limit for the search, such as 2m.")
@click.option(
    "--tries", default=5, show_default=True, type=click.IntRange(1, 100), help="How often each part is tried."
)
@click.option("--pytest", is_flag=True, help="Also write a test that fails as long as the violation shows.")
@click.option(
    "--runtime",
    "choice",
    type=click.Choice([AUTO, *(kind.name for kind in RUNTIMES)]),
    help="Where versions run; by default as in the run.",
)
@click.pass_context
def shrink(
    context: click.Context,
    run: Path,
    violation: str,
    output: Path | None,
    budget: str,
    tries: int,
    pytest: bool,
    choice: str | None,
) -> None:
    """Find the smallest reproduction of a violation.

    It has the fewest states, exchanges and faults that still show it.

    VIOLATION is an id of `verdict.json`, or the number of a defect in the report. The matrix of the run and its
    programs must still be where they were.

    Exit status: 0 the folder was written and has shown the violation, 2 bad input, 3 nothing has shown it again, 4
    broken environment.
    """
    wanted = Wanted(output, seconds(budget) or 0.0, tries, pytest, choice)
    found = reproduce(run, violation, wanted, select, lambda work: uvloop.run(interruptible(work)), told)
    if found is None:
        click.echo("Nothing has shown the violation again; no folder was written.")
        context.exit(3)
    for sentence in found.told:
        click.echo(printable(sentence))
    click.echo(f"Run it: {found.line}")
