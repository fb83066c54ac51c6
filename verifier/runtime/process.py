"""The process runtime: every replica is a local process on loopback. It needs no container engine."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from verifier.errors import BrokenEnvironment, shortage
from verifier.runtime import fingerprint, local
from verifier.runtime.base import (
    Address,
    ChildProcess,
    CommandResult,
    CommandSpec,
    ReplicaSpec,
    StartFailure,
    StoreSpec,
)
from verifier.runtime.identity import ProcessIdentity
from verifier.runtime.job import Job
from verifier.runtime.labels import checked
from verifier.runtime.launch import Launcher, fill
from verifier.runtime.leftovers import kill_processes, remove_folder, until_quiet
from verifier.runtime.logs import size, tail
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.stores.local import LocalStores

TIMED_OUT = 124  # as timeout(1) reports it
NOT_FOUND = 127  # as a shell reports it
_CLOSE_WITHIN = 30.0


class ProcessRuntime:
    """Replicas as local processes. `Runtime` documents every method.

    `directory` is the run directory. `command_limit` is the longest time for a one-off command, in seconds. Exit codes
    are those of a shell: 128 + n after signal n.
    """

    name = "process"

    def __init__(
        self, run_id: str, directory: Path, *, chance: random.Random | None = None, command_limit: float = 300.0
    ) -> None:
        self.run_id = checked(run_id)
        self._directory = directory
        self._limit = command_limit
        self._owner = ProcessIdentity.current()
        self._launcher = Launcher(run_id, self._owner, chance or random.Random())
        self._stores = LocalStores(run_id, self._owner, self._launcher)
        self._replicas: dict[str, local.Child] = {}
        self._is_cell = False

    def cell(self, name: str) -> ProcessRuntime:
        made = ProcessRuntime(self.run_id, self._directory, command_limit=self._limit)
        made._launcher = self._launcher
        made._stores = LocalStores(self.run_id, self._owner, self._launcher, f"{name}-")
        made._is_cell = True
        return made

    @property
    def gateway_host(self) -> str:
        return LOOPBACK

    @property
    def gateway_callers(self) -> frozenset[str] | None:
        return None

    async def open(self) -> None:
        if not self._is_cell:
            await self._launcher.open(self._directory / "watcher.log")

    async def provide(self, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> None:
        for spec in replicas:
            program = _command(spec)[0]
            found = str(spec.directory / program) if "/" in program else program
            if shutil.which(found, path=self._launcher.environment(spec.environment)["PATH"]) is None:
                raise BrokenEnvironment(
                    f"{spec.service} {spec.version}: the program {program!r} is not on this machine"
                )
        for store in stores:
            self._stores.check(store)

    async def digests(
        self, versions: Sequence[tuple[ReplicaSpec, Sequence[tuple[str, ...]]]], stores: Sequence[StoreSpec]
    ) -> dict[str, str | None]:
        search = self._launcher.environment(())["PATH"]
        folders: dict[Path, str | None] = {}
        found = {spec.id: fingerprint.of_version(spec, commands, search, folders) for spec, commands in versions}
        return found | {store.name: fingerprint.of_store(store, search, folders) for store in stores}

    def watch(self, lost: Callable[[str], None]) -> None:
        self._stores.lost = lost
        self._launcher.alarm.tell(lost)

    async def check_stores(self) -> None:
        await self._launcher.check_watcher()
        await self._stores.answering()

    async def start_store(self, spec: StoreSpec) -> str:
        return await self._stores.start(spec)

    async def seed_store(self, name: str, file: Path) -> None:
        await self._stores.seed(name, file)

    def cannot_keep(self) -> str:
        return self._stores.cannot_keep()

    async def keep_stores(self, folder: Path) -> bool:
        return await self._stores.keep(folder)

    async def stop_store(self, name: str) -> None:
        await self._stores.stop(name)

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        job = Job(_command(spec), spec.environment, spec.directory, spec.log, spec.readiness)
        address, outcome = await self._launcher.start(job)
        if isinstance(outcome, StartFailure):
            return outcome
        self._replicas[spec.id] = outcome
        return address

    async def stop(self, replica: str, signal: str, grace: float) -> int | None:
        child = self._replicas.get(replica)
        if child is None:
            return None
        code = await child.stop(signal, grace)
        self._replicas.pop(replica, None)
        return code

    async def exited(self, replica: str) -> str | None:
        child = self._replicas.get(replica)
        if child is None:
            return "not started"
        return None if child.runs() else f"exited with status {await child.result()}"

    async def child_processes(self, replica: str) -> tuple[ChildProcess, ...] | None:
        child = self._replicas.get(replica)
        return None if child is None else await child.below()

    async def pause(self, replica: str) -> bool:
        child = self._replicas.get(replica)
        return child is not None and await child.pause()

    async def resume(self, replica: str) -> None:
        if (child := self._replicas.get(replica)) is not None:
            child.resume()

    async def command(self, spec: CommandSpec) -> CommandResult:
        begin, port = size(spec.log), spec.replica.port
        filled = [fill(part, port) for part in spec.command]
        environment = self._launcher.environment(spec.replica.environment, port)
        try:
            child = await self._launcher.spawn(filled, environment, spec.replica.directory, spec.log)
        except OSError as error:
            if why := shortage(error):
                raise BrokenEnvironment(f"{filled[0]!r} cannot be started: {why}") from None
            return CommandResult(NOT_FOUND, f"{filled[0]!r} cannot be started: {error.strerror}")
        try:
            await asyncio.wait({child.ended}, timeout=self._limit)
            if child.ended.done():
                return CommandResult(child.ended.result(), tail(spec.log, 20, begin))
        finally:
            await child.kill()
        return CommandResult(TIMED_OUT, f"{tail(spec.log, 20, begin)}\nnot ended within {self._limit:g} s".lstrip())

    async def close(self) -> None:
        await asyncio.gather(*(child.kill() for child in self._replicas.values()))
        self._replicas.clear()
        for name in self._stores.names:
            await self._stores.stop(name)
        if self._is_cell:
            return
        # Processes that left their session, and those that a cancelled start has just created.
        await asyncio.to_thread(until_quiet, [lambda: kill_processes(self.run_id)], 0.0, _CLOSE_WITHIN)
        await asyncio.to_thread(remove_folder, self.run_id)
        await self._launcher.close()


def _command(spec: ReplicaSpec) -> tuple[str, ...]:
    if not spec.command:
        raise BrokenEnvironment(
            f"{spec.service} {spec.version} has no `command`, which the process runtime needs; "
            "declare one or use the docker runtime"
        )
    return spec.command
