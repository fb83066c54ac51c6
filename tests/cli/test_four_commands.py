"""README's way from a Compose file and a recording to a verdict: its commands are taken from there and run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from verifier.cli.commands import cli

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q -e ."


def lines() -> list[str]:
    section = (ROOT / "README.md").read_text().partition("## From a Compose file and a recording to a verdict")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def test_there_are_four_commands_which_are_understood() -> None:
    first, *rest = lines()
    assert (first, len(rest)) == (INSTALL, 3)
    for line in rest:
        program, name, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), name)
        assert program == ".venv/bin/verifier" and command is not None
        command.make_context(name, words)


@pytest.mark.docker
@pytest.mark.slow
def test_the_commands_of_the_readme_find_the_unsafe_release_in_a_fresh_clone(tmp_path: Path) -> None:
    """All but the installation, in whose place stands the environment of the tests."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    (clone / ".venv").mkdir()
    (clone / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    statuses = []
    for line in lines()[1:]:
        done = subprocess.run(["bash", "-c", line], cwd=clone, capture_output=True, text=True, timeout=500)
        statuses.append(done.returncode)
        assert done.returncode in (0, 1), done.stderr
    assert statuses == [0, 0, 1]
    (stored,) = (clone / ".verifier").glob("orders-*/verdict.json")
    told = json.loads(stored.read_text())
    first = told["violations"][0]
    assert (told["verdict"], first["guarantee"], first["attribution"]) == ("fail", "idempotent", "mixed")
