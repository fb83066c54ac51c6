"""YAML with positions: every value knows its place, and readers take what is right and remember what is not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.errors import BadInput, Problem
from verifier.located import Located, Reader, load, parse_seconds, walk

TEXT = """\
name: a
list:
  - one
  - {two: 2, "2.0": x}
nested:
  deep:
    deeper: true
base: &base {kept: 1, own: 1}
merged:
  <<: *base
  own: 2
again: *base
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "file.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def descend(root: Located, *keys: Any) -> Located:
    for key in keys:
        root = root.value[key]
    return root


@pytest.mark.parametrize(
    ("keys", "line", "key", "plain"),
    [
        ((), 1, "", None),
        (("name",), 1, "name", "a"),
        (("list",), 2, "list", ["one", {"two": 2, "2.0": "x"}]),
        (("list", 0), 3, "list[0]", "one"),
        (("list", 1, "2.0"), 4, "list[1].2.0", "x"),
        (("nested", "deep", "deeper"), 7, "nested.deep.deeper", True),
        (("merged", "kept"), 8, "merged.kept", 1),
        (("merged", "own"), 11, "merged.own", 2),
        (("again",), 12, "again", {"kept": 1, "own": 1}),
    ],
)
def test_every_value_knows_its_place(tmp_path: Path, keys: tuple[Any, ...], line: int, key: str, plain: Any) -> None:
    file = write(tmp_path, TEXT)
    found = descend(load(file), *keys)
    assert (found.file, found.line, found.key) == (str(file), line, key)
    if keys:
        assert found.plain() == plain


