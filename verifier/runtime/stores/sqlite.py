"""A SQLite file, for the process runtime."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.files import read_text
from verifier.runtime.base import Environment, StoreSpec
from verifier.runtime.stores.kind import LocalStore, StoreKind


async def local(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    folder = own_folder()
    folder.mkdir(exist_ok=True)
    file = folder / f"{spec.name}.sqlite"
    file.touch()
    return LocalStore(None, lambda port: f"sqlite:///{file}", lasting="")


async def load(spec: StoreSpec, url: str, file: Path) -> None:
    def run() -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            database.executescript(read_text(file))

    try:
        await asyncio.to_thread(run)
    except (OSError, UnicodeDecodeError, sqlite3.Error) as error:
        raise BrokenEnvironment(str(error)) from None


SQLITE = StoreKind("sqlite", local=local, load=load, parts=("url", "path", "database"))
