"""Asks a store for the rows of invariants at the end of a step, once it has come to rest.

While work is under way, a store may hold what no invariant allows, such as an order without its payment. So rows count
only if no accepted work is open and they have not changed for a while, with no client there. What takes longer shows in
the controls as well. A query runs in a transaction that can only read, and for a bounded time.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from verifier.errors import BadInput, Problem
from verifier.history.model import StoreRows
from verifier.matrix.invariants import kind_of
from verifier.matrix.model import Invariant, Matrix

REST = 2.0  # seconds for which rows must not change
PATIENCE = 15.0  # seconds until a store is given up that never comes to rest
SECONDS = 10.0  # of one query
MOST_ROWS = 1000
_PAUSE = 0.25
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
Ask = Callable[[], list[str]]


async def ask_stores(
    matrix: Matrix, urls: Mapping[str, str], step: str, is_open: Callable[[], bool], now: Callable[[], float]
) -> list[StoreRows]:
    """The rows of every invariant over a store. `is_open`: whether accepted work has not ended."""
    found = []
    for invariant in matrix.invariants:
        if not invariant.store:
            continue
        url, sql = urls[invariant.store], invariant.sql
        ask = (lambda url=url, sql=sql: of_sqlite(url, sql)) if url.startswith("sqlite:") else (
            lambda url=url, sql=sql: of_postgres(url, sql)
        )  # fmt: skip
        try:
            rows, rests = await _at_rest(ask)
            found.append(StoreRows(step, invariant.name, tuple(rows), "", not rows or (rests and not is_open()), now()))
        except Exception as error:  # a wrong query, a server that is gone, a driver that is not installed
            why = " ".join(str(error).split()) or type(error).__name__
            found.append(StoreRows(step, invariant.name, (), f"{invariant.store}: {why}", True, now()))
    return found


async def _at_rest(ask: Ask) -> tuple[list[str], bool]:
    """The rows after they have not changed for REST seconds, and whether that was so. None are at rest at once."""
    rows = await asyncio.to_thread(ask)
    began = since = time.monotonic()
    while rows:
        await asyncio.sleep(_PAUSE)
        again, at = await asyncio.to_thread(ask), time.monotonic()
        if again != rows:
            rows, since = again, at
        elif at - since >= REST:
            return rows, True
        if at - began > PATIENCE:
            return rows, False
    return rows, True


def of_sqlite(url: str, sql: str) -> list[str]:
    """The rows as JSON, sorted. The file is open for reading alone."""
    file = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=SECONDS)) as database:
        ends = time.monotonic() + SECONDS
        database.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
        cursor = database.execute(sql)
        return _rows([column[0] for column in cursor.description or ()], cursor.fetchmany(MOST_ROWS))


def of_postgres(url: str, sql: str) -> list[str]:
    """The rows as JSON, sorted, from a transaction that can only read, as a role that can read no files."""
    import psycopg  # late: only an invariant over PostgreSQL needs it

    options = f"-c default_transaction_read_only=on -c statement_timeout={int(SECONDS * 1000)}"
    with psycopg.connect(url, connect_timeout=int(SECONDS), options=options) as connection:
        connection.execute("SET LOCAL ROLE pg_read_all_data")
        # A prepared statement is one statement. The server bounds its rows.
        cursor = connection.execute(f"SELECT * FROM ({sql}\n) AS found LIMIT {MOST_ROWS}".encode(), prepare=True)
        found = _rows([column.name for column in cursor.description or ()], cursor.fetchall())
        connection.rollback()  # a few functions write all the same
    return found


def _rows(columns: list[str], rows: list[Any]) -> list[str]:
    found = (dict(zip(columns, row, strict=True)) for row in rows)
    return sorted(json.dumps(row, ensure_ascii=False, default=str) for row in found)


def check_invariants(matrix: Matrix) -> None:
    """Raise BadInput for SQL that cannot be right: with file, line and key.

    Of a store the tables are not known before a run, so there only the syntax of SQLite is checked.
    """
    problems = [*_of_stores(matrix), *_of_history(matrix)]
    if problems:
        raise BadInput(problems)


def _of_stores(matrix: Matrix) -> list[Problem]:
    problems = []
    kinds = {store.name: kind_of(store) for store in matrix.stores if store.image is None}
    for invariant in matrix.invariants:
        if kinds.get(invariant.store) != "sqlite":
            continue  # in a container it would be PostgreSQL, which knows another SQL
        with closing(sqlite3.connect(":memory:")) as database:
            try:
                database.execute(f"EXPLAIN {invariant.sql}")
            except sqlite3.Error as error:
                if not str(error).startswith("no such"):
                    problems.append(_problem(matrix, invariant, str(error)))
    return problems


def _of_history(matrix: Matrix) -> list[Problem]:
    invariants = [invariant for invariant in matrix.invariants if not invariant.store]
    if not invariants:
        return []
    from verifier.query.database import Database, WrongQuery  # late: it needs an extra
    from verifier.query.schema import HISTORY

    problems = []
    with Database(tables=HISTORY) as database:
        for invariant in invariants:
            try:
                columns = database.query(invariant.sql).columns
            except WrongQuery as wrong:
                problems.append(_problem(matrix, invariant, str(wrong), wrong.line))
                continue
            if not {"step", "operation"} & set(columns):
                problems.append(
                    _problem(matrix, invariant, "needs a column step or operation, which says where a row is")
                )
    return problems


def _problem(matrix: Matrix, invariant: Invariant, message: str, line: int = 1) -> Problem:
    within = f"in line {line} of the SQL: " if line > 1 else ""
    return Problem(str(matrix.file), invariant.line, invariant.key, within + message)
