"""Three versions end to end: each adjacent pair is run, and one bad pair fails the whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_matrix import MATRIX, verifier, write
from tests.zoo.readings import test_readings as readings
from tests.zoo.rehearsing import filled, har

OFFICE = readings.HERE / "office.py"
WORDS = '{command: [python, one_service.py, %s, --port, "{port}", --folder, "FOLDER"], environment: {RELEASE: "%s"}}'


def rehearse(folder: Path, release: str) -> tuple[int, dict[str, Any], str]:
    """Versions 1, then a release with a migration, then the same once more under another environment."""
    text = filled(readings.MATRIX, OFFICE, release=release)
    third = (
        f'      "3":\n        command: [{json.dumps(sys.executable)}, {json.dumps(str(OFFICE))}, {release}, '
        '--port, "{port}"]\n        environment: {RELEASE: "3"}\nstores:'
    )
    (folder / "matrix.yaml").write_text(text.replace("stores:", third, 1), encoding="utf-8")
    (folder / "old.har").write_text(json.dumps(har("office:8000", readings.recorded())), encoding="utf-8")
    done = verifier("run", "matrix.yaml", "--runtime", "process", "--out", "run", cwd=folder)
    assert (folder / "run" / "verdict.json").is_file(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "run" / "verdict.json").read_text(encoding="utf-8"))
    return done.returncode, found, done.stdout


@pytest.mark.slow
def test_a_bad_version_in_between_fails_the_whole(tmp_path: Path) -> None:
    """The second pair is safe on its own: its stores were migrated before any of its versions started."""
    status, found, told = rehearse(tmp_path, "split")
    assert (status, found["verdict"]) == (1, "fail"), told
    assert [(entry["old"], entry["new"], entry["verdict"]) for entry in found["pairs"]] == [
        ("1", "2", "fail"),
        ("2", "3", "pass"),
    ], told
    assert {(entry["pair"], entry["attribution"]) for entry in found["violations"]} == {("1-2", "mixed")}
    again = verifier("judge", "run", cwd=tmp_path)
    assert again.returncode == 1
    assert again.stdout in told, "judged again, the run tells the same"
    for pair in found["pairs"]:
        assert (tmp_path / "run" / pair["directory"] / "report.html").is_file()


@pytest.mark.slow
def test_three_safe_versions_pass(tmp_path: Path) -> None:
    status, found, told = rehearse(tmp_path, "kind")
    assert (status, found["verdict"], found["violations"]) == (0, "pass", []), told
    assert [entry["verdict"] for entry in found["pairs"]] == ["pass", "pass"]
    planned = verifier("plan", "matrix.yaml", cwd=tmp_path)
    assert [line for line in planned.stdout.split("\n") if line.startswith("pair ")] == ["pair 1 → 2", "pair 2 → 3"]


def words(folder: Path, *ways: str) -> tuple[int, dict[str, Any], str]:
    """Versions of a small service by what each does: `well`, or `dies` instead of getting ready."""
    folder.mkdir()
    before, _, after = MATRIX.partition("    versions:\n")
    lines = "".join(f'      "{at}": {WORDS % (way, at)}\n' for at, way in enumerate(ways, 1))
    text = f"{before}    versions:\n{lines}rollout:{after.partition('rollout:')[2]}"
    done = verifier("run", write(folder, text), "--runtime", "process", "--out", folder / "run", cwd=folder)
    found: dict[str, Any] = json.loads((folder / "run" / "verdict.json").read_text(encoding="utf-8"))
    return done.returncode, found, done.stdout + done.stderr


@pytest.mark.slow
def test_a_pair_whose_environment_breaks_is_no_pass_and_hides_no_other(tmp_path: Path) -> None:
    """The last version does not start: the first pair is told all the same. If every pair breaks, so does the whole."""
    status, found, told = words(tmp_path / "last", "well", "well", "dies")
    assert (status, found["verdict"]) == (3, "unknown"), told
    assert [entry["verdict"] for entry in found["pairs"]] == ["pass", "not run"], told
    assert any(
        entry.startswith("2 → 3 was not run: the environment broke: in the control") for entry in found["unknowns"]
    )
    assert "words 3 did not become ready" in told
    status, found, told = words(tmp_path / "middle", "well", "dies", "well")
    assert (status, found["verdict"]) == (4, "error"), told
