"""A store is asked once it has come to rest, can only be read, and wrong SQL is told before anything starts."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from tests.cli.small_matrix import verifier, write
from verifier.rehearsal import invariants
from verifier.rehearsal.invariants import ask_stores, of_sqlite
from verifier.rehearsal.prepare import prepare


@pytest.fixture
def store(tmp_path: Path) -> str:
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as database:
        database.executescript("CREATE TABLE t (id TEXT); INSERT INTO t VALUES ('b'), ('a')")
    return f"sqlite:///{tmp_path}/db.sqlite"


def test_rows_are_objects_in_a_stable_order(store: str) -> None:
    assert of_sqlite(store, "SELECT id FROM t") == ['{"id": "a"}', '{"id": "b"}']
    assert of_sqlite(store, "SELECT id FROM t WHERE 0") == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t", "UPDATE t SET id = 1", "DROP TABLE t", "CREATE TABLE u (x)", "ATTACH '/tmp/other' AS o",
        "PRAGMA user_version = 3", "VACUUM INTO '/tmp/copy'", "SELECT load_extension('x')", "SELECT 1; DELETE FROM t",
    ],
)  # fmt: skip
def test_a_query_changes_nothing(store: str, sql: str) -> None:
    with pytest.raises(sqlite3.Error):
        of_sqlite(store, sql)
    assert len(of_sqlite(store, "SELECT id FROM t")) == 2


def test_a_query_takes_a_bounded_time(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "SECONDS", 0.2)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        of_sqlite(store, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n")


def answers(*told: list[str]) -> Callable[[], list[str]]:
    """Each answer once, and then the last one again and again."""
    waiting = list(told)
    return lambda: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([[]], ([], True)),
        ([["a"], ["a"], []], ([], True)),  # it was only on its way
        ([["a"], ["a", "b"], ["a"]], (["a"], True)),
    ],
)
def test_rows_count_once_they_no_longer_change(
    told: list[list[str]], expected: tuple[list[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "REST", 0.05)
    monkeypatch.setattr(invariants, "_PAUSE", 0.01)
    assert asyncio.run(invariants._at_rest(answers(*told))) == expected


def test_a_store_that_never_comes_to_rest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "PATIENCE", 0.2)
    monkeypatch.setattr(invariants, "_PAUSE", 0.01)
    count = iter(range(10_000))
    rows, rests = asyncio.run(invariants._at_rest(lambda: [str(next(count))]))
    assert rows
    assert not rests


MATRIX = """
    stores:
      db: {process: sqlite}
      cache: {process: redis}
    invariants:
"""


def matrix(folder: Path, text: str) -> Path:
    file = write(folder)
    lines = dedent(MATRIX).rstrip() + "\n" + "\n".join(f"  {line}" for line in dedent(text).strip().splitlines())
    document = file.read_text()
    assert "stores:" not in document
    file.write_text(document.rstrip() + "\n" + lines + "\n")
    return file


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("one: selec 1", "invariants.one", "must be one SELECT"),
        ("one: select nope from steps", "invariants.one", '"nope" not found'),
        ("one: select * from nope", "invariants.one", "Table with name nope does not exist"),
        ("one: select count(*) from steps", "invariants.one", "needs a column step or operation"),
        ("one: select guarantee as step from violations", "invariants.one", "violations does not exist"),
        ("one: {on: db, sql: select from where}", "invariants.one.sql", "syntax error"),
        ("one: {on: db, sql: delete from t}", "invariants.one.sql", "must be one SELECT"),
        ("one: {on: bd, sql: select 1}", "invariants.one.on", "there is no store 'bd': db, cache"),
        ("one: {on: cache, sql: select 1}", "invariants.one.on", "cannot be asked"),
        ("one: {on: db}", "invariants.one", "needs 'sql'"),
        ("one: {sql: select 1, onn: db}", "invariants.one.onn", "unknown key"),
    ],
)
def test_wrong_sql_is_bad_input_with_file_line_and_key(tmp_path: Path, text: str, key: str, message: str) -> None:
    file = matrix(tmp_path, text)
    line = next(at for at, found in enumerate(file.read_text().splitlines(), 1) if found.startswith("  one:"))
    done = verifier("plan", file)
    assert done.returncode == 2, done.stdout
    assert f"{file}:{line}: {key}: " in done.stderr
    assert message in done.stderr


def test_every_invariant_over_a_store_is_asked_and_an_error_is_told(tmp_path: Path, store: str) -> None:
    text = "one: {on: db, sql: select id from t}\ntwo: {on: db, sql: select x from nope}"
    (prepared,) = prepare(matrix(tmp_path, text), 0)
    planned = [(entry.name, entry.sql, entry.store) for entry in prepared.plan.invariants]
    assert planned == [("one", "select id from t", "db"), ("two", "select x from nope", "db")]
    found = asyncio.run(ask_stores(prepared.matrix, {"db": store}, "s", lambda: False, lambda: 7.0))
    one, two = found
    assert [json.loads(row) for row in one.rows] == [{"id": "a"}, {"id": "b"}]
    assert (one.step, one.invariant, one.error, one.quiet, one.at) == ("s", "one", "", True, 7.0)
    assert two.error == "db: no such table: nope"
    (open_one, _) = asyncio.run(ask_stores(prepared.matrix, {"db": store}, "s", lambda: True, lambda: 7.0))
    assert not open_one.quiet
