"""The `verifier` command. Exit status: 0 pass, 1 fail, 2 bad input, 3 unknown, 4 broken environment.

An internal error ends with 70 (EX_SOFTWARE of sysexits.h), so that no pipeline takes it for a verdict. This module
imports little, and `main` the rest, so that an interrupt while modules are loaded ends like any other.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import click

from verifier.cli.interrupt import INTERRUPTED
from verifier.cli.streams import settle
from verifier.errors import BadInput, BrokenEnvironment, shortage

INTERNAL_ERROR = 70


def main() -> None:
    """Run the command line. Each kind of ending has its own exit status and one clear message."""
    settle()
    try:
        from verifier.cli.commands import cli

        _end(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as exit_:
        _end(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        _end(2)
    except BadInput as error:
        _end(2, *error.lines())
    except BrokenEnvironment as error:
        _end(4, f"The environment broke; no verdict. {error}")
    except (KeyboardInterrupt, click.exceptions.Abort):
        _end(INTERRUPTED, "Interrupted; no verdict. Everything that the run started has been removed.")
    except Exception as error:
        if why := shortage(error):
            _end(4, f"The environment broke; no verdict. {why}")
        with suppress(OSError):
            traceback.print_exc()
        _end(INTERNAL_ERROR, "Internal error in the verifier; no verdict. Please report it.")


def _end(status: int, *messages: str) -> NoReturn:
    """Say why, and end with this status even where nothing can be said, as on a full disk."""
    with suppress(OSError):
        for message in messages:
            click.echo(message, err=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # what waits would fail once more when Python ends, and change the status
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)


if __name__ == "__main__":
    main()
