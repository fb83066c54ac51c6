"""Data flows one way: the rules of `.importlinter`, held by a test, and a proof that each of them can be broken."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / ".importlinter"
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

# One import that each rule forbids: the rule's id, the module that must not import, the module that it must not.
FORBIDDEN = (
    ("history", "history/model.py", "verifier.plan.model"),
    ("contracts", "contracts/model.py", "verifier.matrix.model"),
    ("matrix", "matrix/parse.py", "verifier.runtime.process"),
    ("plan", "plan/planner.py", "verifier.replay.session"),
    ("checks", "checks/available.py", "verifier.gateway.gateway"),
    ("report", "report/evidence.py", "verifier.rehearsal.walk"),
    ("runtime", "runtime/ports.py", "verifier.history.store, verifier.plan.model"),
    ("http", "http/client.py", "verifier.history.model"),
    ("recording", "recording/model.py", "verifier.history.model"),
    ("correlation", "correlation/execution/player.py", "verifier.plan.model"),
    ("correlation-text", "correlation/text/split.py", "verifier.correlation.model"),
    ("correlation-values", "correlation/model.py", "verifier.correlation.analysis.rules"),
    ("correlation-execution", "correlation/execution/state.py", "verifier.correlation.analysis.rules"),
    ("correlation-analysis", "correlation/analysis/learn.py", "verifier.correlation.execution.state"),
    ("gateway", "gateway/rotation.py", "verifier.replay.context"),
    ("replay", "replay/session.py", "verifier.checks.judge"),
    ("rehearsal", "rehearsal/walk.py", "verifier.cli.main"),
    ("compose", "compose/model.py", "verifier.plan.model"),
    ("query", "query/rows.py", "verifier.checks.verdict"),
    ("gate", "rehearsal/walk.py", "verifier.gate.store"),
    ("shrink", "rehearsal/walk.py", "verifier.shrink.ddmin"),
    ("shrink-pure", "shrink/ddmin.py", "verifier.rehearsal.walk"),
    ("pytest-plugin", "cli/clean.py", "verifier.pytest_plugin.result"),
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LINT, "--config", str(CONFIG), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def rules() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(CONFIG, encoding="utf-8")
    return found


def test_every_import_points_the_right_way() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_rule_can_be_broken(tmp_path: Path, rules: configparser.ConfigParser) -> None:
    """A copy of the package with one wrong import for each rule breaks all of them."""
    assert {f"importlinter:contract:{rule}" for rule, _, _ in FORBIDDEN} == {
        name for name in rules.sections() if ":contract:" in name
    }
    shutil.copytree(ROOT / "verifier", tmp_path / "verifier", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for _, file, wrong in FORBIDDEN:
        with (tmp_path / "verifier" / file).open("a", encoding="utf-8") as source:
            source.write(f"\nimport {wrong}\n")
    result = lint(tmp_path)
    said = " ".join(result.stdout.split())
    assert result.returncode == 1, result.stdout + result.stderr
    for rule, _, _ in FORBIDDEN:
        assert f"{rules[f'importlinter:contract:{rule}']['name']} BROKEN" in said


def test_history_imports_http_errors_and_itself_alone() -> None:
    graph = grimp.build_graph("verifier", cache_dir=None)
    reached = {
        name
        for module in ("verifier.history", *graph.find_descendants("verifier.history"))
        for name in graph.find_modules_directly_imported_by(module)
    }
    outside = {name for name in reached if not name.startswith("verifier.history")}
    assert (
        outside == {"verifier.errors", "verifier.files", "verifier.http.message", "verifier.http.eventstream"} & outside
    )
    assert "verifier.http.message" in outside


def test_every_stage_stands_in_the_rules(rules: configparser.ConfigParser) -> None:
    """A stage that is added must be given its place: none is left out of what history may not import."""
    graph = grimp.build_graph("verifier", cache_dir=None)
    stages = graph.find_children("verifier") - {
        f"verifier.{name}" for name in ("history", "errors", "files", "printable", "http")
    }
    assert set(rules["importlinter:contract:history"]["forbidden_modules"].split()) == stages
