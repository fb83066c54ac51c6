"""`--help`, `--version` and `plan` answer at once, because they import little. Modules are counted, not seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from tests.cli.small_matrix import VERIFIER, write
from verifier.cli.commands import COMMANDS, Commands, cli

# What takes a tenth of a second each, and only a run, a report or a contract comparison needs.
HEAVY = {"docker", "httpx", "hypothesis", "jinja2", "requests", "rich", "schemathesis", "tabulate", "testcontainers"}
WATCHED = """
import sys
from verifier.cli.main import main
sys.argv = ["verifier", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    print("MODULES", ended.code, *sorted(sys.modules))
"""


def imported(*arguments: str) -> set[str]:
    """The modules in memory at the end of a command that succeeds."""
    done = subprocess.run([sys.executable, "-c", WATCHED, *arguments], capture_output=True, text=True, timeout=60)
    word, status, *modules = done.stdout.splitlines()[-1].split()
    assert (word, status) == ("MODULES", "0"), done.stdout + done.stderr
    return set(modules)


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "verifier"}


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_no_stage(flag: str) -> None:
    modules = imported(flag)
    assert not {name.partition(".")[0] for name in modules} & (HEAVY | {"asyncio", "yaml", "msgspec"})
    assert own(modules) <= {
        "verifier", "verifier.errors", "verifier.cli", "verifier.cli.commands", "verifier.cli.main",
        "verifier.cli.interrupt", "verifier.cli.streams", "verifier.printable",
    }  # fmt: skip


def test_plan_imports_nothing_that_only_a_run_needs(tmp_path: Path) -> None:
    modules = imported("plan", str(write(tmp_path)))
    assert not {name.partition(".")[0] for name in modules} & HEAVY
    assert not {name for name in own(modules) if name.startswith(("verifier.checks", "verifier.report"))}
    assert len(modules) < 500  # 995 before they were imported late
    assert len(own(modules)) < 230


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_listed_with_the_first_sentence_of_its_own_help(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    sentence = command.get_short_help_str(limit=200)
    assert COMMANDS[name].rstrip(".") == sentence.rstrip(".")
    assert f"  verifier {name}" in (command.epilog or ""), "an example stands in every help"


def test_an_unknown_command_is_none() -> None:
    assert isinstance(cli, Commands)
    assert cli.get_command(click.Context(cli), "main") is None  # a module of the package that is no command
    assert import_module("verifier.cli.main")


def test_a_shell_completes_commands() -> None:
    """The name of the variable is in README."""
    asked = {**os.environ, "_VERIFIER_COMPLETE": "bash_complete", "COMP_WORDS": "verifier do", "COMP_CWORD": "1"}
    done = subprocess.run([VERIFIER], env=asked, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["plain,doctor"]