def test_walking_meets_every_value_once(tmp_path: Path) -> None:
    keys = [found.key for found in walk(load(write(tmp_path, "a: {b: [1, {c: 2}]}\nd: 3\n")))]
    assert keys == ["", "a", "a.b", "a.b[0]", "a.b[1]", "a.b[1].c", "d"]


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=15,
)
usual = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@usual
@given(PLAIN)
def test_values_are_those_that_yaml_gives(tmp_path: Path, value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    file = write(tmp_path, text)
    try:
        assert load(file).plain() == yaml.safe_load(text)
    except BadInput as error:
        assert "is empty" in str(error), "only nothing at all is no document"
        assert value is None


@usual
@given(st.text(max_size=40))
def test_any_text_loads_or_is_bad_input(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = load(file)
    except BadInput as error:
        assert error.problems[0].file == str(file)
    else:
        assert all(part.line >= 1 for part in walk(found))


@pytest.mark.parametrize("depth", [200, 5000])
def test_deep_nesting_is_no_crash(tmp_path: Path, depth: int) -> None:
    file = write(tmp_path, "[" * depth + "]" * depth)
    try:
        assert load(file).line == 1
    except BadInput as error:
        assert "nested too deeply" in str(error)


def test_aliases_that_multiply_are_no_memory_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine lines that stand for a thousand million values: refused, not unfolded."""
    monkeypatch.setattr("verifier.yaml_nodes.MOST_VALUES", 20_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 9)]
    with pytest.raises(BadInput, match="too many values"):
        load(write(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    "text", ["!!timestamp x", "!!int _", "!!bool x", "!!float x", "!!int ''", "!!binary é", "!a b"]
)
def test_a_tag_that_its_text_does_not_fit_is_bad_input(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(write(tmp_path, f"a:\n  {text}\n"))
    assert caught.value.problems[0].line == 2


def test_a_key_that_stands_twice_is_found_although_it_is_merged_too(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'own' is repeated") as caught:
        load(write(tmp_path, TEXT.replace("  own: 2\n", "  own: 2\n  own: 3\n")))
    assert caught.value.problems[0].line == 12


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (2, 2.0),
        (1.5, 1.5),
        ("250ms", 0.25),
        ("10s", 10.0),
        ("1.5 s", 1.5),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("0s", 0.0),
        (-1, None),
        ("-1s", None),
        ("10", None),
        ("s", None),
        ("", None),
        ("1 day", None),
        ("10 ss", None),
        ("1m30s", None),
        ("nans", None),
        ("infs", None),
        ("inf s", None),
        (math.inf, None),
        (math.nan, None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_durations(value: object, seconds: float | None) -> None:
    assert parse_seconds(value) == seconds


def read(folder: Path, text: str) -> tuple[Reader, Located]:
    return Reader(), load(write(folder, text))


def problems_of(reader: Reader) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.key, problem.message) for problem in reader.problems]


def test_a_reader_takes_what_is_right(tmp_path: Path) -> None:
    reader, root = read(tmp_path, "t: x\nn: 7\nf: 1.5\ns: 2s\nc: b\nl: [a, 1]\np: {A: x, B: true, C: 3, D: }\n")
    items = reader.mapping(root, ["t", "n", "f", "s", "c", "l", "p"])
    assert reader.text(items["t"]) == "x"
    assert reader.text(items["f"]) == "1.5"
    assert reader.whole(items["n"], 0) == 7
    assert reader.seconds(items["s"], 0) == 2.0
    assert reader.choice(items["c"], ["a", "b"], "a") == "b"
    assert reader.texts(items["l"]) == ("a", "1")
    assert reader.pairs(items["p"]) == (("A", "x"), ("B", "true"), ("C", "3"), ("D", ""))
    reader.finish()


def test_what_is_not_there_has_its_default() -> None:
    reader = Reader()
    assert reader.mapping(None) == {}
    assert (reader.items(None), reader.texts(None), reader.pairs(None)) == ([], (), ())
    assert (reader.text(None, "d"), reader.whole(None, 3), reader.seconds(None, 2.5)) == ("d", 3, 2.5)
    assert reader.choice(None, ["a"], "a") == "a"
    reader.finish()


def test_a_reader_remembers_every_problem(tmp_path: Path) -> None:
    reader, root = read(tmp_path, "t: [x]\nn: x\nb: true\nm: 9\ns: soon\nc: z\nl: x\np: x\nprot: 1\nzzz: 2\n")
    items = reader.mapping(root, ["t", "n", "b", "m", "s", "c", "l", "p", "port"])
    assert reader.text(items["t"]) == ""
    assert reader.whole(items["n"], 5) == 5
    assert reader.whole(items["b"], 5) == 5
    assert reader.whole(items["m"], 5, 1, 8) == 5
    assert reader.seconds(items["s"], 1.0) == 1.0
    assert reader.choice(items["c"], ["a", "b"], "a") == "a"
    assert reader.items(items["l"]) == []
    assert reader.pairs(items["p"]) == ()
    assert problems_of(reader) == [
        (9, "prot", "unknown key 'prot'; did you mean 'port'?"),
        (10, "zzz", "unknown key 'zzz'; known here: b, c, l, m, n, p, port, s, t"),
        (1, "t", "must be text, not a list"),
        (2, "n", "must be a whole number, not text"),
        (3, "b", "must be a whole number, not true or false"),
        (4, "m", "must be at least 1 and at most 8"),
        (5, "s", "must be a duration such as 500ms, 10s or 5m, not 'soon'"),
        (6, "c", "must be one of a, b, not 'z'"),
        (7, "l", "must be a list, not text"),
        (8, "p", "must be a mapping, not text"),
    ]
    with pytest.raises(BadInput) as caught:
        reader.finish()
    assert [problem.line for problem in caught.value.problems] == sorted(line for line, _, _ in problems_of(reader))


def test_a_problem_reads_as_a_compiler_would_say_it() -> None:
    assert str(Problem("m.yaml", 3, "a.b", "is odd")) == "m.yaml:3: a.b: is odd"
    assert str(Problem("m.yaml", 0, "", "is odd")) == "m.yaml: is odd"
    error = BadInput([Problem("m.yaml", 3, "", "one"), Problem("m.yaml", 4, "", "two")])
    assert str(error) == "m.yaml:3: one\nm.yaml:4: two"
    assert BadInput.one(Path("x"), "m", line=2, key="k").problems == (Problem("x", 2, "k", "m"),)
