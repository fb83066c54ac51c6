"""The pytest plugin, in sessions of its own. One real rehearsal, of a release that loses writes, serves all of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import verifier.pytest_plugin.items  # noqa: F401 - sessions within this process then import nothing again
from tests.cli.small_matrix import MATRIX, write
from verifier.checks.registered import GUARANTEES

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
EACH = len(GUARANTEES) + 1  # items of one step: every guarantee, and that all was verified
# An installed entry point is left out, so that the same plugin is not loaded twice.
PLUGIN = ("-p", "no:mixed_version", "-p", "verifier.pytest_plugin.plugin")
# Version 2 reads another folder.
LOSES = MATRIX.replace('"FOLDER", ]}', '"FOLDER/../other"]}')
STORY = "written through 1, read before, now GET"

REHEARSES = """
import yaml

def test_words(mixed_version, request):
    matrix = yaml.safe_load((request.path.parent / "words.yaml").read_text())
    result = mixed_version(matrix, out=request.path.parent / "run")
    assert result.verdict == "fail"
    failing = {violation.guarantee for violation in result.violations if violation.fails}
    assert failing - {"compatible"} == {"no lost write"}
    assert {step.id for step in result.steps} >= {"control-old-1.1", "rollout.2"}
    assert len(result.history.operations) > 10
    assert result.passed
"""


@pytest.fixture(autouse=True)
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipeline, pytest does not shorten the lines of its summary."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with a run of the lossy release in `run`, and what the session said that made it with the fixture."""
    folder = tmp_path_factory.mktemp("rehearsed")
    for name in ("kept", "other"):
        (folder / name).mkdir()
    write(folder, LOSES)
    (folder / "test_words.py").write_text(REHEARSES, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "--mixed-version-runtime", "process"]
    done = subprocess.run([*command, "test_words.py"], cwd=folder, capture_output=True, text=True, timeout=200)
    yield folder, done.stdout + done.stderr


@pytest.fixture
def project(pytester: pytest.Pytester, rehearsed: tuple[Path, str]) -> pytest.Pytester:
    """A project with one matrix in `matrices/` and the stored run of it in `run`."""
    shutil.copytree(rehearsed[0] / "run", pytester.path / "run")
    (pytester.path / "matrices").mkdir()
    write(pytester.path / "matrices", LOSES)
    return pytester


def failing(project: pytest.Pytester) -> set[tuple[str, str]]:
    """Step and guarantee of what the stored run has found. Whether live traffic shows it too is chance."""
    verdict = json.loads((project.path / "run" / "verdict.json").read_text())
    found = {(step, entry["guarantee"].replace(" ", "-")) for entry in verdict["violations"] for step in entry["steps"]}
    assert found - {("rollout.2", "compatible")} == {
        (step, "no-lost-write") for step in ("control-upgrade.2", "rollout.2")
    }
    return found


