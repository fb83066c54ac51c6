"""`verifier doctor MATRIX`: what is missing on this machine and in this matrix, before anything starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.errors import BadInput, Problem
from verifier.located import NO_SUCH_FILE
from verifier.matrix.model import Matrix
from verifier.printable import printable
from verifier.rehearsal.examination import Remark, of_inputs, of_machine, runtimes
from verifier.rehearsal.prepare import prepare, without_traffic
from verifier.rehearsal.specs import unfit
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
        if all(problem.key.endswith(".recording") for problem in error.problems):
            _not_recorded(matrix, error.problems[0])
        context.exit(2)
    for remark in of_inputs(prepared):
        _show(remark)
    whole = prepared[0].whole or prepared[0].matrix
    able = runtimes(_machine(whole))
    if not able:
        click.echo("No runtime of this machine can run this matrix.")
        context.exit(4)
    flag = "" if select(AUTO, unfit(whole)).name == able[0] else f" --runtime {able[0]}"
    click.echo(printable(f"Next: verifier run {matrix}{flag}"))


def _machine(matrix: Matrix) -> list[Remark]:
    """Show what this machine can run of a matrix."""
    found = []
    with tempfile.TemporaryDirectory(prefix="verifier-doctor-") as folder:
        for remark in of_machine(matrix, Path(folder)):
            _show(remark)
            found.append(remark)
    return found


def _not_recorded(file: Path, problem: Problem) -> None:
    """Everything else can be looked at before there is a recording, and the way to one is a command."""
    try:
        matrix = without_traffic(file)
    except BadInput:
        return
    _machine(matrix)
    service = next((entry for entry in matrix.services if entry.serves and entry.new is not entry.old), None)
    if service is not None and problem.message.startswith(NO_SUCH_FILE):
        out = problem.message.removeprefix(NO_SUCH_FILE)
        command = f"verifier record --listen 127.0.0.1:9000 --to http://127.0.0.1:{service.port} --as {service.name}"
        click.echo(f"Next: record real traffic. Start what runs today, with the address of {service.name} after --to:")
        click.echo(printable(f"  {command} --out {out}"))


def _show(remark: Remark) -> None:
    about = f"{remark.about}: " if remark.about else ""
    click.echo(printable(f"{_SIGNS[remark.level]} {about}{remark.what}"))
