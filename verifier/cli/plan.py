"""`verifier plan MATRIX`: prints the plan and its coverage. Needs no container engine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
import msgspec

from verifier.cli.options import examples, seconds
from verifier.plan.render import render_pairs
from verifier.printable import printable
from verifier.rehearsal.prepare import prepare


@click.command(epilog=examples("verifier plan matrices/checkout.yaml --replays"))
@click.argument("matrix", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Random seed; equal seeds give equal plans.")
@click.option("--budget", help="Time limit for replays, such as 2m; overrides the matrix.")
@click.option("--all-pairs", is_flag=True, help="Every upgrade from a version to a later one; overrides the matrix.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--replays", is_flag=True, help="List every replay with its route and fault.")
def plan(matrix: Path, seed: int, budget: str | None, all_pairs: bool, shape: str, replays: bool) -> None:
    """Print what `run` would do: every path, step, replay and fault, of each pair of versions.

    Nothing is started and no container engine is needed.
    """
    say = partial(click.echo, err=True)
    prepared = prepare(matrix, seed, seconds(budget), environ=None, say=say, all_pairs=all_pairs)
    for note in dict.fromkeys(note for entry in prepared for note in entry.notes):
        click.echo(f"note: {note}", err=True)
    if shape == "json":
        pairs = [
            {"old": entry.pair.old, "new": entry.pair.new, "name": entry.pair.name, "plan": entry.plan}
            for entry in prepared
        ]
        value = {"pairs": pairs} if len(pairs) > 1 else prepared[0].plan
        click.echo(msgspec.json.format(msgspec.json.encode(value)))
        return
    plans = [(printable(str(entry.pair)), entry.plan) for entry in prepared]
    click.echo(render_pairs(plans, replays=replays), nl=False)