def session(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A session that judges the stored run."""
    return project.runpytest_inprocess(*PLUGIN, "--mixed-version-run", "run", *arguments)


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    """How many tests ended in each way. A warning says only that the plugin was already imported here."""
    return {name: count for name, count in result.parseoutcomes().items() if name != "warnings"}


@pytest.mark.slow
def test_a_test_gets_typed_values_and_reads_well_when_it_fails(rehearsed: tuple[Path, str]) -> None:
    folder, said = rehearsed
    assert "where False = <words: fail: " in said
    assert "(upgrade, first in control-upgrade.2); what could be read before is gone>.passed" in said
    assert "1 failed" in said
    assert STORY in said, "the report of the run follows"
    assert f"{folder / 'run'}/report.html" in said
    assert (folder / "run" / "verdict.json").is_file()


def test_collect_only_prints_the_plan_and_starts_nothing(pytester: pytest.Pytester) -> None:
    (pytester.path / "matrices").mkdir()
    write(pytester.path / "matrices", MATRIX.replace("python,", "no-such-program,"))
    result = pytester.runpytest_inprocess(*PLUGIN, "matrices", "--collect-only")
    assert result.ret == 0
    result.stdout.fnmatch_lines([
        "*<MatrixFile words.yaml>", "*<Step rollout.2 replace replica 1 of words 1*: words 1×2; 1 replays>",
        "*<GuaranteeItem no-lost-write>",
    ])  # fmt: skip
    assert not (pytester.path / ".verifier").exists()


@pytest.mark.slow
def test_each_step_and_guarantee_is_an_item_and_a_failure_is_a_story(project: pytest.Pytester) -> None:
    result = session(project, "matrices", "-rf")
    assert result.ret == 1
    failed = len(failing(project)) + 1
    assert outcomes(result) == {"failed": failed, "passed": 41 - failed, "skipped": 10 * (EACH - 4)}
    said = result.stdout.str()
    assert 2 <= said.count(STORY) <= failed, "once with its proof, and else in a line"
    assert 1 <= said.count("   Reproduce: verifier run ") < failed, "once for each defect"
    assert "Traceback" not in said
    assert "items.py" not in said
    result.stdout.fnmatch_lines(["run/report.html", "*", "FAILED matrices/words.yaml::rollout.2::no-lost-write - *"])


@pytest.mark.slow
def test_items_are_selected_as_tests_are(project: pytest.Pytester) -> None:
    assert outcomes(session(project, "matrices", "-k", "available"))["passed"] == 10
    one = session(project, "matrices/words.yaml::rollout.2::no-lost-write")
    assert outcomes(one) == {"failed": 1}
    assert "   Reproduce: " in one.stdout.str(), "alone, it tells the whole story"
    assert outcomes(session(project, "matrices", "-x", "-q"))["failed"] == 1
    failed = len(failing(project)) + 1
    assert outcomes(session(project, "matrices"))["failed"] == failed
    assert outcomes(session(project, "matrices", "--lf")) == {"failed": failed, "deselected": 10 * EACH + 1 - failed}


@pytest.mark.slow
def test_one_item_per_guarantee_or_per_matrix(project: pytest.Pytester) -> None:
    result = session(project, "matrices", "--mixed-version-per", "guarantee", "-v")
    failed = len({guarantee for _, guarantee in failing(project)}) + 1
    assert outcomes(result) == {"failed": failed, "passed": 4 - failed, "skipped": EACH - 4}
    result.stdout.fnmatch_lines(["matrices/words.yaml::no-lost-write FAILED*"])
    whole = session(project, "matrices", "--mixed-version-per", "matrix")
    assert outcomes(whole) == {"failed": 1}
    whole.stdout.fnmatch_lines(["FAIL  words*", "*states", "Took *"])


@pytest.mark.slow
def test_junit_names_the_step_and_the_guarantee(project: pytest.Pytester) -> None:
    session(project, "matrices", "--junit-xml", "junit.xml")
    cases = list(ElementTree.parse(project.path / "junit.xml").iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None]
    assert {(case.get("classname"), case.get("name")) for case in failed} == {
        *((f"matrices.words.yaml.{step}", guarantee) for step, guarantee in failing(project)),
        ("matrices.words.yaml", "verdict"),
    }
    assert STORY in str(failed[0].findtext("failure"))
    assert ("mixed-version run", "run") in {
        (entry.get("name"), entry.get("value")) for entry in cases[0].iter("property")
    }


@pytest.mark.slow
def test_what_was_not_verified_fails_unless_it_is_allowed(project: pytest.Pytester) -> None:
    """A run that ended before its last step."""
    file = project.path / "run" / "history" / "steps.jsonl"
    lines = [line for line in file.read_text().splitlines() if "rollout" not in line]
    file.write_text("\n".join(lines) + "\n")
    chosen = ("matrices", "-k", "verified and rollout.2")
    result = session(project, *chosen)
    assert outcomes(result)["failed"] == 1
    result.stdout.fnmatch_lines(["unknown: the step was not reached: the path ended before it"])
    assert outcomes(session(project, *chosen, "--mixed-version-allow-unknown"))["skipped"] == 1


def test_a_broken_environment_is_an_error(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    (pytester.path / "matrices").mkdir()
    write(pytester.path / "matrices", MATRIX)
    arguments = (*PLUGIN, "--mixed-version-runtime", "docker", "--mixed-version-per", "guarantee")
    result = pytester.runpytest_inprocess(*arguments, "matrices")
    assert outcomes(result) == {"errors": EACH}
    said = result.stdout.str()
    assert said.count("The environment broke; no verdict. See matrices/words.yaml::available.") >= EACH - 1
    assert "Traceback" not in said
    assert said.count("no container engine answers") == 1


def test_bad_input_is_an_error_of_the_collection(pytester: pytest.Pytester) -> None:
    write(pytester.path, MATRIX.replace("port: 8000", "prot: 8000"))
    result = pytester.runpytest_inprocess(*PLUGIN, "words.yaml")
    assert outcomes(result) == {"errors": 1}
    result.stdout.fnmatch_lines(["*words.yaml:*services.words.prot*"])


def test_other_files_are_left_alone(pytester: pytest.Pytester) -> None:
    """A matrix that is not among matrices and not named, and YAML of another kind."""
    write(pytester.path, MATRIX)
    (pytester.path / "matrices").mkdir()
    (pytester.path / "matrices" / "values.yaml").write_text("replicas: 2\n")
    assert pytester.runpytest_inprocess(*PLUGIN).ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.slow
def test_a_matrix_runs_on_one_worker(project: pytest.Pytester) -> None:
    """Another test is spread as always."""
    write(project.path / "matrices", LOSES).rename(project.path / "matrices" / "again.yaml")
    write(project.path / "matrices", LOSES)
    project.makepyfile(test_plain="def test_plain(): pass")
    result = session(project, "-n", "2", "-v", "--mixed-version-per", "guarantee", "matrices", "test_plain.py")
    failed = len({guarantee for _, guarantee in failing(project)}) + 1
    assert outcomes(result) == {"failed": 2 * failed, "passed": 9 - 2 * failed, "skipped": 2 * (EACH - 4)}
    ran = re.findall(r"\[(gw\d)\] \[ *\d+%\] [A-Z]+ (\S+?)::", result.stdout.str())
    workers = {file: {worker for worker, name in ran if name == file} for _, file in ran}
    assert set(workers) == {"matrices/again.yaml", "matrices/words.yaml", "test_plain.py"}
    assert all(len(found) == 1 for found in workers.values())
    assert workers["matrices/again.yaml"] != workers["matrices/words.yaml"]


def test_a_mark_runs_a_test_once_for_each_pair_of_versions(pytester: pytest.Pytester) -> None:
    matrix = yaml.safe_load(write(pytester.path, MATRIX).read_text())
    versions = matrix["services"]["words"]["versions"]
    versions["3"] = {**versions["2"], "environment": {"RELEASE": "3"}}
    (pytester.path / "words.yaml").write_text(json.dumps(matrix))
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.mixed_version("words.yaml")
        def test_upgrade(mixed_version_pair):
            assert mixed_version_pair.passed
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "--strict-markers", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::test_upgrade?1-2?", "*::test_upgrade?2-3?"])


def test_the_entry_point_imports_nothing_of_the_verifier() -> None:
    """It is loaded in every session of an environment in which the verifier is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = project["entry-points"]["pytest11"]["mixed_version"]
    shown = f"import sys, {module}; print(*sorted(name for name in sys.modules if name.startswith('verifier')))"
    done = subprocess.run([sys.executable, "-c", shown], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["verifier", "verifier.pytest_plugin", "verifier.pytest_plugin.plugin"], done.stderr
