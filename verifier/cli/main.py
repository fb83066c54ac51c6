"""The `verifier` command. Exit status: 0 pass, 1 fail, 2 bad input, 3 unknown, 4 broken environment.

An internal error ends with 70 (EX_SOFTWARE of sysexits.h), so that no pipeline takes it for a verdict. This module
imports little, and `main` the rest, so that an interrupt while modules are loaded ends like any other.
"""

from __future__ import annotations

import sys
import traceback

import click

from verifier.cli.interrupt import INTERRUPTED
from verifier.errors import BadInput, BrokenEnvironment, shortage

INTERNAL_ERROR = 70


def main() -> None:
    """Run the command line. Each kind of ending has its own exit status and one clear message."""
    try:
        from verifier.cli.commands import cli

        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BadInput as error:
        for line in error.lines():
            click.echo(line, err=True)
        sys.exit(2)
    except BrokenEnvironment as error:
        click.echo(f"The environment broke; no verdict. {error}", err=True)
        sys.exit(4)
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("Interrupted; no verdict. Everything that the run started has been removed.", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if why := shortage(error):
            click.echo(f"The environment broke; no verdict. {why}", err=True)
            sys.exit(4)
        traceback.print_exc()
        click.echo("Internal error in the verifier; no verdict. Please report it.", err=True)
        sys.exit(INTERNAL_ERROR)


if __name__ == "__main__":
    main()
