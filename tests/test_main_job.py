"""The main job, end to end, by the console command: real processes, real containers, real PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import news

ROOT = Path(__file__).resolve().parents[1]
VERIFIER = str(Path(sys.executable).with_name("verifier"))
pytestmark = pytest.mark.slow
RUNTIMES = ["process", pytest.param("docker", marks=pytest.mark.docker)]


def verifier(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [VERIFIER, *(str(word) for word in arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, stdin=subprocess.DEVNULL)


def run(matrix: str, out: Path, runtime: str = "process", *more: str) -> tuple[int, dict[str, Any], str]:
    done = verifier("run", f"matrices/{matrix}.yaml", "--runtime", runtime, "--out", out, "--budget", "40s", *more)
    assert (out / "verdict.json").is_file(), done.stdout + done.stderr
    return done.returncode, json.loads((out / "verdict.json").read_text()), done.stdout


def added(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """The violations that the deployment adds."""
    return [item for item in verdict["violations"] if item["attribution"] != "pre-existing"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_safe_rollout_passes(runtime: str, tmp_path: Path) -> None:
    status, verdict, told = run("checkout", tmp_path / "run", runtime)
    assert (status, verdict["verdict"], news(verdict)) == (0, "pass", []), told
    assert verdict["runtime"] == runtime
    assert verdict["coverage"]["states"]["covered"] == verdict["coverage"]["states"]["total"] > 5


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_retry_across_versions_charges_twice(runtime: str, tmp_path: Path) -> None:
    status, verdict, told = run("checkout-retry", tmp_path / "run", runtime)
    assert (status, verdict["verdict"]) == (1, "fail"), told
    doubled = [item for item in added(verdict) if item["guarantee"] == "idempotent"]
    assert doubled, told
    assert "mixed" in {item["attribution"] for item in doubled} <= {"mixed", "upgrade"}
    shown = doubled[0]
    assert shown["versions"] == ["1.4", "2.1"]
    assert shown["service"] == "orders"
    assert len(shown["evidence"]) >= 2
    assert "twice" in shown["experience"]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("matrix", "guarantees"),
    [
        ("checkout-rows", {"no lost write", "rollback safe"}),
        ("checkout-handover", {"honest completion"}),
    ],
)
def test_what_breaks_only_in_the_mixture_is_caught(
    matrix: str, guarantees: set[str], runtime: str, tmp_path: Path
) -> None:
    status, verdict, told = run(matrix, tmp_path / "run", runtime)
    assert (status, verdict["verdict"]) == (1, "fail"), told
    assert guarantees <= {item["guarantee"] for item in added(verdict)}, told
    assert {item["attribution"] for item in added(verdict)} <= {"mixed", "rollback"}, told


@pytest.fixture(scope="module")
def unsafe(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, dict[str, Any], str]:
    """The run directory of the unsafe notes, and how the run ended."""
    out = tmp_path_factory.mktemp("notes") / "unsafe"
    return (out, *run("notes-unsafe", out))


def test_bare_commands_without_a_contract(unsafe: tuple[Path, int, dict[str, Any], str], tmp_path: Path) -> None:
    _, status, verdict, told = unsafe
    assert (status, verdict["verdict"]) == (1, "fail"), told
    assert {item["attribution"] for item in added(verdict)} <= {"mixed", "rollback"}, told
    assert added(verdict)
    status, verdict, told = run("notes-safe", tmp_path / "safe")
    assert (status, verdict["verdict"], news(verdict)) == (0, "pass", []), told


def test_new_clients_on_old_services_are_reported_with_the_proof(tmp_path: Path) -> None:
    status, verdict, told = run("greet-unsafe", tmp_path / "run")
    assert (status, verdict["verdict"]) == (1, "fail"), told
    proven = [item for item in added(verdict) if item["guarantee"] == "compatible" and "the proof" in item["message"]]
    assert len(proven) == 1, told
    shown = proven[0]
    assert (shown["service"], shown["operation"], shown["attribution"]) == ("back", "keep", "mixed")
    assert shown["evidence"][0]["status"] == 422
    assert "language" in shown["message"]
    states = {step["id"]: step["state"] for step in verdict["steps"]}
    assert shown["steps"], told
    for step in shown["steps"]:
        assert "2" in states[step]["front"], "the new client"
        assert "1" in states[step]["back"], "the old service"


def test_the_safe_order_avoids_the_break(tmp_path: Path) -> None:
    status, verdict, told = run("greet-safe", tmp_path / "run")
    assert (status, verdict["verdict"], news(verdict)) == (0, "pass", []), told


def test_without_a_safe_order_the_report_says_what_to_expand(tmp_path: Path) -> None:
    status, _, told = run("greet-stuck", tmp_path / "run")
    assert status == 1, told
    assert "no upgrade order is safe" in told.lower(), told
    assert "expand back" in told, told


def test_judging_again_gives_the_same_bytes(unsafe: tuple[Path, int, dict[str, Any], str]) -> None:
    out, status, _, _ = unsafe
    before = (out / "verdict.json").read_bytes()
    (out / "verdict.json").unlink()
    again = verifier("judge", out)
    assert again.returncode == status == 1
    assert (out / "verdict.json").read_bytes() == before


def test_a_violation_is_shrunk_to_what_runs_in_seconds(
    unsafe: tuple[Path, int, dict[str, Any], str], tmp_path: Path
) -> None:
    out, _, verdict, told = unsafe
    named = next(line for line in told.splitlines() if line.startswith("smallest reproduction of defect 1: "))
    words = named.partition(": ")[2].split()
    assert words[1:3] == ["shrink", str(out)] and words[3] in {item["id"] for item in verdict["violations"]}
    folder = tmp_path / "reproduction"
    done = verifier(*words[1:], "--output", folder, "--pytest", "--tries", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {file.name for file in folder.iterdir()} >= {"matrix.yaml", "plan.json", "recording.har", "README.md"}
    recorded = json.loads((folder / "recording.har").read_text())["log"]["entries"]
    plan = json.loads((folder / "plan.json").read_text())
    rollout = [step for path in plan["paths"] if path["kind"] == "rollout" for step in path["steps"]]
    assert len(recorded) <= 3 and len(rollout) == 1
    assert all(replay["fault"] is None for replay in rollout[0]["replays"])
    test = (folder / "test_reproduction.py").read_text()
    compile(test, "test_reproduction.py", "exec")
    assert 'mixed_version("matrix.yaml", plan="plan.json"' in test
    assert f'"{verdict["causes"][0]["guarantee"]}"' in test
    assert verifier(*words[1:], "--output", folder).returncode == 2, "a folder with something in it stays"


def test_a_run_is_compared_with_itself_and_opened(unsafe: tuple[Path, int, dict[str, Any], str]) -> None:
    out, _, verdict, _ = unsafe
    done = verifier("diff", out, out, "--format", "json")
    assert done.returncode == 0
    (found,) = json.loads(done.stdout)["pairs"]
    assert {item["id"] for item in found["same"]} >= {item["id"] for item in verdict["violations"]}
    assert found["new"] == found["gone"] == found["inputs"] == []
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    }
    opened = subprocess.run([VERIFIER, "open", str(out)], capture_output=True, text=True, timeout=60, env=environment)
    assert opened.stdout.strip() == str(out / "report.html")
    assert verifier("open", out / "history").returncode == 2
