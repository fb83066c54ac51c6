"""`verifier open RUN`: shows the HTML report of a run in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.errors import BadInput
from verifier.files import is_file
from verifier.printable import printable

REPORT = "report.html"


@click.command(epilog=examples("verifier open .verifier/checkout-20260102-030405-1a2b"))
@click.argument("run", type=click.Path(path_type=Path))
def open(run: Path) -> None:
    """Open the HTML report of a run in the browser. Without a browser, its path is printed and nothing else happens.

    Exit status: 0, or 2 if the run has no report.
    """
    file = (run / REPORT).resolve()
    if not is_file(file):
        raise BadInput.one(run, f"has no {REPORT}; `verifier judge {run}` writes it, if it is a run directory")
    if _has_browser() and webbrowser.open(file.as_uri()):
        click.echo(f"opened {printable(str(file))}", err=True)
    else:
        click.echo(printable(str(file)))


def _has_browser() -> bool:
    """Whether there is a browser with a window. One that runs in the terminal would take it over."""
    windows = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if not windows and not os.environ.get("BROWSER"):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
