"""Data of stores that is kept and copied: each copy has all of it, and what one of them breaks reaches no other."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from verifier.runtime.base import StoreSpec

CREATE = '{"name": "S", "subjects": ["kept.>"]}'


def told(url: str, sent: str, last: bytes = b"+OK\r\n+OK") -> str:
    """What a server with a protocol of lines says to these bytes, until it ends or has said the last of it."""
    at = urlsplit(url)
    with socket.create_connection((str(at.hostname), int(at.port or 0)), timeout=10) as connection:
        connection.sendall(sent.encode())
        found = b""
        while last not in found and (part := connection.recv(4096)):
            found += part
    return found.decode()


def postgres(url: str, sql: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(sql)  # type: ignore[call-overload]
        return str(found.fetchall()) if found.description else ""


def sqlite(url: str, sql: str) -> str:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        return str(database.execute(sql).fetchall())


def file(url: str, text: str) -> str:
    place = Path(urlsplit(url).path)
    before = place.read_text()
    place.write_text(text or before)
    return before


def nats(url: str, subject: str) -> str:
    body = CREATE if "CREATE" in subject else ""
    return told(url, f"CONNECT {{}}\r\nSUB inbox 1\r\nPUB {subject} inbox {len(body)}\r\n{body}\r\n", b"_response")


@dataclass(frozen=True)
class Kind:
    """How a kind of store is used: what writes, what breaks, what reads, and what the reading shows of the data."""

    process: str
    program: str
    ask: Callable[[str, str], str]
    write: str
    break_: str
    read: str
    shown: str


KINDS = (
    Kind("postgres", "psql", postgres, "create table t as select 7 as x", "drop table t", "select x from t", "[(7,)]"),
    Kind("redis", "redis-server", told, "SET k kept\r\nQUIT\r\n", "FLUSHALL\r\nQUIT\r\n", "GET k\r\nQUIT\r\n", "kept"),
    Kind(
        "nats", "nats-server", nats, "$JS.API.STREAM.CREATE.S", "$JS.API.STREAM.DELETE.S", "$JS.API.STREAM.NAMES", '"S"'
    ),
    Kind("sqlite", "sh", sqlite, "create table t as select 7 as x", "drop table t", "select x from t", "[(7,)]"),
    Kind("file", "sh", file, "kept", "broken", "", "kept"),
)


def spec(world: Any, cell: str, kind: Kind, template: Path | None = None) -> StoreSpec:
    folder = world.directory / f"{cell}-{template is not None}"
    made = StoreSpec("db", None, kind.process, (), None, None, folder / "db", folder / "db.log")
    return replace(made, template=template)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.process)
def test_each_copy_has_the_data_and_breaks_no_other(kind: Kind, process_world: Any, tmp_path: Path) -> None:
    if shutil.which(kind.program) is None:
        pytest.skip(f"{kind.program} is not on this machine")

    async def scenario() -> None:
        kept = tmp_path / "templates" / "x"
        async with process_world.opened() as runtime:
            maker, first, second = (runtime.cell(name) for name in ("maker", "first", "second"))
            url = await maker.start_store(spec(process_world, "maker", kind))
            await asyncio.to_thread(kind.ask, url, kind.write)
            assert maker.cannot_keep() == ""
            assert await maker.keep_stores(kept)
            begun = spec(process_world, "first", kind, kept / "db"), spec(process_world, "second", kind, kept / "db")
            broken = await first.start_store(begun[0])
            assert kind.shown in await asyncio.to_thread(kind.ask, broken, kind.read)
            await asyncio.to_thread(kind.ask, broken, kind.break_)
            whole = await second.start_store(begun[1])
            assert kind.shown in await asyncio.to_thread(kind.ask, whole, kind.read)
            # Its own server, too, may start from what it has kept.
            again = await maker.start_store(spec(process_world, "maker", kind, kept / "db"))
            assert kind.shown in await asyncio.to_thread(kind.ask, again, kind.read)
            for cell in (maker, first, second):
                await cell.check_stores()
                await cell.close()

    asyncio.run(scenario())


def test_a_store_that_cannot_be_copied_goes_on(process_world: Any) -> None:
    command = ("sh", "-c", "python3 -m http.server --bind 127.0.0.1 $0", "{port}")

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            folder = process_world.directory / "store"
            made = StoreSpec("files", None, command, (), None, None, folder / "files", folder / "files.log")
            await runtime.start_store(made)
            assert runtime.cannot_keep() == "files cannot be copied"
            await runtime.check_stores()

    asyncio.run(scenario())
