"""Whatever a user gets wrong ends with status 2 and a message that names the file, the line and the key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.small_matrix import ENTRIES, MATRIX, recording, verifier, write
from verifier.cli.main import main

Told = tuple[int, str, str]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The console script's own entry point, in this process: status, standard output, standard error."""

    def call(*arguments: str | Path) -> Told:
        monkeypatch.setattr(sys, "argv", ["verifier", *(str(word) for word in arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def test_the_small_matrix_itself_is_good(command: Callable[..., Told], tmp_path: Path) -> None:
    status, told, _ = command("plan", write(tmp_path))
    assert status == 0
    assert "control-old-1" in told


@pytest.mark.parametrize(
    ("matrix", "messages"),
    [
        ("matrix: [\n", ["words.yaml:2: matrix: is not valid YAML"]),
        ("", ["words.yaml: is empty"]),
        ("- a\n", ["words.yaml:1: must be a mapping"]),
        (
            MATRIX.replace("stop:", "stopp:").replace("faults: none", "fault: none"),
            ["words.yaml:7: services.words.stopp: unknown key", "words.yaml:14: fault: unknown key 'fault'"],
        ),
        (MATRIX.replace("words.har", "other.har"), ["words.yaml:13: traffic[0].recording: there is no file"]),
        (MATRIX.replace("    stop:", "    contract: none.yaml\n    stop:"), ["services.words.contract: there is no"]),
        (MATRIX.replace("port: 8000", "port: 80000"), ["words.yaml:4: services.words.port: must be at"]),
        (MATRIX.replace('client: "1"', 'client: "9"'), ["traffic[0].client: no service has a version '9'"]),
        (MATRIX.replace("faults: none", "faults: [tornado]"), ["words.yaml:14: faults[0]: must be one of"]),
        (MATRIX.replace("budget: 5s", "budget: soon"), ["words.yaml:15: budget: must be a duration"]),
    ],
)  # fmt: skip
def test_matrices(matrix: str, messages: list[str], command: Callable[..., Told], tmp_path: Path) -> None:
    status, out, err = command("run", write(tmp_path, matrix), "--runtime", "process", "--out", tmp_path / "run")
    assert (status, out) == (2, "")
    for message in messages:
        assert message in err
    assert not (tmp_path / "run").exists(), "nothing starts before all input was read"


@pytest.mark.parametrize(
    ("har", "message"),
    [
        ("", "words.har: is empty"),
        ("{", "words.har:1: is not JSON"),
        ("[]", "words.har:1: log: is no HAR"),
        ('{"log": {}}', "words.har: log.entries: is missing"),
        ('{"log": {"entries": 7}}', "words.har: log.entries: must be a list"),
        (recording([]), "a recording with no exchanges"),
        (recording([{**ENTRIES[0], "response": 7}]), "log.entries[0].response: must be an object"),
        (recording(ENTRIES)[:-20], "words.har:1: is not JSON"),
    ],
)
def test_recordings(har: str, message: str, command: Callable[..., Told], tmp_path: Path) -> None:
    status, out, err = command("plan", write(tmp_path, har=har))
    assert (status, out) == (2, "")
    assert message in err


def test_every_broken_file_is_told_in_one_go(command: Callable[..., Told], tmp_path: Path) -> None:
    matrix = write(tmp_path, MATRIX.replace("    stop:", "    contract: c.yaml\n    stop:"), har="{")
    (tmp_path / "c.yaml").write_text('openapi: 3.0.0\ninfo: {title: t, version: "1"}\npaths: {/a: 7}\n')
    status, _, err = command("plan", matrix)
    assert status == 2
    assert "c.yaml:3: #/paths/~1a: must be a mapping" in err
    assert "words.har:1: is not JSON" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "words.yaml", "--fast"], "No such option"),
        (["run"], "Missing argument"),
        (["dance"], "No such command"),
        (["run", "words.yaml", "--runtime", "moon"], "is not one of"),
        (["run", "words.yaml", "--seed", "x"], "--seed"),
        (["run", "words.yaml", "--budget", "soon"], "--budget: must be a duration"),
        (["run", "words.yaml", "--budget", "-5"], "--budget: must be a duration"),
        (["run", "none.yaml"], "none.yaml: cannot be read"),
        (["run", "full"], "full: cannot be read"),
        (["run", "words.yaml", "--runtime", "process", "--out", "full"], "full: --out: already exists and is not an"),
        (["run", "words.yaml", "--runtime", "process", "--out", "words.har"], "words.har: --out: already exists"),
        (["run", "words.yaml", "--runtime", "process", "--out", "words.har/run"], "words.har/run: --out: cannot be"),
        (["judge", "full"], "full: is not a run directory"),
        (["judge", "none"], "none: is not a run directory"),
        (["report", "full"], "full: is not a run directory"),
        (["report", "full", "--format", "song"], "is not one of"),
    ],
)
def test_flags_and_folders(
    arguments: list[str],
    message: str,
    command: Callable[..., Told],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("kept")
    monkeypatch.chdir(tmp_path)
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert (tmp_path / "full" / "precious").read_text() == "kept"
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["precious"]


def test_a_damaged_run_is_bad_input(command: Callable[..., Told], tmp_path: Path) -> None:
    folder = tmp_path / "run" / "history"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    status, _, err = command("judge", tmp_path / "run")
    assert status == 2
    assert "run.json: is damaged" in err


def test_the_installed_command_says_the_same(tmp_path: Path) -> None:
    done = verifier("run", write(tmp_path, MATRIX.replace("stop:", "stopp:")))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith("words.yaml:7: services.words.stopp: unknown key 'stopp'; did you mean 'stop'?")
    assert "Traceback" not in done.stderr
