"""Every command has an example in its help, and the examples are understood; shells complete the commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from verifier.cli.commands import COMMANDS, cli


def walked(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of every command, those of groups within groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from walked(found, (*names, name))
        else:
            yield (*names, name)


def examples(names: tuple[str, ...]) -> list[str]:
    done = CliRunner().invoke(cli, [*names, "--help"])
    assert done.exit_code == 0, done.output
    found = re.search(r"^\s*Examples?:\n((?:\s+.*\n?)+)", done.output, re.MULTILINE)
    return [] if found is None else [line.strip() for line in found[1].splitlines() if line.strip()]


def test_the_walk_meets_every_command() -> None:
    assert {names[0] for names in walked(cli)} == set(COMMANDS)


@pytest.mark.parametrize("names", list(walked(cli)), ids=" ".join)
def test_the_help_of_a_command_has_examples_that_it_understands(names: tuple[str, ...]) -> None:
    lines = examples(names)
    assert lines, f"verifier {' '.join(names)} --help shows no example"
    for line in lines:
        words = shlex.split(line, comments=True)
        while "=" in words[0] and words[0] != "verifier":  # variables of the environment
            words.pop(0)
        assert words[: len(names) + 1] == ["verifier", *names], line
        command: click.Command = cli
        for name in names:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), name)
            assert found is not None
            command = found
        command.make_context(" ".join(names), words[len(names) + 1 :])  # raises if a flag is unknown or missing


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_completes_the_commands(shell: str) -> None:
    code = "from verifier.cli.main import main; main()"
    environment = {**os.environ, "_VERIFIER_COMPLETE": f"{shell}_source"}
    words = [sys.executable, "-c", f"import sys; sys.argv[0] = 'verifier'; {code}"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or shell == "bash", done.stderr  # click asks bash for its version
    assert "_VERIFIER_COMPLETE" in done.stdout
    place = "re" if shell == "fish" else "1"  # fish names the word itself
    environment |= {"_VERIFIER_COMPLETE": f"{shell}_complete", "COMP_WORDS": "verifier re", "COMP_CWORD": place}
    told = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60).stdout
    assert {"report", "record", "redact"} <= set(re.split(r"[\s,]+", told))
