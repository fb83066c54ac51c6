"""The container runtime: a private network per run, one container per replica and store."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import docker
import httpx
from docker.errors import APIError, NotFound
from docker.types import LogConfig

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine, images, reach, stores, testcontainer
from verifier.runtime.base import Address, CommandResult, CommandSpec, Readiness, ReplicaSpec, StartFailure, StoreSpec
from verifier.runtime.box import Box, Place
from verifier.runtime.guard import Guard
from verifier.runtime.labels import LABEL, OWNER_LABEL, checked
from verifier.runtime.logs import LineSearch, size, tail
from verifier.runtime.owner import Owner
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.readiness import Probe, http_answers, tcp_answers, until_ready
from verifier.runtime.sweep import until_quiet

TIMED_OUT = 124  # as timeout(1) reports it

_T = TypeVar("_T")
_ATTEMPTS = 3
_STORE_WITHIN = 60.0
_KILLED_WITHIN = 30.0
_CLOSE_WITHIN = 60.0
_PROXY_HOLDS = 0.15
_BUILDS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class _Store:
    box: Box
    directory: Path


class DockerRuntime:
    """Replicas as containers; see `Runtime` for the contract of every method.

    `directory` is the run's, for build logs. `command_limit` (seconds) ends a one-off command that does not end.
    """

    name: Literal["docker", "process"] = "docker"

    def __init__(self, run_id: str, directory: Path, *, command_limit: float = 300.0) -> None:
        self.run_id = checked(run_id)
        self._directory = directory
        self._limit = command_limit
        self._owner = Owner.current()
        self._labels = {LABEL: run_id, OWNER_LABEL: str(self._owner)}
        self._network = f"verifier-{run_id}"
        self._names: dict[str, int] = {}
        self._replicas: dict[str, Box] = {}
        self._stores: dict[str, _Store] = {}
        self._guard: Guard | None = None
        self._engine: docker.DockerClient | None = None
        self._http: httpx.AsyncClient | None = None
        self._reach: reach.Reach | None = None
        self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="engine")
        self._calls: set[asyncio.Future[Any]] = set()

    @property
    def gateway_host(self) -> str:
        return self._reached.bind

    @property
    def _reached(self) -> reach.Reach:
        if self._reach is None:
            raise BrokenEnvironment("the docker runtime was used before it was opened")
        return self._reach

    @property
    def _client(self) -> docker.DockerClient:
        if self._engine is None:
            raise BrokenEnvironment("the docker runtime was used before it was opened")
        return self._engine

    async def open(self) -> None:
        self._engine = await self._call(engine.connect)
        self._guard = await Guard.start(self.run_id, self._owner, self._directory / "watcher.log", engine=True)
        self._http = httpx.AsyncClient(trust_env=False, verify=False)
        self._reach = await self._call(self._make_network)

    def _make_network(self) -> reach.Reach:
        try:
            network = self._client.networks.create(
                self._network, driver="bridge", labels=self._labels,
                options={"com.docker.network.bridge.host_binding_ipv4": LOOPBACK},
            )  # fmt: skip
            network.reload()
            return reach.of(network.attrs, str(self._client.info().get("OperatingSystem", "")))
        except engine.FAILURES as error:
            raise BrokenEnvironment(f"no network for the run: {engine.reason(error)}") from None

    async def provide(self, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> None:
        turn = asyncio.Semaphore(_BUILDS_AT_ONCE)

        async def one(want: images.Wanted) -> None:
            async with turn:
                await self._call(images.provide, self._client, want, self._directory)

        results = await asyncio.gather(*map(one, images.wanted(replicas, stores)), return_exceptions=True)
        problems = [result for result in results if isinstance(result, BaseException)]
        for problem in problems:
            if not isinstance(problem, BrokenEnvironment):
                raise problem
        if problems:
            raise BrokenEnvironment("\n".join(map(str, problems)))

    async def start_store(self, spec: StoreSpec) -> str:
        port = spec.port or stores.PORTS.get(stores.family(spec.image) or "", 0)
        if not spec.image or not port:
            missing = "`port`, as its image is not one whose port is known" if spec.image else "`image`"
            raise BrokenEnvironment(f"store {spec.name}: the docker runtime needs {missing}")
        begin = size(spec.log)
        box = await self._start_box(lambda: self._run_store(spec, port), spec.log)
        if isinstance(box, StartFailure):
            raise BrokenEnvironment(f"store {spec.name} did not start: {box.detail}\n{box.tail}")
        ready = spec.readiness
        probe = self._probe(ready, box, begin) if ready else self._store_probe(spec, box)
        failure = await self._wait(box, probe, ready.within if ready else _STORE_WITHIN, begin)
        if failure is not None:
            raise BrokenEnvironment(f"store {spec.name} did not start: {failure.detail}\n{failure.tail}")
        self._stores[spec.name] = _Store(box, spec.directory)
        return stores.url(spec.image, spec.environment, spec.name, port)

    def _run_store(self, spec: StoreSpec, port: int) -> tuple[str, Place]:
        image = str(spec.image)
        config = self._client.images.get(image).attrs.get("Config") or {}
        known = stores.family(image) is not None
        identity = testcontainer.run(
            image,
            environment=stores.environment(image, spec.environment),
            command=stores.command(image, config.get("Entrypoint")),
            ports=_published(port),
            # A throw-away store needs no disk; what an unknown image keeps in its volumes stays as it is.
            tmpfs=dict.fromkeys(config.get("Volumes") or (), "") if known else {},
            arguments=self._arguments(f"store-{spec.name}", aliases=[spec.name]),
        )
        return identity, self._place(identity, port)

    def _store_probe(self, spec: StoreSpec, box: Box) -> Probe:
        answers = stores.answers(spec.image, spec.environment)
        return lambda: answers(box.place.inner if self._reached.direct else box.place.published)

    async def stop_store(self, name: str) -> None:
        store = self._stores.pop(name, None)
        if store is not None:
            await self._discard(store.box)
            await self._call(lambda: shutil.rmtree(store.directory, ignore_errors=True))

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        begin = size(spec.log)
        box = await self._start_box(lambda: self._run_replica(spec, spec.id, spec.command, spec.port), spec.log)
        if isinstance(box, StartFailure):
            return box
        failure = await self._wait(box, self._probe(spec.readiness, box, begin), spec.readiness.within, begin)
        if failure is not None:
            return failure
        self._replicas[spec.id] = box
        return box.place.inner if self._reached.direct else box.place.published

    def _run_replica(
        self, spec: ReplicaSpec, name: str, command: tuple[str, ...] | None, port: int
    ) -> tuple[str, Place]:
        environment = {key: self._reached.rewritten(_fill(text, spec.port)) for key, text in spec.environment}
        hosts = dict.fromkeys(spec.aliases, self._reached.host)
        if not self._reached.direct:
            hosts[reach.HOST_NAME] = self._reached.host
        arguments = self._arguments(name)
        arguments.update(extra_hosts=hosts, environment=environment)
        if port:
            arguments["ports"] = _published(port)
        filled = None if command is None else [_fill(part, spec.port) for part in command]
        identity = str(self._client.containers.create(images.name_of(spec), filled, **arguments).id)
        try:
            self._client.api.start(identity)
            return identity, self._place(identity, port)
        except engine.FAILURES:
            self._client.api.remove_container(identity, v=True, force=True)
            raise

    def _arguments(self, name: str, aliases: list[str] | None = None) -> dict[str, Any]:
        count = self._names[name] = self._names.get(name, 0) + 1
        plain = re.sub(r"[^a-zA-Z0-9_.-]+", "-", name)
        endpoint = self._client.api.create_endpoint_config(aliases=aliases)
        return {
            "name": f"{self._network}-{plain}" + (f"-{count}" if count > 1 else ""),
            "labels": self._labels,
            "network": self._network,
            "networking_config": {self._network: endpoint},
            # No init in between: signals reach the service as they do in production.
            "init": False,
            "log_config": LogConfig(type=LogConfig.types.JSON),
            "use_config_proxy": False,
        }

    def _place(self, identity: str, port: int) -> Place:
        settings = self._client.api.inspect_container(identity)["NetworkSettings"]
        inner = settings["Networks"].get(self._network, {}).get("IPAddress") or LOOPBACK
        bound = (settings.get("Ports") or {}).get(f"{port}/tcp") or [{"HostPort": 0}]
        return Place(Address(inner, port), Address(LOOPBACK, int(bound[0]["HostPort"])))

    async def _start_box(self, run: Callable[[], tuple[str, Place]], log: Path) -> Box | StartFailure:
        log.parent.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(_ATTEMPTS)):
            try:
                identity, place = await self._call(run)
                return Box(self._client, identity, place, log)
            except NotFound as error:
                if "executable file not found" not in str(error):
                    raise BrokenEnvironment(engine.reason(error)) from None
                return StartFailure("exited", f"cannot be started: {engine.reason(error)}", "")
            except APIError as error:
                why = engine.reason(error)
                if left and ("port is already allocated" in why or "address already in use" in why):
                    continue
                if "OCI runtime" in why or "starting container process" in why:
                    return StartFailure("exited", f"cannot be started: {why}", "")
                raise BrokenEnvironment(f"the engine refused to start a container: {why}") from None
            except engine.FAILURES as error:
                raise BrokenEnvironment(f"the engine failed: {engine.reason(error)}") from None
        raise BrokenEnvironment("the engine found no free port on loopback")

    async def stop(self, replica: str, signal: str, grace: float) -> int | None:
        box = self._replicas.get(replica)
        if box is None:
            return None
        name = signal if signal.startswith("SIG") else f"SIG{signal}"
        if not box.ended.done():
            await self._call(box.signal, name)
            await asyncio.wait({box.ended}, timeout=_KILLED_WITHIN if name == "SIGKILL" else grace)
        code = box.ended.result() if box.ended.done() and name != "SIGKILL" else None
        await self._discard(box)
        self._replicas.pop(replica, None)
        return code

    async def exited(self, replica: str) -> str | None:
        box = self._replicas.get(replica)
        if box is None:
            return "not started"
        if not box.ended.done():
            return None
        memory = ", out of memory" if await self._call(box.out_of_memory) else ""
        return f"exited with status {box.ended.result()}{memory}"

    async def command(self, spec: CommandSpec) -> CommandResult:
        begin = size(spec.log)
        box = await self._start_box(lambda: self._run_replica(spec.replica, spec.id, spec.command, 0), spec.log)
        if isinstance(box, StartFailure):
            return CommandResult(127, box.detail)
        try:
            await asyncio.wait({box.ended}, timeout=self._limit)
            if box.ended.done():
                return CommandResult(box.ended.result(), tail(spec.log, 20, begin))
        finally:
            await self._discard(box)
        return CommandResult(TIMED_OUT, f"{tail(spec.log, 20, begin)}\nnot ended within {self._limit:g} s".lstrip())

    async def _wait(self, box: Box, probe: Probe, within: float, begin: int) -> StartFailure | None:
        """Wait for readiness; unless it is reached, nothing of the container is left."""
        failure: StartFailure | None = None
        ready = False
        try:
            failure = await until_ready(probe, box.ended, within, box.log, begin)
            ready = failure is None
        finally:
            if not ready:
                await self._discard(box)
        return failure

    async def _discard(self, box: Box) -> None:
        """Kill and remove a container. Removed only when its log is complete: the engine's copy goes with it."""
        if not box.ended.done():
            await self._call(box.signal, "SIGKILL")
            await asyncio.wait({box.ended}, timeout=_KILLED_WITHIN)
        await self._call(box.remove)

    def _probe(self, ready: Readiness, box: Box, begin: int) -> Probe:
        at = box.place.inner if self._reached.direct else box.place.published
        value = _fill(ready.value, box.place.inner.port)

        async def http() -> bool:
            return self._http is not None and await http_answers(self._http, at, ready.value)

        async def tcp() -> bool:
            return await tcp_answers(at, 0.0 if self._reached.direct else _PROXY_HOLDS)

        async def command() -> bool:
            return await self._call(box.executes, ["/bin/sh", "-c", value])

        search = LineSearch(box.log, ready.value, begin) if ready.kind == "log" else None

        async def line() -> bool:
            return search is not None and search.found()

        return {"http": http, "tcp": tcp, "command": command, "log": line}[ready.kind]

    async def _call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """A blocking call in a thread. Cancelled, it goes on; `close` waits for it before it looks around."""
        call = asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*arguments))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return await asyncio.shield(call)

    async def close(self) -> None:
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=_CLOSE_WITHIN)
        boxes = [*self._replicas.values(), *(store.box for store in self._stores.values())]
        self._replicas.clear()
        if self._engine is not None and await self._emptied(self._engine, boxes) and self._guard is not None:
            await self._guard.dismiss()
        self._guard = None  # not dismissed, the watcher goes on trying when the verifier has ended
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self._threads.shutdown(wait=False)

    async def _emptied(self, client: docker.DockerClient, boxes: list[Box]) -> bool:
        """Remove everything of the run; False when the engine does not answer any more."""
        try:
            await asyncio.gather(*map(self._discard, boxes))
            for name in tuple(self._stores):
                await self.stop_store(name)
            await self._call(until_quiet, [lambda: engine.sweep(client, self.run_id)], 0.0, _CLOSE_WITHIN)
        except engine.FAILURES:
            return False
        return True


def _published(port: int) -> dict[str, Any]:
    return {f"{port}/tcp": (LOOPBACK, None)}


def _fill(text: str, port: int) -> str:
    """In a container a service listens on all addresses: there, loopback is its own."""
    return text.replace("{port}", str(port)).replace("{host}", "0.0.0.0")
