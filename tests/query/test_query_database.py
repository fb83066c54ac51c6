"""A query can only read the tables of the run, in bounded time and memory, and is told where it is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report import report_values as values
from verifier.history.model import History
from verifier.query.database import Database, WrongQuery
from verifier.query.rows import tables
from verifier.query.schema import TABLES


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database(tables(values.history())) as opened:
        yield opened


def test_the_tables_have_what_the_history_has(database: Database) -> None:
    history: History = values.history()
    counted = {table.name: database.query(f"select count(*) from {table.name}").rows[0][0] for table in TABLES}
    assert counted["operations"] == len(history.operations)
    assert counted["steps"] == len(history.steps)
    assert counted["mixtures"] == sum(len(step.state) for step in history.steps)
    assert counted["effects"] == len([entry for entry in history.operations if entry.source == "partner"]) > 0
    one = history.operations[0]
    found = database.query(f"select * from operations where id = '{one.id}'")
    row = dict(zip(found.columns, found.rows[0], strict=True))
    assert (row["service"], row["version"], row["target"]) == (one.service, one.version, one.request.target)
    assert row["request_body"] == one.request.body.decode()
    assert row["started"] == one.started


def test_every_row_has_the_columns_of_its_table_and_no_other() -> None:
    for name, found in tables(values.history()).items():
        columns = {column.name for table in TABLES if table.name == name for column in table.columns}
        assert all(set(row) == columns for row in found), name


def test_hostile_texts_are_values_and_nothing_else() -> None:
    step = {"id": "a'; drop table steps; --", "path": '"\0\n\x1b[31m', "kind": "\ud800"}
    with Database({"steps": [step]}) as opened:
        ((identity, path, kind),) = opened.query("select id, path, kind from steps").rows
    assert (identity, path, kind) == (step["id"], step["path"], "\ufffd")


@pytest.mark.parametrize(
    "sql",
    [
        "delete from steps", "drop table steps", "create table x (y int)", "select 1; select 2", "", "set threads = 9",
        "copy steps to '/tmp/steps.csv'", "attach '/tmp/other.db'", "install httpfs", "pragma database_list",
        "export database '/tmp/all'", "explain select 1",
    ],
)  # fmt: skip
def test_what_is_not_one_select_is_refused(database: Database, sql: str) -> None:
    with pytest.raises(WrongQuery, match="must be one SELECT"):
        database.query(sql)
    assert database.query("select count(*) from steps").rows[0][0] > 0


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{file}')",
        "read_text('{file}')",
        "'{file}'",
        "glob('{folder}/*')",
        "read_json('http://127.0.0.1:1/x')",
    ],
)
def test_no_file_and_no_network_can_be_read(database: Database, source: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a,b\nsecret,2\n")
    with pytest.raises(WrongQuery, match=r"disabled by configuration|does not exist"):
        database.query(f"select * from {source.format(file=file, folder=tmp_path)}")


def test_no_variable_of_this_process_can_be_read(database: Database) -> None:
    secret: Any = [{"a": 1}]
    assert secret
    for sql in ("select * from secret", "select getenv('HOME')"):
        with pytest.raises(WrongQuery, match="does not exist"):
            database.query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from range(100000000000) a, range(1000) b",
        "select repeat('x', 1000000000)",  # nothing inside a process can interrupt this one
    ],
)
def test_time_and_memory_are_bounded_and_the_next_query_runs(sql: str) -> None:
    with Database({"steps": [{"id": "s"}]}) as opened:
        began = time.monotonic()
        with pytest.raises(WrongQuery, match=r"takes longer than 0.5 s|needs too much memory"):
            opened.query(sql, seconds=0.5)
        assert time.monotonic() - began < 30
        assert opened.query("select id from steps").rows == (("s",),)


def test_every_value_is_one_that_json_has(database: Database) -> None:
    sql = "select 'nan'::double, [1e999::double], {'a': '-inf'::double}, date '2020-01-02', 1.5::decimal(3, 1), null"
    assert database.query(sql.replace("1e999::double", "'inf'::double")).rows == (
        ("nan", ["inf"], {"a": "-inf"}, "2020-01-02", "1.5", None),
    )


def test_a_mistake_is_told_with_its_line(database: Database) -> None:
    for sql, message, line in (
        ("select *\nfrom steps\nwhere nope = 1", 'column "nope"', 3),
        ("select *\nfrom nope", "Table with name nope does not exist", 2),
        ("select\n*\nfro steps", "syntax error", 3),
        ("select '\udcff'", "is not UTF-8 text", 1),
    ):
        for ask in (database.check, database.query):
            with pytest.raises(WrongQuery, match=message) as wrong:
                ask(sql)
            assert wrong.value.line == line
    database.check("select id from steps")
