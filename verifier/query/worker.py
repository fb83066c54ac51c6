"""A process of its own for queries: `python -m verifier.query.worker FOLDER` loads tables and answers lines of JSON.

Whatever a query does, it can neither write nor reach anything: the database is in memory, it may touch no file and no
network, its settings are locked, and the process has little memory. Whoever started it ends it when time is up.
"""

from __future__ import annotations

import json
import math
import re
import resource
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb

from verifier.query.schema import BY_NAME, Table

MEMORY = 1 << 30  # bytes that DuckDB may use
ADDRESSES = 4 << 30  # bytes of memory and of everything that is mapped
MOST_ROWS = 100_000  # that a query may return
_LOCKED = (
    "SET python_enable_replacements = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET lock_configuration = true",
)
_LINE = re.compile(r"LINE (\d+):")


class Wrong(Exception):
    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def main(folder: Path, names: list[str]) -> None:
    """Answer every line of standard input with one line: columns and rows, or what is wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = duckdb.connect(":memory:", config={"memory_limit": f"{MEMORY >> 20}MiB", "threads": 2})
    for name in names:
        connection.execute(BY_NAME[name].create)
        if (folder / f"{name}.jsonl").exists():
            _load(connection, BY_NAME[name], folder / f"{name}.jsonl")
    for setting in _LOCKED:
        connection.execute(setting)
    print("{}", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = _answer(connection, asked["sql"], asked["only_check"], asked["seconds"])
        except Wrong as error:
            told = {"wrong": str(error), "line": error.line}
        print(json.dumps(told, default=str), flush=True)


def _load(connection: duckdb.DuckDBPyConnection, table: Table, file: Path) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    kinds = ", ".join(f"'{column.name}': '{column.type}'" for column in table.columns)
    connection.execute(
        f'INSERT INTO "{table.name}" SELECT {names} FROM read_json(?, columns={{{kinds}}}, '
        "format='newline_delimited', maximum_object_size=268435456)",
        [str(file)],
    )


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, only_check: bool, seconds: float) -> dict[str, Any]:
    statement = _select(connection, sql)
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        if only_check:
            connection.execute(f"EXPLAIN {sql.strip().rstrip(';')}")
            return {}
        found = connection.execute(statement)
        rows = found.fetchmany(MOST_ROWS + 1)
        columns = [str(column[0]) for column in found.description or ()]
    except duckdb.InterruptException:
        raise Wrong(f"takes longer than {seconds:g} s") from None
    except (duckdb.OutOfMemoryException, MemoryError):
        raise Wrong("needs too much memory") from None
    except duckdb.Error as error:
        raise _told(error) from None
    finally:
        timer.cancel()
    return {
        "columns": columns,
        "rows": [list(map(_plain, row)) for row in rows[:MOST_ROWS]],
        "cut_off": len(rows) > MOST_ROWS,
    }


def _plain(value: Any) -> Any:
    """A value that JSON has: it has neither infinity nor what is not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _told(error) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Wrong("must be one SELECT")
    return statements[0]


def _told(error: duckdb.Error) -> Wrong:
    """The first line of what DuckDB says, and the line of the query that it is about."""
    text = str(error).strip() or "failed"
    found = _LINE.search(text)
    return Wrong(re.sub(r"^[\w ]+ Error: ", "", text.splitlines()[0]), int(found.group(1)) if found else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
