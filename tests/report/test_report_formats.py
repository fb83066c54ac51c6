"""One list of formats: what the command line and the run directory take for granted of it."""

from __future__ import annotations

from click.testing import CliRunner

from verifier.cli.report import report
from verifier.report.formats import FORMATS


def test_names_and_files_are_unique() -> None:
    names, files = [entry.name for entry in FORMATS], [entry.file for entry in FORMATS if entry.file]
    assert len(set(names)) == len(names) > 0
    assert set(files) == {"verdict.json", "report.html", "junit.xml"}
    assert len(files) == 3


def test_the_command_line_offers_every_format() -> None:
    said = CliRunner().invoke(report, ["--help"]).output
    assert f"[{'|'.join(entry.name for entry in FORMATS)}|compatibility]" in said.replace("\n", "")
