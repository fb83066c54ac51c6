"""`verifier doctor MATRIX`: what is missing on this machine and in this matrix, before anything starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.errors import BadInput
from verifier.printable import printable
from verifier.rehearsal.examination import Remark, of_inputs, of_machine, runtimes
from verifier.rehearsal.prepare import prepare
from verifier.runtime.select import AUTO, select

_SIGNS = {"ok": "✓", "advice": "!", "missing": "✗"}


@click.command(epilog=examples("verifier doctor matrices/orders.yaml"))
@click.argument("matrix", type=click.Path(path_type=Path))
@click.pass_context
def doctor(context: click.Context, matrix: Path) -> None:
    """Say what is missing on this machine and in a matrix.

    Nothing is started. Exit status: 0 a run can start, 2 bad input, 4 no runtime of this machine can run the matrix.
    """
    try:
        prepared = prepare(matrix, 0, say=lambda sentence: _show(Remark("advice", sentence)))
    except BadInput as error:
        for line in error.lines():
            _show(Remark("missing", line))
        context.exit(2)
    for remark in of_inputs(prepared):
        _show(remark)
    with tempfile.TemporaryDirectory(prefix="verifier-doctor-") as folder:
        found = []
        for remark in of_machine(prepared[0].whole or prepared[0].matrix, Path(folder)):
            _show(remark)
            found.append(remark)
    able = runtimes(found)
    if not able:
        click.echo("No runtime of this machine can run this matrix.")
        context.exit(4)
    flag = "" if select(AUTO).name == able[0] else f" --runtime {able[0]}"
    click.echo(printable(f"Next: verifier run {matrix}{flag}"))


def _show(remark: Remark) -> None:
    about = f"{remark.about}: " if remark.about else ""
    click.echo(printable(f"{_SIGNS[remark.level]} {about}{remark.what}"))
