"""`verifier query RUN SQL`: a table, JSON or CSV, of a run with one pair of versions or several."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.gate.test_gate_commands import failing, write_run
from verifier.cli.query import query
from verifier.errors import BadInput
from verifier.query.schema import TABLES
from verifier.rehearsal.pairs import Index, StoredPair, store_index

SQL = "select step, fails from violations where fails"


def printed(*arguments: str | Path) -> str:
    result = CliRunner().invoke(query, [str(part) for part in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_rows_are_printed_as_a_table_as_json_and_as_csv(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", failing())
    rows = json.loads(printed(run, SQL, "--json"))
    assert rows and all(row["fails"] is True for row in rows)
    assert [row["step"] for row in csv.DictReader(printed(run, SQL, "--csv").splitlines())] == [r["step"] for r in rows]
    lines = printed(run, SQL).splitlines()
    assert lines[0].split() == ["step", "fails"]
    assert lines[-1] == ("(1 row)" if len(rows) == 1 else f"({len(rows)} rows)")
    assert printed(run, "select 1 as one where false").splitlines()[-1] == "(0 rows)"


def test_pairs_are_told_apart(tmp_path: Path) -> None:
    for name in ("1.4-2.1", "2.1-3"):
        write_run(tmp_path / "run" / "pairs" / name, failing())
    pairs = (StoredPair("1.4", "2.1", "1.4-2.1", ""), StoredPair("2.1", "3", "2.1-3", ""))
    store_index(tmp_path / "run", Index("shop", 0, "process", "1.0", ("1.4", "2.1", "3"), pairs))
    sql = "select pair, count(*) as n, count(verdict) as judged from steps group by pair order by pair"
    rows = json.loads(printed(tmp_path / "run", sql, "--json"))
    assert [row["pair"] for row in rows] == ["1.4-2.1", "2.1-3"]
    assert all(row["n"] == row["judged"] > 0 for row in rows)


def test_nothing_of_a_recording_reaches_the_terminal_unescaped(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", failing())
    assert r"\x1b[31mred" in printed(run, "select chr(27) || '[31mred' as x")


def test_the_schema_is_printed(tmp_path: Path) -> None:
    told = printed(tmp_path, "--schema")
    assert all(f"{table.name}: {table.meaning}" in told for table in TABLES)


def test_wrong_sql_is_bad_input_with_its_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", failing())
    with pytest.raises(BadInput, match=r'query:2: .*"nope"'):
        printed(run, "select id,\nnope from steps")
    with pytest.raises(BadInput, match="two columns have one name"):
        printed(run, "select 1 as a, 2 as a", "--json")
    with pytest.raises(BadInput, match="there is no SQL"):
        printed(run)


def test_without_the_extra_the_command_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", failing())
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(BadInput, match=r"pip install 'mixed-version-verifier\[query\]'"):
        printed(run, SQL)
