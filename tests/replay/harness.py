"""A replay over real sockets: services of two versions on loopback, a gateway, a replayer, and what they record."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from tests.correlation.building import session
from verifier.contracts.registry import ContractRegistry
from verifier.correlation import learn
from verifier.gateway.gateway import Gateway
from verifier.gateway.partner import PartnerServer
from verifier.gateway.rotation import Endpoint, Rotation
from verifier.history.model import End, FaultInjected, Note, Operation
from verifier.history.store import Lines
from verifier.http.client import WireClient
from verifier.http.message import Request, Response
from verifier.http.server import Listener, Peer, Reply, serve
from verifier.matrix.model import Replaying, Retry
from verifier.plan.model import Fault, Path, PlannedStep, Replay
from verifier.replay.context import ReplayContext
from verifier.replay.replay_script import ReplayScript
from verifier.replay.session import SessionReplayer
from verifier.runtime.base import Address

BOUND = 60.0  # seconds until a test that waits for something is given up
T = TypeVar("T")
Handler = Callable[["Arrival"], Awaitable[Response | Reply]]


def run_bounded(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, BOUND))


@dataclass(frozen=True)
class Arrival:
    """One request as a version saw it; `number` counts the arrivals of all versions from 1."""

    number: int
    version: str
    request: Request


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for is in other code's hands
        await asyncio.sleep(0.002)


@dataclass
class ReplayHarness:
    """`arrived` lists what the replicas saw, in order; `records` is what would be the history."""

    handler: Handler
    registry: ContractRegistry = field(default_factory=ContractRegistry)
    partners: dict[str, float] = field(default_factory=dict)
    retry: Retry = field(default_factory=Retry)
    records: list[Any] = field(default_factory=list)
    arrived: list[Arrival] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    lines: int = 0
    client: WireClient = field(init=False)
    rotation: Rotation = field(init=False)
    gateway: Gateway = field(init=False)
    context: ReplayContext = field(init=False)
    listeners: list[Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = WireClient(clock=time.monotonic)
        self.rotation = Rotation()
        ports = {"orders": 8080, "payments": 8081}
        self.gateway = Gateway(
            host="127.0.0.1", rotation=self.rotation, client=self.client, partner_server=PartnerServer(self.registry),
            registry=self.registry, partners=self.partners, ports=ports, record=self.records.append,
            clock=time.monotonic, step="rollout.1",
        )  # fmt: skip
        self.context = ReplayContext(
            self.rotation, self.client, self.gateway, self.registry, self.records.append, time.monotonic,
            lambda: 1_800_000_000.0, 7, self.retry, lines=RecordingLines(self),
        )  # fmt: skip

    async def replica(self, service: str, version: str, name: str = "") -> str:
        """Start one and put it into rotation."""
        replica = name or f"{service}-{version}-1"

        async def handle(request: Request, peer: Peer) -> Reply:
            arrival = Arrival(len(self.arrived) + 1, version, request)
            self.arrived.append(arrival)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            try:
                answered = await self.handler(arrival)
            finally:
                self.under_way -= 1
            return answered if isinstance(answered, Reply) else Reply(answered)

        listener = await serve(handle, "127.0.0.1")
        self.listeners.append(listener)
        self.rotation.add(Endpoint(service, version, replica, Address("127.0.0.1", listener.port)))
        return replica

    @property
    def operations(self) -> list[Operation]:
        return [entry for entry in self.records if isinstance(entry, Operation)]

    @property
    def injected(self) -> list[FaultInjected]:
        return [entry for entry in self.records if isinstance(entry, FaultInjected)]

    @property
    def notes(self) -> list[Note]:
        return [entry for entry in self.records if isinstance(entry, Note)]

    @property
    def ends(self) -> list[End]:
        return [entry for entry in self.records if isinstance(entry, End)]

    def seen(self) -> list[tuple[str, str]]:
        """What arrived: version and method, in order."""
        return [(entry.version, entry.request.method) for entry in self.arrived]

    def replayer(self, *pairs: tuple[Request, Response], service: str = "orders", **replaying: Any) -> SessionReplayer:
        """A replayer of one recorded session, `s1`."""
        script = learn(session(*pairs), began=0.0)
        replay_scripts = {"s1": ReplayScript(script, (service,) * len(script.steps))}
        return SessionReplayer(self.context, "rollout", replay_scripts, Replaying(retry=self.retry, **replaying))


class RecordingLines(Lines):
    """Lines that are read back at once: each is an operation of the harness."""

    def __init__(self, harness: ReplayHarness) -> None:
        super().__init__(io.BytesIO())
        self._harness = harness

    def append(self, line: str) -> None:
        assert line.endswith("}\n")
        self._harness.lines += 1
        self._harness.records.append(msgspec.json.decode(line.encode("latin-1"), type=Operation))


@asynccontextmanager
async def replay_harness(
    handler: Handler, *versions: str, service: str = "orders", **settings: Any
) -> AsyncIterator[ReplayHarness]:
    """A harness with one replica of a service for each version; everything is closed at the end."""
    harness = ReplayHarness(handler, **settings)
    try:
        for version in versions:
            await harness.replica(service, version)
        yield harness
    finally:
        await harness.gateway.close()
        await harness.client.close()
        for listener in harness.listeners:
            await listener.close(1.0)


def step(*replays: Replay, id: str = "rollout.1") -> PlannedStep:
    return PlannedStep(id, "replace", "forward", "", (), (), (), False, replays)


def replay(*route: str, fault: Fault | None = None, id: str = "r1") -> Replay:
    return Replay(id, "s1", route, fault)


__all__ = ["Arrival", "Fault", "Path", "ReplayHarness", "replay", "replay_harness", "run_bounded", "step", "until"]
