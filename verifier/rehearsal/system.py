"""The system under rehearsal: its running replicas, their slots and their addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.gateway.gateway import Gateway
from verifier.gateway.rotation import Endpoint, Rotation
from verifier.history.model import BY_FAULT, ReplicaEvent
from verifier.history.store import Record
from verifier.http.client import WireClient
from verifier.matrix.model import Matrix, Service, Version
from verifier.plan.model import Action
from verifier.rehearsal.child_processes import ChildProcesses
from verifier.rehearsal.ending import Requests, end_late, no_requests
from verifier.rehearsal.environment import environment_of, fill
from verifier.rehearsal.specs import known, patient, replica_spec
from verifier.rehearsal.starting import EarlyBoot, Started, StepFailed, all_done, earlier, oldest, timed, waves
from verifier.runtime.base import CommandSpec, ReplicaSpec, Runtime, StartFailure
from verifier.runtime.logs import tail

Key = tuple[str, int, str]


@dataclass(slots=True)
class System:
    """Carries out the actions of one path. `running` maps service, slot and version to the replica's id.

    `number` is the place of the path in the plan, which makes the names of its replicas unique in the run. `boots` are
    the longest seconds until a replica of a service was ready in a control with all old, and `patience` is how many
    times the declared seconds a replica of a control may take.
    """

    matrix: Matrix
    runtime: Runtime
    rotation: Rotation
    client: WireClient
    gateway: Gateway
    record: Callable[[Record], None]
    clock: Callable[[], float]
    directory: Path
    number: int = 1
    boots: Mapping[str, float] = field(default_factory=dict)
    patience: float = 1.0
    late_requests: Callable[[Endpoint, float], Requests] = no_requests  # to a replica, for so many seconds
    stores: dict[str, str] = field(default_factory=dict)
    running: dict[Key, str] = field(default_factory=dict)
    early: dict[Key, EarlyBoot] = field(default_factory=dict)
    met: set[Started] = field(default_factory=set)  # versions that have started on the stores of this path
    ended: dict[str, float] = field(default_factory=dict)  # by service: when a replica of it ended last on this path
    booted: dict[str, float] = field(default_factory=dict)  # by service: the longest seconds until one was ready
    started: int = 0
    step: str = ""
    unrecorded: bool = False
    _names: list[str] = field(default_factory=list)
    _children: ChildProcesses = field(init=False)

    def __post_init__(self) -> None:
        self._children = ChildProcesses(self.runtime, self._children_changed)

    async def prepare(self, path: str) -> None:
        """Make fresh stores ready for the old versions. Raises BrokenEnvironment.

        The oldest versions bring their schemas, then data. Versions between them and the old ones follow in turn.
        """
        commands = [
            (service, version, *entry) for service, version in oldest(self.matrix) for entry in version.preparation
        ]
        try:
            for service, version, name, command in commands:
                if name != "seed":
                    await self._command(service, version, name, command)
            for store in self.matrix.stores:
                if store.seed is not None:
                    await self.runtime.seed_store(store.name, store.seed)
            for service, version, name, command in commands:
                if name == "seed":
                    await self._command(service, version, name, command)
            self.unrecorded = True  # what earlier versions do here is no part of the rollout
            await self.carry_out(earlier(self.matrix))
        except StepFailed as failure:
            raise BrokenEnvironment(f"on the fresh stores of {path}: {failure}\n{failure.tail}".rstrip()) from None
        finally:
            self.unrecorded = False

    async def close_path(self) -> None:
        """Stop every replica and remove the stores."""
        await asyncio.gather(*(self._stop(*key) for key in list(self.running)))
        for name in list(self.stores):
            await self.runtime.stop_store(name)
            del self.stores[name]

    async def carry_out(self, actions: tuple[Action, ...]) -> None:
        """Carry out actions in order. Consecutive starts run at the same time, except the first of a version.

        Raises StepFailed.
        """
        waiting: list[Action] = []
        for action in (*actions, None):
            if action is not None and action.kind == "start":
                waiting.append(action)
                continue
            await self._start_together(waiting)
            waiting = []
            if action is not None:
                await self._one(action)

    async def _start_together(self, actions: list[Action]) -> None:
        queues, rest = waves(self.matrix, actions, self.met)
        await all_done(*(self._start_in_turn(queue) for queue in queues))
        await all_done(*(self._start_in_turn([action]) for action in rest))

    async def _start_in_turn(self, actions: list[Action]) -> None:
        for action in actions:
            await self._start_if_needed(action.service, action.slot, action.version)

    async def _start_if_needed(self, service: str, slot: int, version: str) -> None:
        """Start a replica, unless it runs: on the way back from a replacement that failed, it has never left."""
        if (service, slot, version) not in self.running:
            await self.start(service, slot, version)

    async def _one(self, action: Action) -> None:
        if action.kind == "stop":
            await self._stop(action.service, action.slot, action.version, action.late_removal)
        elif action.kind == "restart":
            await self._restart(action)
        elif action.kind == "crash":
            await self._crash(action)
        elif action.kind == "replace":
            key = (action.service, action.slot, action.version)
            leaving = [other for other in self.running if other[:2] == key[:2] and other != key]
            await self._start_if_needed(*key)
            for other in leaving:
                await self._stop(*other, action.late_removal)
        else:
            await self._migrate(action)

    async def _restart(self, action: Action) -> None:
        """Restart a replica. A service with a single replica gets a second one first, as deployments do."""
        key = (action.service, action.slot, action.version)
        only = sum(service == action.service for service, _, _ in self.running) == 1
        if not only:
            await self._stop(*key, action.late_removal)
        leaving = self.running.get(key)  # stays in `running` until its successor is ready, because that start may fail
        await self.start(*key)
        if leaving is not None:
            await self.end(leaving, action.service, action.version, action.late_removal)

    async def _crash(self, action: Action) -> None:
        """Kill a replica and start it again. If that fails, the crash was before it: a finding, in a control too."""
        key = (action.service, action.slot, action.version)
        if (replica := self.running.pop(key, None)) is not None:
            await self.end(replica, action.service, action.version, kill=True)
        try:
            await self.start(*key)
        except StepFailed as failure:
            raise StepFailed(f"{failure}, after it was killed", failure.tail, disturbed=True) from None

    async def start(self, service_name: str, slot: int, version_name: str) -> None:
        """Start a replica, not sooner than its service waits after the end of another. Raises StepFailed."""
        service = self.matrix.service(service_name)
        if service.stop.wait and service_name in self.ended:
            await asyncio.sleep(self.ended[service_name] + service.stop.wait - self.clock())
        early = self.early.pop((service_name, slot, version_name), None)
        if early is not None and (booted := await early.taken(self.gateway)) is not None:
            replica, (result, seconds) = early.replica, booted
            self._event(replica, service_name, version_name, "started")
        else:
            replica, spec = await self.described(service, service.version(version_name), slot)
            self._event(replica, service_name, version_name, "started")
            result, seconds = await timed(self.runtime.start(spec), self.clock)
        if isinstance(result, StartFailure):
            await self.gateway.detach(replica)
            self._event(replica, service_name, version_name, "never-ready", f"{result.detail}\n{result.tail}".strip())
            raise StepFailed(f"{service_name} {version_name} did not become ready: {result.detail}", result.tail)
        self.booted[service_name] = max(seconds, self.booted.get(service_name, 0.0))
        self.running[service_name, slot, version_name] = replica
        self.met.add((service_name, version_name))
        if service.serves:
            self.rotation.add(Endpoint(service_name, version_name, replica, result))
        self._event(replica, service_name, version_name, "ready")
        await self._children.begin(replica)

    async def _stop(self, service_name: str, slot: int, version_name: str, late: bool = False) -> None:
        replica = self.running.pop((service_name, slot, version_name), None)
        if replica is not None:  # otherwise it exited earlier
            await self.end(replica, service_name, version_name, late)

    async def end(
        self, replica: str, service_name: str, version_name: str, late: bool = False, kill: bool = False
    ) -> None:
        """End a replica that has left `running`: out of rotation first and then told to end, or `late` the other way
        round; with `kill` it is not told.
        """
        stop, endpoint = self.matrix.service(service_name).stop, self.rotation.endpoint(replica)
        if not late:
            self._out_of_rotation(replica)
        if (gone := await self.runtime.exited(replica)) is not None:
            self._exited(replica, service_name, version_name, gone)
        elif not kill:
            await self._children.look(replica, service_name, version_name)
        self._children.forget(replica)
        if late and gone is None and endpoint is not None:
            requests = self.late_requests(endpoint, stop.late_removal)
            told = partial(self._event, replica, service_name, version_name)
            code = await end_late(endpoint, stop, self.rotation, self.runtime, self.client, requests, told)
        else:
            self._out_of_rotation(replica)
            await self.rotation.drained(replica, stop.drain)
            code = await self.runtime.stop(replica, "SIGKILL" if kill else stop.signal, stop.grace)
        await self.gateway.detach(replica)
        self.ended[service_name] = self.clock()
        what, how = ("killed", "") if code is None else ("stopped", f"exit code {code}")
        self._event(replica, service_name, version_name, what, BY_FAULT if kill else how)

    async def _migrate(self, action: Action) -> None:
        service = self.matrix.service(action.service)
        version = service.version(action.version)
        for entry in service.migrating(action.stage) if version is service.new else (version,):
            await self._command(service, entry, action.stage, getattr(entry.migrations, action.stage))

    async def _command(self, service: Service, version: Version, what: str, command: tuple[str, ...]) -> None:
        """Run a command of a version to its end. Raises StepFailed if it fails."""
        name = self._named(f"{service.name}-{version.name}-{what}")
        environment = environment_of(version.environment, self.stores, self.gateway.host, {})
        spec = replica_spec(self.matrix, service, version, name, environment, self._log(name), self.stores)
        filled = tuple(fill(part, self.stores) for part in command)
        result = await self.runtime.command(CommandSpec(name, spec, filled, spec.log))
        if result.exit_code:
            detail = f"exit code {result.exit_code}\n{result.tail}".strip()
            self._event(name, service.name, version.name, "command-failed", detail)
            raise StepFailed(
                f"{what} of {service.name} {version.name} failed: exit code {result.exit_code}", result.tail
            )

    async def described(self, service: Service, version: Version, slot: int) -> tuple[str, ReplicaSpec]:
        """The name and the spec of a replica with gateway addresses of its own."""
        replica = self._named(f"{service.name}-{version.name}-{slot}")
        ports = await self.gateway.attach(replica, service.name, version.name, known(self.matrix, service))
        environment = environment_of(version.environment, self.stores, self.gateway.host, ports)
        spec = replica_spec(self.matrix, service, version, replica, environment, self._log(replica), self.stores)
        return replica, patient(spec, self.patience, self.boots.get(service.name, 0.0))

    async def note_exits(self) -> None:
        """Record an event for each replica that exited unexpectedly, in the step in which this is detected.

        The same for child processes of those that run.
        """
        for (service, slot, version), replica in list(self.running.items()):
            gone = await self.runtime.exited(replica)
            if gone is not None:
                self._exited(replica, service, version, gone)
                del self.running[service, slot, version]
                self._out_of_rotation(replica)
                await self.gateway.detach(replica)
                await self.runtime.stop(replica, "SIGKILL", 0.0)
                self._children.forget(replica)
        running = [(replica, service, version) for (service, _, version), replica in self.running.items()]
        await asyncio.gather(*(self._children.look(*each) for each in running))

    def _out_of_rotation(self, replica: str) -> None:
        endpoint = self.rotation.remove(replica)
        if endpoint is not None:
            self.client.forget(endpoint.address.host, endpoint.address.port)

    def _exited(self, replica: str, service: str, version: str, how: str) -> None:
        self._event(replica, service, version, "exited", how, tail(self._log(replica)))

    def _children_changed(self, replica: str, service: str, version: str, what: str, detail: str) -> None:
        log = tail(self._log(replica)) if what == "child-ended" else ""
        self._event(replica, service, version, what, detail, log)

    def log_of_store(self, name: str) -> Path:
        self._names += [name] if name not in self._names else []
        self._log(name).parent.mkdir(parents=True, exist_ok=True)
        return self._log(name)

    def _named(self, what: str) -> str:
        """A name that is unique in the run, and the same whatever runs beside this path."""
        self.started += 1
        name = f"{what}-{self.number}.{self.started}"
        self._names.append(name)
        return name

    @property
    def logs(self) -> list[Path]:
        """Those of everything that the path has started."""
        return [self._log(name) for name in self._names]

    def _log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def _event(self, replica: str, service: str, version: str, what: str, detail: str = "", log: str = "") -> None:
        if not self.unrecorded:
            self.record(ReplicaEvent(self.step, replica, service, version, what, self.clock(), detail, log))
