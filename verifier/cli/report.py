"""`verifier report RUN`: renders a stored run as text, Markdown, HTML, JUnit XML or JSON, or its versions as JSON."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.cli.requested import REPORTS, Requested, write_requested
from verifier.errors import BadInput
from verifier.rehearsal.judging import load_and_judge
from verifier.rehearsal.pairs import has_pairs, load_one_pair, load_pairs
from verifier.rehearsal.run_directory import stored_timing
from verifier.report import compatibility_json
from verifier.report.formats import FORMATS
from verifier.report.pairs_formats import MERGED

MATRIX = "compatibility"
RENDERERS = {entry.name: entry.render for entry in FORMATS}


@click.command(epilog=examples("verifier report run --format markdown --out comment.md"))
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "shape", type=click.Choice([*RENDERERS, MATRIX]), default="text", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; by default standard output."
)
@REPORTS
def report(run: Path, shape: str, out: Path | None, reports: tuple[Requested, ...]) -> None:
    """Render a stored run. The format `compatibility` is the matrix of its versions as JSON.

    With --report, any number of files are written and nothing else is printed. The run directory is not changed, and
    the exit status does not depend on the verdict.
    """
    if reports:
        write_requested(reports, run)
        return
    if shape == MATRIX:
        rendered = compatibility_json.render(load_pairs(run, ()) if has_pairs(run) else load_one_pair(run))
    elif has_pairs(run):
        rendered = MERGED[shape](load_pairs(run, (shape,)))
    else:
        judgement, history, plan = load_and_judge(run)
        rendered = RENDERERS[shape](judgement, history, plan, stored_timing(run))
    if out is None:
        click.echo(rendered, nl=False)
        return
    try:
        out.write_text(rendered, encoding="utf-8")
    except OSError as error:
        raise BadInput.one(out, f"cannot be written: {error.strerror or error}", key="--out") from None
