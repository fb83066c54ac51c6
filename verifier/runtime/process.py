"""The embedded runtime: every replica is a local process on loopback, for machines without a container engine."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import psutil

from verifier.errors import BrokenEnvironment
from verifier.runtime import local, postgres, stores
from verifier.runtime.base import Address, CommandResult, CommandSpec, Readiness, ReplicaSpec, StartFailure, StoreSpec
from verifier.runtime.guard import Guard
from verifier.runtime.labels import ENVIRONMENT, OWNER_ENVIRONMENT, checked, scratch
from verifier.runtime.logs import LineSearch, size, tail
from verifier.runtime.owner import Owner
from verifier.runtime.ports import LOOPBACK, Ports, taken
from verifier.runtime.readiness import Probe, http_answers, tcp_answers, until_ready
from verifier.runtime.sweep import kill_processes, mark_folder, remove_folder, until_quiet

TIMED_OUT = 124  # as timeout(1) reports it

_ATTEMPTS = 5
_STORE_WITHIN = 30.0
_CLOSE_WITHIN = 30.0
# Calls inside a run stay on this machine; a proxy in between would only break them.
_PROXIES = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy"}

Attempt = Callable[[int], Awaitable[StartFailure | None]]


@dataclass(frozen=True, slots=True)
class _Store:
    child: local.Child | None
    directory: Path
    folder: Path | None  # data outside the store's directory


class ProcessRuntime:
    """Replicas as local processes; see `Runtime` for the contract of every method.

    `directory` is the run's. `command_limit` (seconds) ends a one-off command that does not end by itself.
    """

    name: Literal["docker", "process"] = "process"

    def __init__(
        self, run_id: str, directory: Path, *, chance: random.Random | None = None, command_limit: float = 300.0
    ) -> None:
        self.run_id = checked(run_id)
        self._directory = directory
        self._ports = Ports(chance or random.Random())
        self._limit = command_limit
        self._owner = Owner.current()
        self._marks = {ENVIRONMENT: run_id, OWNER_ENVIRONMENT: str(self._owner)}
        self._guard: Guard | None = None
        self._replicas: dict[str, local.Child] = {}
        self._stores: dict[str, _Store] = {}
        self._client: httpx.AsyncClient | None = None

    @property
    def gateway_host(self) -> str:
        return LOOPBACK

    async def open(self) -> None:
        self._guard = await Guard.start(self.run_id, self._owner, self._directory / "watcher.log", engine=False)
        self._client = httpx.AsyncClient(trust_env=False, verify=False)

    async def provide(self, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> None:
        for spec in replicas:
            self._find(_command(spec), spec, f"{spec.service} {spec.version}")
        for store in stores:
            if _kind(store) == "postgres":
                postgres.binaries(store.image)

    def _find(self, command: Sequence[str], spec: ReplicaSpec, whose: str) -> None:
        path = self._environment(spec.environment, 0)["PATH"]
        program = spec.directory / command[0] if "/" in command[0] else command[0]
        if shutil.which(program, path=path) is None:
            raise BrokenEnvironment(f"{whose}: the program {command[0]!r} is not on this machine")

    async def start_store(self, spec: StoreSpec) -> str:
        kind = _kind(spec)
        spec.directory.mkdir(parents=True, exist_ok=True)
        if any(spec.directory.iterdir()):
            raise BrokenEnvironment(f"store {spec.name}: its directory {spec.directory} is not empty")
        if kind == "sqlite":
            file = (spec.directory / f"{spec.name}.sqlite").absolute()
            file.touch()
            self._stores[spec.name] = _Store(None, spec.directory, None)
            return f"sqlite:///{file}"
        if kind == "postgres":
            return await self._start_postgres(spec)
        return await self._start_server(spec)

    async def _start_postgres(self, spec: StoreSpec) -> str:
        programs, account = postgres.binaries(spec.image), postgres.Account.of(spec.environment)
        # Not in the run directory: the server's user need not have access to what is above it.
        folder = scratch(self.run_id) / f"store-{spec.name}"
        mark_folder(self.run_id, self._owner)
        environment = self._environment(spec.environment, 0)
        await postgres.create(folder, programs, account, environment)

        async def attempt(port: int) -> StartFailure | None:
            child = await self._spawn(postgres.server(folder, programs, port), environment, folder, spec.log)

            async def accepts() -> bool:
                return await stores.postgres_answers(Address(LOOPBACK, port), account) and _serves(child.pid, port)

            failure = await self._wait(child, accepts, _STORE_WITHIN, spec.log, 0)
            if failure is None:
                self._stores[spec.name] = _Store(child, spec.directory, folder)
            return failure

        port, failure = await self._on_free_port(attempt)
        if failure is not None:
            raise BrokenEnvironment(f"store {spec.name} did not start: {failure.detail}\n{failure.tail}")
        return account.url(LOOPBACK, port)

    async def _start_server(self, spec: StoreSpec) -> str:
        declared = spec.process
        command = shlex.split(declared) if isinstance(declared, str) else list(declared or ())
        ready = spec.readiness or Readiness("tcp", "", _STORE_WITHIN)

        async def attempt(port: int) -> StartFailure | None:
            begin = size(spec.log)
            filled = [_fill(part, port).replace("{dir}", str(spec.directory.absolute())) for part in command]
            environment = self._environment(spec.environment, port)
            try:
                child = await self._spawn(filled, environment, spec.directory, spec.log)
            except OSError as error:
                return StartFailure("exited", f"{filled[0]!r} cannot be started: {error.strerror}", "")
            probe = self._probe(ready, child, port, environment, spec.directory, spec.log, begin)
            failure = await self._wait(child, probe, ready.within, spec.log, begin)
            if failure is None:
                self._stores[spec.name] = _Store(child, spec.directory, None)
            return failure

        port, failure = await self._on_free_port(attempt)
        if failure is not None:
            raise BrokenEnvironment(f"store {spec.name} did not start: {failure.detail}\n{failure.tail}")
        return stores.url(spec.image, spec.environment, LOOPBACK, port)

    async def stop_store(self, name: str) -> None:
        store = self._stores.pop(name, None)
        if store is None:
            return
        if store.child is not None:
            await store.child.kill()
        for folder in (store.directory, store.folder):
            if folder is not None:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        command = _command(spec)

        async def attempt(port: int) -> StartFailure | None:
            begin = size(spec.log)
            environment = self._environment(spec.environment, port)
            try:
                child = await self._spawn(
                    [_fill(part, port) for part in command], environment, spec.directory, spec.log
                )
            except OSError as error:
                return StartFailure("exited", f"{command[0]!r} cannot be started: {error.strerror}", "")
            probe = self._probe(spec.readiness, child, port, environment, spec.directory, spec.log, begin)
            failure = await self._wait(child, probe, spec.readiness.within, spec.log, begin)
            if failure is None:
                self._replicas[spec.id] = child
            return failure

        port, failure = await self._on_free_port(attempt)
        return failure or Address(LOOPBACK, port)

    async def _on_free_port(self, attempt: Attempt) -> tuple[int, StartFailure | None]:
        """Try on a free port, and on another one when somebody was faster to bind it."""
        for left in reversed(range(_ATTEMPTS)):
            port = self._ports.take()
            failure = await attempt(port)
            if failure is None or not left or not _lost_race(failure, port):
                break
        return port, failure

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
        return f"exited with status {child.ended.result()}" if child.ended.done() else None

    async def command(self, spec: CommandSpec) -> CommandResult:
        begin = size(spec.log)
        filled = [_fill(part, spec.replica.port) for part in spec.command]
        environment = self._environment(spec.replica.environment, spec.replica.port)
        try:
            child = await self._spawn(filled, environment, spec.replica.directory, spec.log)
        except OSError as error:
            return CommandResult(127, f"{filled[0]!r} cannot be started: {error.strerror}")
        try:
            await asyncio.wait({child.ended}, timeout=self._limit)
            if child.ended.done():
                return CommandResult(child.ended.result(), tail(spec.log, 20, begin))
        finally:
            await child.kill()
        return CommandResult(TIMED_OUT, f"{tail(spec.log, 20, begin)}\nnot ended within {self._limit:g} s".lstrip())

    async def close(self) -> None:
        for child in (*self._replicas.values(), *(store.child for store in self._stores.values() if store.child)):
            await child.kill()
        self._replicas.clear()
        for name in tuple(self._stores):
            await self.stop_store(name)
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        await asyncio.to_thread(until_quiet, [lambda: kill_processes(self.run_id)], 0.0, _CLOSE_WITHIN)
        await asyncio.to_thread(remove_folder, self.run_id)
        if self._guard is not None:
            await self._guard.dismiss()
            self._guard = None

    def _environment(self, declared: Sequence[tuple[str, str]], port: int) -> dict[str, str]:
        """This process's environment, then what is declared; `python` is the interpreter that runs the verifier."""
        values = {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
        values["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), values.get("PATH", os.defpath)])
        values.setdefault("PYTHONUNBUFFERED", "1")  # a killed replica's last words are evidence
        values.update((name, _fill(value, port)) for name, value in declared)
        return values | self._marks

    async def _spawn(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path
    ) -> local.Child:
        child = await local.spawn(command, dict(environment), directory, log)
        guard = self._guard
        if guard is not None:
            guard.note(child.pid)
            child.ended.add_done_callback(lambda _: guard.forget(child.pid))
        return child

    async def _wait(
        self, child: local.Child, probe: Probe, within: float, log: Path, begin: int
    ) -> StartFailure | None:
        """Wait for readiness; unless it is reached, nothing of the child is left."""
        failure: StartFailure | None = None
        ready = False
        try:
            failure = await until_ready(probe, child.ended, within, log, begin)
            ready = failure is None
        finally:
            if not ready:
                await child.kill()
        return failure

    def _probe(
        self, ready: Readiness, child: local.Child, port: int, environment: dict[str, str],
        directory: Path, log: Path, begin: int,
    ) -> Probe:  # fmt: skip
        address, value = Address(LOOPBACK, port), ready.value

        async def http() -> bool:
            if self._client is None:
                raise BrokenEnvironment("the process runtime was used before it was opened")
            return await http_answers(self._client, address, value) and _serves(child.pid, port)

        async def tcp() -> bool:
            return await tcp_answers(address) and _serves(child.pid, port)

        async def command() -> bool:
            inner = await local.spawn(["/bin/sh", "-c", _fill(value, port)], environment, directory, Path(os.devnull))
            try:
                return await asyncio.shield(inner.ended) == 0
            finally:
                await inner.kill()

        search = LineSearch(log, value, begin) if ready.kind == "log" else None

        async def line() -> bool:
            return search is not None and search.found()

        return {"http": http, "tcp": tcp, "command": command, "log": line}[ready.kind]


def _command(spec: ReplicaSpec) -> tuple[str, ...]:
    if not spec.command:
        raise BrokenEnvironment(
            f"{spec.service} {spec.version} has no `command`, which the process runtime needs; "
            "declare one or use the docker runtime"
        )
    return spec.command


def _kind(spec: StoreSpec) -> str:
    if not spec.process:
        raise BrokenEnvironment(
            f"store {spec.name} has no `process`, which the process runtime needs: "
            "declare `process: sqlite`, `process: postgres` or a command"
        )
    return spec.process if spec.process == "sqlite" or spec.process == "postgres" else "command"


def _fill(text: str, port: int) -> str:
    return text.replace("{port}", str(port)).replace("{host}", LOOPBACK)


def _lost_race(failure: StartFailure, port: int) -> bool:
    """Whether it ended because somebody else took the port between choosing and binding it."""
    if failure.reason != "exited":
        return False
    said = "in use" in failure.tail.lower() and str(port) in failure.tail
    return said or taken(port, after_close=True)


def _serves(leader: int, port: int) -> bool:
    """Whether the port is listened on by the leader's session, and not by a stranger who was faster.

    True where the machine does not let this process see it.
    """
    hidden = False
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != leader:
                continue
            connections = process.net_connections("tcp")
        except psutil.AccessDenied:
            hidden = True
            continue
        except (psutil.Error, OSError):
            continue
        if any(at.status == psutil.CONN_LISTEN and at.laddr and at.laddr.port == port for at in connections):
            return True
    return hidden
