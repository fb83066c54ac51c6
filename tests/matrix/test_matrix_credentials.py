"""Where secrets come from: declared in the matrix by placeholder, and never there themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_matrix import ENTRIES, recording
from verifier.errors import BadInput
from verifier.matrix.parse import parse
from verifier.matrix.traffic_rules import Credential
from verifier.rehearsal.prepare import prepare
from verifier.runtime.stores.registered import PROCESS_STORES

MATRIX = """\
services:
  words:
    port: 80
    command: serve
    versions: {"1": {}, "2": {}}
traffic:
  - recording: words.har
    credentials:
"""


def write(folder: Path, *lines: str, password: str = "") -> Path:
    har = recording(ENTRIES).replace(
        '"words:8000"}]', f'"words:8000"}}, {{"name": "X-Device", "value": "{password}"}}]'
    )
    (folder / "words.har").write_text(har)
    file = folder / "m.yaml"
    file.write_text(MATRIX + "".join(f"      {line}\n" for line in lines))
    return file


def test_a_credential_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    file = write(tmp_path, "redacted-1: {env: WORD}", "redacted-2: {file: ../secrets/word}")
    (traffic,) = parse(file, PROCESS_STORES).traffic
    assert traffic.credentials == (
        Credential("redacted-1", "env", "WORD", 9, "traffic[0].credentials.redacted-1.env"),
        Credential(
            "redacted-2", "file", str(tmp_path.parent / "secrets/word"), 10, "traffic[0].credentials.redacted-2.file"
        ),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("redacted-1: {evn: WORD}", "unknown key 'evn'; did you mean 'env'?"),
        ("redacted-1: {env: WORD, file: x}", "either 'env' or 'file'"),
        ("redacted-1: {}", "either 'env' or 'file'"),
        ("redacted-1: hunter22", "needs 'env'"),
        ("redacted-1: {env: 'MY WORD'}", "name of an environment variable"),
        ("redacted-1: {env: [A]}", "must be text"),
        ("password: {env: WORD}", "is not a placeholder of a recording"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(write(tmp_path, line), PROCESS_STORES)
    problem = next(problem for problem in caught.value.problems if message in problem.message)
    assert problem.line == 9
    assert problem.key.startswith("traffic[0].credentials.")
    assert "hunter22" not in str(caught.value)


def test_a_placeholder_that_no_request_carries_is_bad_input_and_the_near_one_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, "redacted-0123456789abcdef: {env: WORD}", password="redacted-0123456789abcdee")
    with pytest.raises(BadInput) as caught:
        prepare(file, 0, environ={"WORD": "hunter22"})
    (problem,) = caught.value.problems
    assert (problem.line, "did you mean 'redacted-0123456789abcdee'?" in problem.message) == (9, True)
    twin = write(tmp_path, "redacted-0123456789abcdee: {env: WORD}", password="redacted-0123456789abcdee")
    assert prepare(twin, 0, environ={"WORD": "hunter22"})[0].credentials is not None
    assert prepare(twin, 0, environ=None)[0].credentials is None


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "redacted-a: {env: WORD}", "redacted-b: {env: OTHER}", password="redacted-a redacted-b")
    with pytest.raises(BadInput) as caught:
        prepare(file, 0, environ={})
    assert [problem.line for problem in caught.value.problems] == [9, 10]


def test_a_placeholder_is_sent_as_it_is_recorded_in_every_replay(tmp_path: Path) -> None:
    """Random-looking, in a place where clients make values up. Its twin without the declaration is reported."""
    name = "redacted-4f1d9c0a7b2e5d8c6a3f0e1b"
    for lines, kept in (((f"{name}: {{env: WORD}}",), True), ((), False)):
        file = write(tmp_path, *lines, password=name)
        if not lines:
            file.write_text(MATRIX.replace("    credentials:\n", ""))
        (track,) = prepare(file, 0, environ={"WORD": "hunter22"})[0].replay_scripts.values()
        headers = dict(track.player("1", 0.0).request(1).headers)
        assert headers["X-Device"] == name
        assert [report.rule.startswith(f"credentials: {{{name}: ") for report in track.script.steps[1].unmatched] == (
            [] if kept else [True]
        )
