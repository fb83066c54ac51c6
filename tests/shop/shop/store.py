"""One database for both services: PostgreSQL, or a SQLite file that several processes share.

SQL is written once, with `?` for parameters. Rows come back as tuples. Transactions are short: none is open while
another service is called.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import psycopg

BUSY_SECONDS = 10.0
DATABASE_ERRORS = (psycopg.Error, sqlite3.Error)
T = TypeVar("T")


class Rows(Protocol):
    """What is left of a statement."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Session(Protocol):
    """A connection, as the shop's SQL sees it."""

    postgres: bool

    def run(self, sql: str, values: Sequence[object] = ()) -> Rows: ...

    def begin(self, write: bool) -> None: ...

    def end(self, commit: bool) -> None: ...

    @property
    def usable(self) -> bool: ...

    def close(self) -> None: ...


class PostgresSession:
    postgres = True

    def __init__(self, url: str) -> None:
        # Migrations change tables under live connections: a server-side plan would outlive its table.
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=None, connect_timeout=5)

    def run(self, sql: str, values: Sequence[object] = ()) -> Rows:
        return self._connection.execute(sql.replace("?", "%s"), tuple(values))

    def begin(self, write: bool) -> None:
        self._connection.execute("BEGIN")

    def end(self, commit: bool) -> None:
        self._connection.execute("COMMIT" if commit else "ROLLBACK")

    @property
    def usable(self) -> bool:
        idle = psycopg.pq.TransactionStatus.IDLE
        return not self._connection.closed and self._connection.info.transaction_status == idle

    def close(self) -> None:
        self._connection.close()


class SqliteSession:
    postgres = False

    def __init__(self, file: str) -> None:
        self._connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def journal_ahead(self) -> None:
        """Switch to a write-ahead log. SQLite does not wait for its lock here, so a race is tried again."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def run(self, sql: str, values: Sequence[object] = ()) -> Rows:
        return self._connection.execute(sql, tuple(values))

    def begin(self, write: bool) -> None:
        # A transaction that reads first and writes later cannot wait for the lock: it takes it at the start.
        self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")

    def end(self, commit: bool) -> None:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT" if commit else "ROLLBACK")

    @property
    def usable(self) -> bool:
        return not self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()


class Store:
    """A pool of connections to one database; every method may be called from any thread."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._idle: list[Session] = []
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self, write: bool = True) -> Iterator[Session]:
        """Commits at the end of the block, rolls back if it raises."""
        session = self._take()
        try:
            session.begin(write)
            try:
                yield session
            except BaseException:
                session.end(commit=False)
                raise
            session.end(commit=True)
        finally:
            self._give(session)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """One statement of its own, such as a read or a conditional update with RETURNING."""
        session = self._take()
        try:
            return session.run(sql, values).fetchall()
        finally:
            self._give(session)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _take(self) -> Session:
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if session.usable:
                    return session
                session.close()
        return self._connect()

    def _give(self, session: Session) -> None:
        if session.usable:
            with self._lock:
                self._idle.append(session)
        else:
            session.close()


def open_store(url: str) -> Store:
    """A store for `postgresql://...` or `sqlite:////absolute/file`. Raises ValueError for any other URL."""
    if url.startswith(("postgresql://", "postgres://")):
        return Store(lambda: PostgresSession(url))
    if url.startswith("sqlite:///"):
        file = url.removeprefix("sqlite:///")
        first = SqliteSession(file)
        first.journal_ahead()
        first.close()
        return Store(lambda: SqliteSession(file))
    raise ValueError(f"DATABASE_URL must begin with postgresql:// or sqlite:///, not {url!r}")


def patiently(action: Callable[[], T], seconds: float = 15.0) -> T:
    """Do it again while the database is not there yet, as at the start of a whole system."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except (psycopg.OperationalError, sqlite3.OperationalError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
