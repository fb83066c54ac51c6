"""All commands of `verifier`, in the order in which they are listed."""

from __future__ import annotations

import click

from verifier import __version__
from verifier.cli.clean import clean
from verifier.cli.contract import contract
from verifier.cli.judge import judge
from verifier.cli.plan import plan
from verifier.cli.record import record
from verifier.cli.redact import redact
from verifier.cli.report import report
from verifier.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verifier")
def cli() -> None:
    """Rehearse a rollout: run old and new versions side by side and replay recorded traffic with faults."""


for command in (plan, run, judge, report, record, redact, contract, clean):
    cli.add_command(command)
