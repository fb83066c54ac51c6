"""What all containers of a run share: the engine, the watcher, and the way to start one in a private network."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import docker
import httpx
from docker.errors import APIError, NotFound
from docker.types import LogConfig

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine, host_access
from verifier.runtime.alarm import Alarm
from verifier.runtime.base import Address, Readiness, StartFailure
from verifier.runtime.container import Container, HostPath
from verifier.runtime.engine_events import EngineEvents, event_stream
from verifier.runtime.http_probe import http_answers
from verifier.runtime.identity import ProcessIdentity
from verifier.runtime.labels import LABEL, OWNER_LABEL
from verifier.runtime.leftovers import until_quiet
from verifier.runtime.logs import LineSearch
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.readiness import Probe, tcp_answers, until_ready
from verifier.runtime.watcher_process import WatcherProcess

_T = TypeVar("_T")
_ATTEMPTS = 3
_KILLED_WITHIN = 30.0
_CLOSE_WITHIN = 60.0
_PROXY_HOLDS = 0.15


@dataclass(frozen=True, slots=True)
class _Open:
    client: docker.DockerClient
    http: httpx.AsyncClient
    access: host_access.HostAccess


class Containers:
    """The containers of one run. Blocking engine calls run in threads.

    With `within`, those of one path: in a network of its own, and on the engine that the run has opened.
    """

    def __init__(self, run_id: str, within: Containers | None = None, name: str = "") -> None:
        self.run_id = run_id
        self.network: str = f"verifier-{run_id}" if within is None else f"{within.network}-{name}"
        self._within = within
        self._owner = ProcessIdentity.current()
        self._labels = {LABEL: run_id, OWNER_LABEL: str(self._owner)}
        self._names: dict[str, int] = {}
        self.alarm: Alarm = Alarm() if within is None else within.alarm
        self._watcher: WatcherProcess | None = None
        self._events: EngineEvents | None = None
        self._opened: _Open | None = None
        self._threads: ThreadPoolExecutor = within._threads if within is not None else ThreadPoolExecutor(32, "engine")
        self._calls: set[asyncio.Future[Any]] = set()

    async def open(self, log: Path) -> None:
        """Raises BrokenEnvironment if there is no engine, no network, or no route from containers to the gateway."""
        if self._within is not None:
            outer = self._within._open
            self._opened = replace(outer, access=await self.call(self._make_network, outer.client))
            return
        client = await self.call(engine.connect)
        self._watcher = await WatcherProcess.start(self.run_id, self._owner, log, self.alarm.ring, engine=True)
        try:
            access = await self.call(self._make_network, client)
            self._events = EngineEvents(await self.call(event_stream, client, self.run_id), self.alarm.ring)
        except BaseException:
            # Not `close`, because this was never open. Everything that exists by now has the label of the run.
            if await self._emptied(client, ()):
                await self._watcher.dismiss()
            self._watcher = None
            raise
        self._opened = _Open(client, httpx.AsyncClient(trust_env=False, verify=False), access)

    def _make_network(self, client: docker.DockerClient) -> host_access.HostAccess:
        try:
            network = client.networks.create(
                self.network, driver="bridge", labels=self._labels,
                options={"com.docker.network.bridge.host_binding_ipv4": LOOPBACK},
            )  # fmt: skip
            network.reload()
            if self._within is not None and self._within.access.callers is not None:
                return self._within.access  # it does not depend on the network
            return host_access.of(client, network.attrs)
        except engine.FAILURES as error:
            raise BrokenEnvironment(f"no network for the run: {engine.reason(error)}") from None

    @property
    def _open(self) -> _Open:
        if self._opened is None:
            raise BrokenEnvironment("the docker runtime was used before it was opened")
        return self._opened

    @property
    def client(self) -> docker.DockerClient:
        return self._open.client

    @property
    def access(self) -> host_access.HostAccess:
        return self._open.access

    def address(self, container: Container) -> Address:
        """The address at which the verifier reaches a container."""
        return container.place.inner if self.access.direct else container.place.published

    async def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run a blocking call in a thread. A cancelled call continues, and `close` waits for it before cleaning up."""
        call = asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*arguments))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return await asyncio.shield(call)

    async def check_engine(self) -> None:
        """Raise BrokenEnvironment if the engine does not answer."""
        try:
            await self.call(self.client.ping)
        except engine.FAILURES as error:
            raise BrokenEnvironment(f"the container engine does not answer: {engine.reason(error)}") from None

    async def check_watcher(self) -> None:
        """Raise BrokenEnvironment if the watcher does not respond."""
        run = self._within or self
        if run._watcher is not None:
            await run._watcher.check()

    def arguments(self, name: str, aliases: list[str] | None = None) -> dict[str, Any]:
        """The common arguments of every container of the run. A name that is already used gets a number."""
        count = self._names[name] = self._names.get(name, 0) + 1
        plain = re.sub(r"[^a-zA-Z0-9_.-]+", "-", name)
        endpoint = self.client.api.create_endpoint_config(aliases=aliases)
        return {
            "name": f"{self.network}-{plain}" + (f"-{count}" if count > 1 else ""),
            "labels": self._labels,
            "network": self.network,
            "networking_config": {self.network: endpoint},
            "init": False,  # a store ends by a kill; see `init_process.py` for the replicas
            "log_config": LogConfig(type=LogConfig.types.JSON),
            "use_config_proxy": False,
        }

    def published(self, port: int) -> dict[str, Any]:
        """Publish a port of a container on a free port of the address by which the verifier reaches the engine."""
        return {f"{port}/tcp": (self.access.published, None)}

    def place(self, identity: str, port: int) -> HostPath:
        """The addresses of a started container. Blocking."""
        settings = self.client.api.inspect_container(identity)["NetworkSettings"]
        inner = settings["Networks"].get(self.network, {}).get("IPAddress") or LOOPBACK
        bound = (settings.get("Ports") or {}).get(f"{port}/tcp") or [{"HostPort": 0}]
        return HostPath(Address(inner, port), Address(self.access.published, int(bound[0]["HostPort"])))

    async def start(self, run: Callable[[], tuple[str, HostPath]], log: Path) -> Container | StartFailure:
        """Start a container with a blocking function. Raises BrokenEnvironment if the engine fails."""
        log.parent.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(_ATTEMPTS)):
            try:
                identity, place = await self.call(run)
                return Container(self.client, identity, place, log)
            except APIError as error:
                why = engine.reason(error)
                if left and ("port is already allocated" in why or "address already in use" in why):
                    continue
                if not isinstance(error, NotFound) and not _services_fault(why):
                    raise BrokenEnvironment(f"the engine refused to start a container: {why}") from None
                if not _services_fault(why):
                    raise BrokenEnvironment(why) from None
                return StartFailure("exited", f"cannot be started: {why}", "")
            except engine.FAILURES as error:
                raise BrokenEnvironment(f"the engine failed: {engine.reason(error)}") from None
        raise BrokenEnvironment("the engine found no free port on loopback")

    async def ready(self, container: Container, probe: Probe, within: float, begin: int) -> StartFailure | None:
        """Wait until a container is ready. If it does not become ready, it is removed."""
        failure: StartFailure | None = None
        ready = False
        try:
            failure = await until_ready(probe, container.ended, within, container.log, begin)
            ready = failure is None
        finally:
            if not ready:
                await self.discard(container)
        return failure

    def probe(self, ready: Readiness, container: Container, begin: int) -> Probe:
        at, value = self.address(container), ready.value
        search = LineSearch(container.log, value, begin) if ready.kind == "log" else None

        async def http() -> bool | str:
            return await http_answers(self._open.http, at, value)

        async def tcp() -> bool:
            return await tcp_answers(at, 0.0 if self.access.direct else _PROXY_HOLDS)

        async def command() -> bool:
            return await self.call(container.executes, ["/bin/sh", "-c", fill(value, container.place.inner.port)])

        async def line() -> bool:
            return search is not None and search.found()

        probes: dict[str, Probe] = {"http": http, "tcp": tcp, "command": command, "log": line}
        return probes[ready.kind]

    async def discard(self, container: Container) -> None:
        """Kill a container, and remove it once its log is complete, because removal deletes the engine's copy."""
        if not container.ended.done():
            await self.call(container.signal, "SIGKILL")
            await asyncio.wait({container.ended}, timeout=_KILLED_WITHIN)
        await self.call(container.remove)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something without waiting for it. `close` waits."""
        task = asyncio.ensure_future(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def close(self, containers: Iterable[Container]) -> None:
        """Remove everything with the run's label, or everything in the network of the path."""
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=_CLOSE_WITHIN)
        opened, self._opened = self._opened, None
        if opened is None:
            return
        if self._within is not None:
            with contextlib.suppress(*engine.FAILURES):  # the end of the run tries again
                await asyncio.gather(*map(self.discard, containers))
                await self.call(engine.sweep_network, opened.client, self.network)
            return
        if self._events is not None:
            await self.call(self._events.close)
        if await self._emptied(opened.client, containers) and self._watcher is not None:
            await self._watcher.dismiss()
        self._watcher = None  # not dismissed, so the watcher keeps trying after the verifier has ended
        await opened.http.aclose()
        opened.client.close()
        self._threads.shutdown(wait=False)

    async def _emptied(self, client: docker.DockerClient, containers: Iterable[Container]) -> bool:
        """False if the engine no longer answers."""
        try:
            await asyncio.gather(*map(self.discard, containers))
            await self.call(until_quiet, [lambda: engine.sweep(client, self.run_id)], 0.0, _CLOSE_WITHIN)
        except engine.FAILURES:
            return False
        return True


def fill(text: str, port: int) -> str:
    """Fill placeholders. In a container a service listens on all addresses, because its loopback is private."""
    return text.replace("{port}", str(port)).replace("{host}", "0.0.0.0")


def _services_fault(why: str) -> bool:
    """Whether the engine could not run the command, because the image has no such program."""
    return any(mark in why for mark in ("executable file not found", "OCI runtime", "starting container process"))
