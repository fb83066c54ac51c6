"""Stores of the process runtime: a SQLite file, a private PostgreSQL, or any server that a command starts."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.runtime import local, postgres, stores
from verifier.runtime.base import Readiness, StartFailure, StoreSpec
from verifier.runtime.identity import ProcessIdentity
from verifier.runtime.labels import scratch
from verifier.runtime.launch import Job, Launcher
from verifier.runtime.leftovers import mark_folder
from verifier.runtime.ports import LOOPBACK

_WITHIN = 30.0
_QUIT_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class _Store:
    child: local.Child | None
    folders: tuple[Path, ...]
    database: bool = False


class LocalStores:
    """The stores that run now, by name."""

    def __init__(self, run_id: str, owner: ProcessIdentity, launcher: Launcher) -> None:
        self._run = run_id
        self._owner = owner
        self._launcher = launcher
        self._stores: dict[str, _Store] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._stores)

    def check(self, spec: StoreSpec) -> None:
        """Raises BrokenEnvironment for a store that cannot start on this machine."""
        if _kind(spec) == "postgres":
            postgres.binaries(spec.image)

    async def start(self, spec: StoreSpec) -> str:
        """Start an empty store; returns its URL. Raises BrokenEnvironment."""
        kind = _kind(spec)
        spec.directory.mkdir(parents=True, exist_ok=True)
        if any(spec.directory.iterdir()):
            raise BrokenEnvironment(f"store {spec.name}: its directory {spec.directory} is not empty")
        if kind == "sqlite":
            folder = self._folder(spec)
            file = folder / f"{spec.name}.sqlite"
            file.touch()
            self._stores[spec.name] = _Store(None, (spec.directory, folder))
            return f"sqlite:///{file}"
        if kind == "postgres":
            return await self._start_postgres(spec)
        return await self._start_server(spec)

    def _folder(self, spec: StoreSpec) -> Path:
        """The store's own folder among the run's temporary data."""
        mark_folder(self._run, self._owner)
        folder = scratch(self._run) / f"store-{spec.name}"
        if folder.exists():
            raise BrokenEnvironment(f"store {spec.name}: its folder {folder} is not empty")
        folder.mkdir()
        return folder

    async def _start_postgres(self, spec: StoreSpec) -> str:
        programs, account = postgres.binaries(spec.image), postgres.Account.of(spec.environment)
        # Not in the run directory: the server's user need not have access to what is above it.
        mark_folder(self._run, self._owner)
        folder = scratch(self._run) / f"store-{spec.name}"
        await postgres.create(folder, programs, account, self._launcher.environment(spec.environment))
        job = Job(
            command=postgres.server(folder, programs), environment=spec.environment, directory=folder, log=spec.log,
            ready=replace(spec.readiness or Readiness("tcp", "", _WITHIN), kind="tcp"),
            probe=lambda at: stores.postgres_answers(at, account),
        )  # fmt: skip
        port = await self._launch(spec, job, (spec.directory, folder))
        return account.url(LOOPBACK, port)

    async def _start_server(self, spec: StoreSpec) -> str:
        command = shlex.split(spec.process) if isinstance(spec.process, str) else list(spec.process or ())
        ready = spec.readiness or Readiness("tcp", "", _WITHIN)
        job = Job(tuple(command), spec.environment, spec.directory, spec.log, ready)
        port = await self._launch(spec, job, (spec.directory,))
        return stores.url(spec.image, spec.environment, LOOPBACK, port)

    async def _launch(self, spec: StoreSpec, job: Job, folders: tuple[Path, ...]) -> int:
        address, outcome = await self._launcher.start(job)
        if isinstance(outcome, StartFailure):
            raise BrokenEnvironment(f"store {spec.name} did not start: {outcome.detail}\n{outcome.tail}")
        self._stores[spec.name] = _Store(outcome, folders, job.probe is not None)
        return address.port

    async def stop(self, name: str) -> None:
        """Kill the store and remove its data; nothing happens when there is none of that name."""
        store = self._stores.pop(name, None)
        if store is None:
            return
        if store.child is not None:
            # Asked to end at once, a database ends its own workers first, which may have left its group.
            await store.child.stop("SIGQUIT" if store.database else "SIGKILL", _QUIT_WITHIN)
        for folder in store.folders:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _kind(spec: StoreSpec) -> str:
    if not spec.process:
        raise BrokenEnvironment(
            f"store {spec.name} has no `process`, which the process runtime needs: "
            "declare `process: sqlite`, `process: postgres` or a command"
        )
    return spec.process if spec.process == "sqlite" or spec.process == "postgres" else "command"
