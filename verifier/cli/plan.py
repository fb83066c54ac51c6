"""`verifier plan MATRIX`: prints the plan and its coverage. Needs no container engine."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from verifier.cli.run import seconds
from verifier.plan.render import render
from verifier.rehearsal.prepare import prepare


@click.command()
@click.argument("matrix", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Random seed; equal seeds give equal plans.")
@click.option("--budget", help="Time limit for replays, such as 2m; overrides the matrix.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--replays", is_flag=True, help="List every replay with its route and fault.")
def plan(matrix: Path, seed: int, budget: str | None, shape: str, replays: bool) -> None:
    """Print what `run` would do: every path, step, replay and fault.

    Nothing is started and no container engine is needed.
    """
    prepared = prepare(matrix, seed, seconds(budget), environ=None)
    for note in prepared.notes:
        click.echo(f"note: {note}", err=True)
    made = prepared.plan
    if shape == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(made)).decode())
    else:
        click.echo(render(made, replays=replays), nl=False)
