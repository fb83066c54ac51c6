"""`--report FORMAT=FILE`: what is asked for wrongly is bad input, and a run without a verdict writes what it can."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.cli.small_matrix import verifier, write
from verifier.report.formats import FORMATS

NO_ENGINE = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1"}


@pytest.mark.parametrize("wrong", ["junit", "junit=", "nothing=x", "=x"])
def test_what_names_no_format_or_no_file_is_bad_input(tmp_path: Path, wrong: str) -> None:
    done = verifier("run", write(tmp_path), "--report", wrong)
    assert done.returncode == 2
    assert "must be FORMAT=FILE with one of text, markdown, html, junit, json, github, gitlab, sarif" in done.stderr
    assert [entry.name for entry in FORMATS][-3:] == ["github", "gitlab", "sarif"]


def test_a_broken_environment_is_an_error_in_the_reports(tmp_path: Path) -> None:
    done = verifier(
        "run", write(tmp_path), "--runtime", "docker", "--out", tmp_path / "run", "--quiet",
        "--report", f"junit={tmp_path}/junit.xml", "--report", "github=-", environment=NO_ENGINE,
    )  # fmt: skip
    assert done.returncode == 4
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (root.get("errors"), root.get("failures")) == ("1", "0")
    assert done.stdout.startswith("::error title=no verdict::the environment broke: --runtime docker was requested")
    assert done.stderr.startswith("The environment broke; no verdict.")


@pytest.mark.parametrize(
    ("file", "why"),
    [("missing/x", "No such file"), (".", "Is a directory"), ("words.har/x", "Not a directory"),
     ("n" * 300, "File name too long"), ("loop", "Too many levels of symbolic links")],
)  # fmt: skip
def test_a_report_that_could_not_be_written_at_the_end_is_told_before_anything_starts(
    tmp_path: Path, file: str, why: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    done = verifier("run", write(tmp_path), "--runtime", "process", "--out", tmp_path / "run", "--report", "text=-",
                    "--report", f"junit={tmp_path / file}")  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"--report: cannot be written: {why}" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_file_of_events_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    done = verifier("run", write(tmp_path), "--runtime", "process", "--out", tmp_path / "run",
                    "--events", tmp_path / "missing" / "events")  # fmt: skip
    assert done.returncode == 2
    assert "--events: cannot be written: No such file" in done.stderr
