"""Templates of stores: what the oldest versions bring to fresh stores is made once, and copied for each path.

A template is the data of all stores of a system after migrations and seeds and before the first replica, with every
server ended in good order. A path starts servers of its own on copies of it, so nothing that it breaks can reach
another path: a shared server would be quicker still, but its accounts, settings and connections belong to all.

Where a store cannot be copied, each path prepares its stores anew, and a note says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from verifier.history.model import Note
from verifier.matrix.model import Matrix
from verifier.rehearsal.environment import store_spec
from verifier.rehearsal.starting import earlier, oldest
from verifier.rehearsal.system import System
from verifier.runtime.fingerprint import of_file, of_folder

_FILES = frozenset({"sqlite", "file", "directory"})  # stores that are made at once


@dataclass(frozen=True, slots=True)
class Made:
    """A template, and what the system that made it knew then."""

    folder: Path
    started: int
    met: frozenset[tuple[str, str]]
    booted: dict[str, float]


@dataclass(slots=True)
class Templates:
    """Those of one command, whose pairs of versions share them. `folder` holds their data until the end."""

    folder: Path
    _made: dict[str, Made | str] = field(default_factory=dict)  # or why there is none
    _locks: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Lock] = field(default_factory=dict)

    async def open(self, system: System, path: str) -> None:
        """Start the stores of a path and make them ready. Raises BrokenEnvironment."""
        key = key_of(system.matrix, system.runtime.name)
        if key is None:
            await start_stores(system, path)
            await system.prepare(path)
            return
        lock = self._locks.setdefault((asyncio.get_running_loop(), key), asyncio.Lock())
        async with lock:
            found = self._made.get(key)
            if found is None:
                await start_stores(system, path)
                await system.prepare(path)
                found = self._made[key] = await self._keep(system, key)
                if isinstance(found, str) and system.stores:
                    return
        if isinstance(found, str):
            await start_stores(system, path)
            await system.prepare(path)
        else:
            await start_stores(system, path, found.folder)
            system.started, system.booted = found.started, dict(found.booted)
            system.met.update(found.met)

    async def _keep(self, system: System, key: str) -> Made | str:
        """The template of a system that is prepared; or why it is none. Its stores have ended, unless they cannot."""
        folder = self.folder / key
        why = system.runtime.cannot_keep()
        if not why:
            system.stores.clear()
            if await system.runtime.keep_stores(folder):
                return Made(folder, system.started, frozenset(system.met), dict(system.booted))
            why = "their data could not be copied"
        if prepares(system.matrix):
            system.record(Note("", "prepared-anew", f"the stores are made ready anew for each path: {why}"))
        return why


async def start_stores(system: System, path: str, template: Path | None = None) -> None:
    """Start fresh stores for one path: empty ones, or with the data of a template."""
    for store in system.matrix.stores:
        folder = system.directory / "stores" / path / store.name
        folder.mkdir(parents=True, exist_ok=True)
        spec = store_spec(store, folder, system.log_of_store(f"{path}-{store.name}"))
        spec = replace(spec, template=template and template / store.name)
        system.stores[store.name] = await system.runtime.start_store(spec)
    system.met.clear()
    system.ended.clear()
    system.started = 0


@contextmanager
def templates(folder: Path) -> Iterator[Templates]:
    """Templates below a folder that does not exist, which is gone afterwards."""
    try:
        yield Templates(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepares(matrix: Matrix) -> bool:
    """Whether anything is done to fresh stores before the first replica starts."""
    commands = any(version.preparation for _, version in oldest(matrix))
    return commands or any(store.seed for store in matrix.stores) or bool(earlier(matrix))


def key_of(matrix: Matrix, runtime: str) -> str | None:
    """What the data of prepared stores follows from, as the name of a folder; None if a template would save nothing."""
    if not matrix.stores or (not prepares(matrix) and all(store.process in _FILES for store in matrix.stores)):
        return None
    chains = [(service, (*service.before, service.old)) for service in matrix.services] if prepares(matrix) else []
    parts = (
        runtime,
        matrix.stores,
        [(_content(store.seed), _content(store.content)) for store in matrix.stores],
        [(service.name, service.port, service.ready, service.kind, service.stop, chain) for service, chain in chains],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _content(file: Path | None) -> str | None:
    if file is None:
        return ""
    return of_folder(file) if file.is_dir() else of_file(file)
