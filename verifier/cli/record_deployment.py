"""`verifier record-deployment SERVICE=VERSION`: what runs where, for `can-deploy`."""

from __future__ import annotations

import click

from verifier.cli.gate_options import ENVIRONMENT, STORE, BuildType, builds, opened
from verifier.cli.options import examples
from verifier.gate.model import live
from verifier.printable import printable


@click.command(
    name="record-deployment",
    epilog=examples(
        "verifier record-deployment orders=2.0 --environment production --started",
        "verifier record-deployment orders=2.0 --environment production --finished",
    ),
)
@click.argument("given", metavar="SERVICE=VERSION...", nargs=-1, required=True, type=BuildType())
@ENVIRONMENT
@click.option("--started", "stage", flag_value="started", help="It now runs beside what was live before.")
@click.option("--finished", "stage", flag_value="finished", default=True, help="It now runs alone. The default.")
@click.option("--removed", "stage", flag_value="removed", help="It no longer runs.")
@STORE
def record_deployment(given: tuple[tuple[str, str, str], ...], environment: str, stage: str, store: str | None) -> None:
    """Record a deployment, so that `can-deploy` knows which versions run side by side.

    Until a deployment is recorded as finished, old and new versions count as live together. A rollback is finished by
    recording the old version.
    """
    with opened(store, create=True) as results:
        results.record(environment, builds(given).items(), stage)
        now = live(results.deployments(environment))
    told = ", ".join(f"{service} {' + '.join(map(str, found))}" for service, found in sorted(now.items()))
    click.echo(printable(f"live in {environment}: {told or 'nothing'}"))
