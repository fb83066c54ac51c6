"""`verifier clean`: removes what a killed run left."""

from __future__ import annotations

import click

from verifier.runtime import cleanup


@click.command(name="clean")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
def clean(runs: tuple[str, ...]) -> None:
    """Remove containers, networks, volumes, processes and folders that killed runs left.

    Without RUN: of every run whose verifier is gone; runs that still go on are left alone. With RUN: of exactly
    these, even while they go on. Works with no container engine: then only local processes and folders.
    """
    result = cleanup.clean(runs)
    for item in result.removed:
        click.echo(f"{item.run}: removed {item.kind} {item.name}" + (f" ({item.id})" if item.kind == "process" else ""))
    for run in result.alive:
        click.echo(f"{run}: left alone, its verifier still runs")
    for run in result.elsewhere:
        click.echo(f"{run}: left alone, it was not started from here; to remove it: verifier clean {run}")
    if result.engine:
        click.echo(f"no container engine was asked: {result.engine}", err=True)
    if not result.removed:
        click.echo("nothing to remove")
