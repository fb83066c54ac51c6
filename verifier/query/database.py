"""The tables of a run as a database that can only be read, in bounded time and memory.

The queries run in a process of their own (`worker.py`), because a query can hang or use up memory in ways that nothing
inside a process can stop. The rows go there in files, which it reads a hundred times as fast as single inserts.
"""

from __future__ import annotations

import importlib.util
import json
import select
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from verifier.errors import BadInput
from verifier.history.line import storable
from verifier.query.schema import TABLES, Table

SECONDS = 30.0  # of one query
LOADING = 300.0  # seconds to load the tables
_MORE = 5.0  # seconds in which a query that is told to end must do so


class WrongQuery(Exception):
    """A query that is no single SELECT, names something unknown, or takes too much. `line` is its own, from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Result:
    """`rows` hold values of JSON; dates and decimals are texts. `cut_off`: there are more rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut_off: bool = False


@dataclass(slots=True)
class Database:
    """The given rows of tables, by name. To be closed, which `with` does. Raises BadInput without DuckDB."""

    rows: Mapping[str, Iterable[dict[str, Any]]] = field(default_factory=dict)
    tables: Sequence[Table] = TABLES
    _folder: TemporaryDirectory[str] = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        if not _has_duckdb():
            raise BadInput.one("verifier", "a query needs duckdb: pip install 'mixed-version-verifier[query]'")
        self._folder = TemporaryDirectory(prefix="verifier-query-")
        for table in self.tables:
            names = [column.name for column in table.columns]
            with (Path(self._folder.name) / f"{table.name}.jsonl").open("wb") as lines:
                for entry in self.rows.get(table.name, ()):
                    lines.write(_line({name: entry.get(name) for name in names}))

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._end()
        self._folder.cleanup()

    def check(self, sql: str) -> None:
        """Raise WrongQuery if the query is no SELECT, or names a table or a column that does not exist."""
        self._ask(sql, True, SECONDS)

    def query(self, sql: str, seconds: float = SECONDS) -> Result:
        """The rows of one SELECT. Raises WrongQuery."""
        told = self._ask(sql, False, seconds)
        return Result(tuple(told["columns"]), tuple(map(tuple, told["rows"])), told["cut_off"])

    def _ask(self, sql: str, only_check: bool, seconds: float) -> dict[str, Any]:
        try:
            sql.encode()
        except UnicodeEncodeError:
            raise WrongQuery("is not UTF-8 text") from None
        process = self._started()
        assert process.stdin is not None
        asked = {"sql": sql, "only_check": only_check, "seconds": seconds}
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
        told = self._line(process, seconds + _MORE)
        if told is None:
            slow = process.poll() is None
            self._end()
            raise WrongQuery(f"takes longer than {seconds:g} s" if slow else "needs too much memory")
        if "wrong" in told:
            raise WrongQuery(told["wrong"], told["line"])
        return told

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-m", "verifier.query.worker", self._folder.name]
            self._process = subprocess.Popen(
                [*command, *(table.name for table in self.tables)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            if self._line(self._process, LOADING) is None:
                self._end()
                raise WrongQuery("the history is too large to be loaded")
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
        """What the process says next; None if it ends, or says nothing for so long."""
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], seconds)[0]:
            return None
        line = process.stdout.readline()
        told: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return told

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    if stream is not None:
                        stream.close()
            self._process = None


def _has_duckdb() -> bool:
    try:
        return importlib.util.find_spec("duckdb") is not None
    except ValueError:  # somebody has forbidden it
        return False


def _line(row: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(row) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode(storable(row)) + b"\n"
