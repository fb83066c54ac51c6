"""The container runtime: a private network per path, one container per replica and store."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine, images, processes, testcontainer
from verifier.runtime.base import (
    Address,
    ChildProcess,
    CommandResult,
    CommandSpec,
    Readiness,
    ReplicaSpec,
    StartFailure,
    StoreSpec,
)
from verifier.runtime.container import Container, HostPath
from verifier.runtime.containers import Containers, fill
from verifier.runtime.init_process import Init, explained
from verifier.runtime.labels import checked
from verifier.runtime.local import signal_number
from verifier.runtime.logs import size, tail
from verifier.runtime.readiness import Probe
from verifier.runtime.stores import registered, watch

TIMED_OUT = 124  # as timeout(1) reports it
NOT_FOUND = 127  # as a shell reports it
_STORE_WITHIN = 60.0
_KILLED_WITHIN = 30.0
_BUILDS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class _Store:
    spec: StoreSpec
    container: Container


class DockerRuntime:
    """Replicas in containers. `Runtime` documents every method.

    `directory` is the run directory, for build logs. `command_limit` is the longest time for a one-off command, in
    seconds.
    """

    name = "docker"

    def __init__(self, run_id: str, directory: Path, *, command_limit: float = 300.0) -> None:
        self.run_id = checked(run_id)
        self._directory = directory
        self._limit = command_limit
        self._all = Containers(run_id)
        self._init = Init()
        self._replicas: dict[str, Container] = {}
        self._stores: dict[str, _Store] = {}
        self._lost: Callable[[str], None] = lambda why: None

    def cell(self, name: str) -> DockerRuntime:
        made = DockerRuntime(self.run_id, self._directory, command_limit=self._limit)
        made._all, made._init = Containers(self.run_id, self._all, name), self._init
        return made

    @property
    def gateway_host(self) -> str:
        return self._all.access.bind

    @property
    def gateway_callers(self) -> frozenset[str] | None:
        return self._all.access.callers

    async def open(self) -> None:
        await self._all.open(self._directory / "watcher.log")

    async def provide(self, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> None:
        turn = asyncio.Semaphore(_BUILDS_AT_ONCE)

        async def one(want: images.Wanted) -> None:
            async with turn:
                await self._all.call(images.provide, self._all.client, want, self._directory)

        results = await asyncio.gather(*map(one, images.wanted(replicas, stores)), return_exceptions=True)
        problems = [result for result in results if isinstance(result, BaseException)]
        for problem in problems:
            if not isinstance(problem, BrokenEnvironment):
                raise problem
        if problems:
            raise BrokenEnvironment("\n".join(map(str, problems)))

    async def digests(
        self, versions: Sequence[tuple[ReplicaSpec, Sequence[tuple[str, ...]]]], stores: Sequence[StoreSpec]
    ) -> dict[str, str | None]:
        names = {spec.id: images.name_of(spec) for spec, _ in versions} | {
            spec.name: str(spec.image) for spec in stores
        }

        def identities() -> dict[str, str | None]:
            return {key: str(self._all.client.images.get(name).id) for key, name in names.items()}

        return await self._all.call(identities)

    async def image_digests(self, replicas: tuple[ReplicaSpec, ...]) -> dict[str, tuple[str, ...]]:
        names = [(spec.id, images.name_of(spec)) for spec in replicas]
        return await self._all.call(lambda: {key: images.digests(self._all.client, name) for key, name in names})

    def watch(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._all.alarm.tell(lost)

    async def check_stores(self) -> None:
        await self._all.check_engine()
        await self._all.check_watcher()
        for name, store in list(self._stores.items()):
            log = store.spec.log
            await watch.check(name, self._store_probe(store.spec, store.container, 0), store.container.ended, log)

    def _store_ended(self, name: str, container: Container, status: asyncio.Future[int]) -> None:
        store = self._stores.get(name)  # one that is stopped is forgotten first
        if store is None or store.container is not container or status.cancelled():
            return

        async def tell() -> None:
            try:
                await self._all.check_engine()  # an engine that ends takes the stores with it
            except BrokenEnvironment as broken:
                self._lost(str(broken))
                return
            memory = await self._all.call(container.out_of_memory)
            self._lost(watch.gone(name, status.result(), store.spec.log, memory))

        self._all.later(tell())

    async def start_store(self, spec: StoreSpec) -> str:
        kind = registered.of_store(spec.image, spec.kind)
        port = spec.port or (kind.port if kind is not None else 0)
        if not spec.image or not port:
            missing = "`port`, as its image is not one whose port is known" if spec.image else "`image`"
            raise BrokenEnvironment(f"store {spec.name}: the docker runtime needs {missing}")
        begin = size(spec.log)
        container = await self._all.start(lambda: self._run_store(spec, port), spec.log)
        failure = container if isinstance(container, StartFailure) else None
        if isinstance(container, Container):
            within = spec.readiness.within if spec.readiness else _STORE_WITHIN
            failure = await self._all.ready(container, self._store_probe(spec, container, begin), within, begin)
            if failure is None:
                self._stores[spec.name] = _Store(spec, container)
                container.ended.add_done_callback(partial(self._store_ended, spec.name, container))
        if failure is not None:
            raise BrokenEnvironment(f"store {spec.name} did not start: {failure.detail}\n{failure.tail}")
        return registered.url(spec.image, spec.environment, spec.name, port, spec.kind)

    def _run_store(self, spec: StoreSpec, port: int) -> tuple[str, HostPath]:
        image = str(spec.image)
        config = self._all.client.images.get(image).attrs.get("Config") or {}
        kind = registered.of_store(image, spec.kind)
        identity = testcontainer.run(
            image,
            environment=kind.environment(spec.environment) if kind is not None else dict(spec.environment),
            command=kind.command(config.get("Entrypoint")) if kind is not None else None,
            ports=self._all.published(port),
            # The data of a known store is kept in memory. Volumes of unknown images are not changed.
            tmpfs=dict.fromkeys(config.get("Volumes") or (), "") if kind is not None else {},
            arguments=self._all.arguments(f"store-{spec.name}", aliases=[spec.name]),
        )
        return identity, self._all.place(identity, port)

    def _store_probe(self, spec: StoreSpec, container: Container, begin: int) -> Probe:
        if spec.readiness:
            return self._all.probe(spec.readiness, container, begin)
        kind = registered.of_store(spec.image, spec.kind)
        if kind is None:
            return self._all.probe(Readiness("tcp", ""), container, begin)
        answers = kind.answers(spec.environment)
        return lambda: answers(self._all.address(container))

    def store_url(self, name: str) -> str:
        store = self._stores[name]
        at, spec = self._all.address(store.container), store.spec
        return registered.url(spec.image, spec.environment, at.host, at.port, spec.kind)

    async def seed_store(self, name: str, file: Path) -> None:
        store = self._stores[name]
        kind = registered.of_store(store.spec.image, store.spec.kind)
        if kind is None or kind.load_command is None:
            raise BrokenEnvironment(f"store {name}: only postgres loads a .sql file")
        command = kind.load_command(store.spec.environment, f"/tmp/{file.name}")
        failure = await self._all.call(store.container.loads, file, command)
        if failure:
            raise BrokenEnvironment(f"store {name}: {file}: {failure}")

    def cannot_keep(self) -> str:
        return "stores in containers are not copied"

    async def keep_stores(self, folder: Path) -> bool:
        raise NotImplementedError(self.cannot_keep())

    async def stop_store(self, name: str) -> None:
        store = self._stores.pop(name, None)
        if store is not None:
            await self._all.discard(store.container)
            await self._all.call(lambda: shutil.rmtree(store.spec.directory, ignore_errors=True))

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        begin = size(spec.log)
        container = await self._all.start(lambda: self._run(spec, spec.id, spec.command, spec.port), spec.log)
        if isinstance(container, StartFailure):
            return container
        failure = await self._all.ready(
            container, self._all.probe(spec.readiness, container, begin), spec.readiness.within, begin
        )
        if failure is not None:
            return explained(failure)
        self._replicas[spec.id] = container
        return self._all.address(container)

    def _run(self, spec: ReplicaSpec, name: str, command: tuple[str, ...] | None, port: int) -> tuple[str, HostPath]:
        """Create and start a container. Blocking. Port 0 publishes nothing."""
        access, client = self._all.access, self._all.client
        arguments = self._all.arguments(name)
        arguments["extra_hosts"] = dict.fromkeys(spec.aliases, access.host) | access.names
        arguments["environment"] = {key: access.rewritten(fill(text, spec.port)) for key, text in spec.environment}
        if port:
            arguments["ports"] = self._all.published(port)
        filled = None if command is None else [fill(part, spec.port) for part in command]
        identity = self._init.start(client, images.name_of(spec), filled, arguments)
        try:
            return identity, self._all.place(identity, port)
        except engine.FAILURES:
            client.api.remove_container(identity, v=True, force=True)
            raise

    async def stop(self, replica: str, signal: str, grace: float) -> int | None:
        container = self._replicas.get(replica)
        if container is None:
            return None
        name = signal_number(signal).name
        if not container.ended.done():
            await self._all.call(container.signal, name)
            await asyncio.wait({container.ended}, timeout=_KILLED_WITHIN if name == "SIGKILL" else grace)
        self._replicas.pop(replica, None)
        if not container.ended.done():
            await self._all.discard(container)
            return None
        self._all.later(self._all.discard(container))  # it has ended and its log is complete, so no step needs to wait
        return None if name == "SIGKILL" else container.ended.result()

    async def exited(self, replica: str) -> str | None:
        container = self._replicas.get(replica)
        if container is None:
            return "not started"
        if not container.ended.done() and await self._all.call(container.runs):
            return None
        status = await container.ended
        if status and status > 128:
            await self._all.check_engine()  # an engine that ends takes all containers with it
        memory = ", out of memory" if await self._all.call(container.out_of_memory) else ""
        return f"exited with status {status}{memory}"

    async def child_processes(self, replica: str) -> tuple[ChildProcess, ...] | None:
        container = self._replicas.get(replica)
        return (
            None if container is None else await self._all.call(processes.below_leader, self._all.client, container.id)
        )

    async def pause(self, replica: str) -> bool:
        container = self._replicas.get(replica)
        return container is not None and await self._all.call(container.pause)

    async def resume(self, replica: str) -> None:
        if (container := self._replicas.get(replica)) is not None:
            await self._all.call(container.resume)

    async def command(self, spec: CommandSpec) -> CommandResult:
        begin = size(spec.log)
        container = await self._all.start(lambda: self._run(spec.replica, spec.id, spec.command, 0), spec.log)
        if isinstance(container, StartFailure):
            return CommandResult(NOT_FOUND, container.detail)
        try:
            await asyncio.wait({container.ended}, timeout=self._limit)
            if container.ended.done():
                return CommandResult(container.ended.result(), tail(spec.log, 20, begin))
        finally:
            await self._all.discard(container)
        return CommandResult(TIMED_OUT, f"{tail(spec.log, 20, begin)}\nnot ended within {self._limit:g} s".lstrip())

    async def close(self) -> None:
        containers = [*self._replicas.values(), *(store.container for store in self._stores.values())]
        folders = [store.spec.directory for store in self._stores.values()]
        self._replicas.clear()
        self._stores.clear()
        await self._all.close(containers)
        for folder in folders:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
