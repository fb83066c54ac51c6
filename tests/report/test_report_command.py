"""`verifier report RUN`: from a stored run to each format."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import report_values as values
from click.testing import CliRunner

from verifier.cli.report import report
from verifier.errors import BadInput
from verifier.history.store import HistoryWriter, write_value
from verifier.rehearsal.run_directory import Inputs


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run directory with no contracts: what is checked then is told from the controls."""
    history = values.history()
    writer = HistoryWriter(tmp_path, history.run)
    for record in (*history.operations, *history.steps, *history.replicas, *history.notes):
        writer.add(record)
    writer.close()
    write_value(tmp_path / "plan.json", values.plan())
    write_value(tmp_path / "inputs.json", Inputs("m.yaml", ()))
    write_value(tmp_path / "timing.json", values.TIMING)
    return tmp_path


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(report, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_every_format_tells_of_the_same_run(stored: Path) -> None:
    before = sorted((file.name, file.stat().st_mtime_ns) for file in stored.iterdir())
    verdict = json.loads(printed(str(stored), "--format", "json"))["verdict"]
    assert printed(str(stored)).startswith(f"{verdict.upper()}  checkout-retry")
    assert printed(str(stored), "--format", "markdown").startswith("## ")
    assert printed(str(stored), "--format", "html").startswith("<!doctype html>")
    assert ElementTree.fromstring(printed(str(stored), "--format", "junit").encode()).get("name") == "checkout-retry"
    assert sorted((file.name, file.stat().st_mtime_ns) for file in stored.iterdir()) == before


def test_a_report_can_go_to_a_file(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "comment.md"
    assert printed(str(stored), "--format", "markdown", "--out", str(out)) == ""
    assert out.read_text(encoding="utf-8") == printed(str(stored), "--format", "markdown")


def test_what_is_no_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a run directory"):
        printed(str(tmp_path))


def test_a_file_that_cannot_be_written_is_bad_input(stored: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        printed(str(stored), "--out", str(stored / "missing" / "report.txt"))
