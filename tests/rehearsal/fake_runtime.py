"""A runtime that starts nothing: replicas are servers of this process, and what fails is decided by the test."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tests.correlation.building import answer, request, session
from verifier.contracts.registry import ContractRegistry
from verifier.correlation import learn
from verifier.errors import BrokenEnvironment
from verifier.history.model import ReplicaEvent, Step
from verifier.history.store import read
from verifier.http.message import Request, Response
from verifier.http.server import Listener, Peer, Reply, serve
from verifier.matrix.model import Matrix, Migrations, Partner, Rollout, Service, StopPolicy, Store, Version
from verifier.matrix.pairs import pairs
from verifier.plan.model import ExchangeShape, SessionShape
from verifier.plan.planner import plan
from verifier.rehearsal.cell_cache import CellCache
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.walk import Rehearsal
from verifier.replay.replay_script import ReplayScript
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

TAIL = "last words"
NONE = Migrations()


@dataclass
class FakeRuntime:
    """`fails` says of a replica (spec, number of starts so far) whether it does not become ready.

    `log` tells what was done, in order: ("start", "orders", "1"), ("stop", ...), ("command", name), ("store", name).
    """

    fails: Callable[[ReplicaSpec], bool] = lambda spec: False
    migration: int = 0
    name: Literal["docker", "process"] = "process"
    log: list[tuple[str, ...]] = field(default_factory=list)
    live: dict[str, Listener] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    specs: dict[str, ReplicaSpec] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    dies_after: dict[str, int] = field(default_factory=dict)  # requests after which a replica of a version ends
    data: dict[str, bytes] = field(default_factory=dict)
    stores: set[str] = field(default_factory=set)
    closed: int = 0
    keeps: int = 0  # whether stores can be copied: 1 if they seem to
    made_of: dict[str, str | None] = field(default_factory=dict)  # digests of versions and stores
    unanswering: str = ""  # a store that does not answer
    lost: Callable[[str], None] = lambda why: None
    commands: Callable[[ReplicaSpec], Sequence[str]] | None = None  # the child processes of a replica at this moment
    own_stores: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)  # replicas that this cell has started
    within: FakeRuntime | None = None
    cells: dict[str, FakeRuntime] = field(default_factory=dict)

    @property
    def gateway_host(self) -> str:
        return "127.0.0.1"

    @property
    def gateway_callers(self) -> frozenset[str] | None:
        return None

    def cell(self, name: str) -> FakeRuntime:
        """The log and what lives are those of the whole; only the data of the stores are its own."""
        made = self.cells[name] = replace(self, data={}, own=set(), own_stores={}, within=self)
        return made

    async def open(self) -> None:
        if self.within is None:
            self.log.append(("open",))

    async def provide(self, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> None:
        self.log.append(("provide",))

    async def start_store(self, spec: StoreSpec) -> str:
        self.log.append(("store", spec.name) if spec.template is None else ("copied store", spec.name))
        self.stores.add(str(spec.directory))
        self.own_stores[spec.name] = str(spec.directory)
        self.data.clear()
        return f"pretend://{spec.name}"

    async def seed_store(self, name: str, file: Path) -> None:
        self.log.append(("seed", name, file.name))

    async def digests(
        self, versions: Sequence[tuple[ReplicaSpec, Sequence[tuple[str, ...]]]], stores: Sequence[StoreSpec]
    ) -> dict[str, str | None]:
        made = (self.within or self).made_of
        return {
            name: made.get(name, "same") for name in (*(spec.id for spec, _ in versions), *(s.name for s in stores))
        }

    def watch(self, lost: Callable[[str], None]) -> None:
        self.lost = lost

    async def check_stores(self) -> None:
        if self.unanswering:
            raise BrokenEnvironment(f"store {self.unanswering} does not answer within 20 s")

    def cannot_keep(self) -> str:
        return "" if self.keeps else "it is pretended"

    async def keep_stores(self, folder: Path) -> bool:
        self.log.append(("keep", folder.name))
        for name in list(self.own_stores):
            (folder / name).mkdir(parents=True)
            await self.stop_store(name)
        return self.keeps > 1

    async def stop_store(self, name: str) -> None:
        self.log.append(("stop store", name))
        self.stores.discard(self.own_stores.pop(name))

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        self.log.append(("start", spec.service, spec.version))
        if self.fails(spec):
            return StartFailure("never-ready", "not ready within 1 s", TAIL)

        async def handle(sent: Request, peer: Peer) -> Reply:
            return await self._serve(spec, sent)

        self.live[spec.id] = await serve(handle, "127.0.0.1")
        self.specs[spec.id] = spec
        self.own.add(spec.id)
        count = sum(entry.service == spec.service for entry in map(self.specs.__getitem__, self.live))
        self.most[spec.service] = max(self.most[spec.service], count)
        return Address("127.0.0.1", self.live[spec.id].port)

    async def _serve(self, spec: ReplicaSpec, sent: Request) -> Reply:
        if spec.id in self.gone:
            return Reply(None)
        if spec.version in self.dies_after:
            self.dies_after[spec.version] -= 1
            if self.dies_after[spec.version] < 0:
                self.gone[spec.id] = "exited with status 9"
                return Reply(None)
        if sent.method == "PUT":
            self.data[sent.path] = sent.body
        if sent.path not in self.data:
            return Reply(answer(404, {"error": "nothing there"}))
        return Reply(Response(200, (("Content-Type", "application/json"),), self.data[sent.path]))

    async def stop(self, replica: str, signal: str, grace: float) -> int | None:
        spec = self.specs[replica]
        self.log.append(("stop", spec.service, spec.version))
        listener = self.live.pop(replica)
        await listener.close(1.0)
        return None if signal == "SIGKILL" else 0

    async def exited(self, replica: str) -> str | None:
        return self.gone.get(replica)

    async def child_processes(self, replica: str) -> tuple[ChildProcess, ...] | None:
        shared = (self.within or self).commands
        if replica not in self.live or replica in self.gone or shared is None:
            return None
        return tuple(ChildProcess(str(number), text) for number, text in enumerate(shared(self.specs[replica])))

    async def pause(self, replica: str) -> bool:
        self.log.append(("pause", self.specs[replica].service, self.specs[replica].version))
        return True

    async def resume(self, replica: str) -> None:
        self.log.append(("resume", self.specs[replica].service, self.specs[replica].version))

    async def command(self, spec: CommandSpec) -> CommandResult:
        self.log.append(("command", *spec.command))
        return CommandResult((self.within or self).migration, TAIL)

    async def close(self) -> None:
        self.closed += 1
        for replica in [entry for entry in self.live if self.within is None or entry in self.own]:
            await self.live.pop(replica).close(1.0)


PUT = (request("PUT", "/things/9d7d4ec0-6d4e-4e0b-a6a2-6a0d0d1f9f11", {"v": "red"}), answer(200, {"v": "red"}))
GET = (request("GET", "/things/9d7d4ec0-6d4e-4e0b-a6a2-6a0d0d1f9f11"), answer(200, {"v": "red"}))


def version(name: str, migrations: Migrations = NONE, **environment: str) -> Version:
    return Version(name, None, None, ("serve", name), Path("/"), tuple(sorted(environment.items())), None, migrations)


def matrix(
    folder: Path,
    *,
    replicas: int = 2,
    migrations: Migrations = NONE,
    rollback: str = "ends",
    strategy: str = "rolling",
) -> Matrix:
    file = folder / "pretend.yaml"
    file.write_text("matrix: pretend\n")
    where = {"STORE": "${stores.db.url}", "SELF": "http://things:8080/x", "BANK": "http://bank:9/pay"}
    recordings = Service(
        "things", 8080, replicas, Readiness("tcp", ""), StopPolicy(drain=0.5),
        (version("1", **where), version("2", migrations, **where)),
    )  # fmt: skip
    store = Store("db", None, "sqlite", (), None, None)
    return Matrix(
        "pretend", file, (recordings,), (store,), (Partner("bank", None),),
        Rollout(strategy, ("things",), False, False, rollback), (), (), 5.0,
    )  # fmt: skip


@dataclass
class Ran:
    """A rehearsal that has ended: its error, its events, and its history as stored."""

    directory: Path
    runtime: FakeRuntime
    prepared: Prepared
    events: list[object]
    error: BaseException | None

    @property
    def steps(self) -> tuple[Step, ...]:
        return read(self.directory).steps

    def replicas(self, what: str) -> list[ReplicaEvent]:
        return [event for event in read(self.directory).replicas if event.what == what]


def prepared(made: Matrix) -> Prepared:
    replay_scripts = {"s1": ReplayScript(learn(session(PUT, GET), began=0.0), ("things", "things"))}
    shapes = (SessionShape("s1", (ExchangeShape("PUT /things/{}", "things", True),
                                  ExchangeShape("GET /things/{}", "things", False))),)  # fmt: skip
    registry = ContractRegistry()
    return Prepared(pairs(made)[0], registry, (), replay_scripts, plan(made, shapes, 0, registry), str(made.file))


def rehearse(
    made: Matrix, runtime: FakeRuntime, folder: Path, parallel: int = 1, cache: CellCache | None = None
) -> Ran:
    directory = folder / "run"
    directory.mkdir()
    inputs, events = prepared(made), []
    error: BaseException | None = None
    try:
        asyncio.run(
            Rehearsal(inputs, runtime, "for the test", directory, events.append, parallel=parallel, cache=cache).run()
        )
    except Exception as broken:
        error = broken
    return Ran(directory, runtime, inputs, events, error)


def stored_json(file: Path) -> object:
    return json.loads(file.read_text())
