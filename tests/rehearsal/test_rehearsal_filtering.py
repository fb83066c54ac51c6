"""`include` and `exclude` leave exchanges out of a recording before anything is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_matrix import entry, recording
from verifier.errors import BadInput
from verifier.rehearsal.first_records import preparation_notes
from verifier.rehearsal.prepare import Prepared, prepare

MATRIX = """\
services:
  words:
    port: 80
    command: serve
    versions: {"1": {}, "2": {}}
traffic:
  - recording: words.har
"""
ENTRIES = [
    entry("GET", "/", None, 200, {}, 1),
    entry("GET", "/static/app.js?v=2", None, 200, {}, 2),
    entry("GET", "/static/css/a.css", None, 200, {}, 3),
    entry("POST", "/static/app.js", {"a": 1}, 200, {}, 4),
    entry("GET", "/words/x", None, 200, {}, 5),
]


def prepared(folder: Path, *lines: str) -> Prepared:
    (folder / "words.har").write_text(recording(ENTRIES))
    (folder / "m.yaml").write_text(MATRIX + "".join(f"    {line}\n" for line in lines))
    return prepare(folder / "m.yaml", 0)[0]


def targets(made: Prepared) -> list[str]:
    steps = [step for script in made.replay_scripts.values() for step in script.script.steps]
    return [f"{step.exchange.request.method} {step.exchange.request.target}" for step in steps]


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ((), ["GET /", "GET /static/app.js?v=2", "GET /static/css/a.css", "POST /static/app.js", "GET /words/x"]),
        (('exclude: ["GET /static/*", "/"]',), ["POST /static/app.js", "GET /words/x"]),
        (('include: ["get /static/*"]',), ["GET /static/app.js?v=2", "GET /static/css/a.css"]),
        (('include: ["/static/*"]', "exclude: [POST *]"), ["GET /static/app.js?v=2", "GET /static/css/a.css"]),
        (('exclude: ["/static/???.js"]',), ["GET /", "GET /static/css/a.css", "GET /words/x"]),
    ],
)
def test_patterns_choose_exchanges_by_method_and_path(tmp_path: Path, lines: tuple[str, ...], left: list[str]) -> None:
    made = prepared(tmp_path, *lines)
    assert targets(made) == left
    assert made.notes == ()


def test_a_pattern_that_matches_nothing_is_noted_with_its_line(tmp_path: Path) -> None:
    made = prepared(tmp_path, 'exclude: ["GET /static/*", "DELETE /static/*"]')
    (note,) = preparation_notes(made)
    assert note.kind == "filter"
    assert note.message.startswith(f"{tmp_path}/m.yaml:8: traffic[0].exclude[1]: ")
    assert '"DELETE /static/*" matches no exchange of' in note.message


@pytest.mark.parametrize("pattern", ["static/*", "GET", "GET /a b", "GE/T /a", "[]", ""])
def test_a_bad_pattern_is_bad_input_with_its_line(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(BadInput) as caught:
        prepared(tmp_path, f'exclude: ["{pattern}"]')
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (8, "traffic[0].exclude[0]")
    assert "such as" in problem.message


@pytest.mark.parametrize("line", ['exclude: ["*"]', 'include: ["/nothing"]'])
def test_nothing_left_is_bad_input(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInput, match="leaves no exchange of"):
        prepared(tmp_path, line)
