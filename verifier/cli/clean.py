"""`verifier clean`: removes what a killed run left behind."""

from __future__ import annotations

import click

from verifier.cli.options import examples
from verifier.runtime import cleanup


@click.command(name="clean", epilog=examples("verifier clean"))
@click.argument("runs", metavar="[RUN]...", nargs=-1)
def clean(runs: tuple[str, ...]) -> None:
    """Remove the containers, networks, volumes, processes and folders that killed runs left behind.

    Without RUN, the command cleans up after every run whose verifier has ended, and skips runs that are still active.
    With RUN, it removes exactly these runs, active or not. Without a container engine it removes local processes and
    folders only.
    """
    result = cleanup.clean(runs)
    for item in result.removed:
        click.echo(f"{item.run}: removed {item.kind} {item.name}" + (f" ({item.id})" if item.kind == "process" else ""))
    for run in result.alive:
        click.echo(f"{run}: skipped, its verifier is still running")
    for run in result.elsewhere:
        click.echo(f"{run}: skipped, it was not started on this machine; to remove it: verifier clean {run}")
    if result.engine:
        click.echo(f"no container engine was searched: {result.engine}", err=True)
    if not result.removed:
        click.echo("nothing to remove")
