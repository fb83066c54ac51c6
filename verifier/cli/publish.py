"""`verifier publish RUN`: what a run has shown goes into the results store."""

from __future__ import annotations

import json
from pathlib import Path

import click

from verifier.cli.gate_options import STORE, opened
from verifier.cli.options import examples
from verifier.gate.evidence import evidence_of
from verifier.printable import printable


@click.command(
    epilog=examples(
        "verifier publish .verifier/checkout-20260102-030405-1a2b",
        "verifier publish run --store postgresql://ci@db/results",
    )
)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print what was published as JSON.")
def publish(runs: tuple[Path, ...], store: str | None, as_json: bool) -> None:
    """Put the results of a run into the results store.

    The run is judged again first. A run that is there already is not stored twice. One that was stopped or could not
    verify something is stored as unknown. Exit status: 0 stored, whatever the verdict, 2 bad input, 4 no
    store or no verdict.
    """
    told = []
    with opened(store, create=True) as results:
        for run in runs:
            evidence = evidence_of(run.resolve())
            new = results.publish(evidence)
            for entry in evidence:
                about = {
                    "run": entry.run,
                    "matrix": entry.matrix,
                    "pair": entry.pair,
                    "verdict": entry.verdict,
                    "new": new,
                }
                told.append(about)
                if not as_json:
                    click.echo(printable(f"{'published' if new else 'already published'}: {entry}: {entry.verdict}"))
    if as_json:
        click.echo(json.dumps(told, indent=2))
