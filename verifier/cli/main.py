"""The `verifier` command. Exit status: 0 pass · 1 fail · 2 bad input · 3 unknown · 4 the environment broke.

A mistake of the verifier's own ends with 70 (EX_SOFTWARE of sysexits.h), so that it is never taken for a verdict.
"""

from __future__ import annotations

import sys
import traceback

import click

from verifier import __version__
from verifier.cli.clean import clean
from verifier.cli.contract import contract
from verifier.cli.interrupt import INTERRUPTED
from verifier.cli.judge import judge
from verifier.cli.plan import plan
from verifier.cli.record import record
from verifier.cli.report import report
from verifier.cli.run import run
from verifier.errors import BadInput, BrokenEnvironment

OWN_MISTAKE = 70


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verifier")
def cli() -> None:
    """Rehearses a rollout: old and new versions side by side, recorded traffic with faults, a verdict."""


for command in (plan, run, judge, report, record, contract, clean):
    cli.add_command(command)


def main() -> None:
    """Runs the command line; every way to end has its own exit status and one clear message."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BadInput as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(2)
    except BrokenEnvironment as error:
        click.echo(f"the environment broke, so there is no verdict: {error}", err=True)
        sys.exit(4)
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("interrupted: nothing was judged, everything that ran was removed", err=True)
        sys.exit(INTERRUPTED)
    except Exception:
        traceback.print_exc()
        click.echo("this is a mistake of the verifier's own, and no verdict", err=True)
        sys.exit(OWN_MISTAKE)


if __name__ == "__main__":
    main()
