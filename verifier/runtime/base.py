"""The interface between the rehearsal and the runtimes. Specs are values; handles stay inside a runtime.

A runtime never judges. It raises `BrokenEnvironment` for failures that services do not cause (no engine, no image,
no free port, a store that does not start) and returns everything else as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

Environment = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Build:
    """A build context as in Compose; `context` is absolute."""

    context: Path
    dockerfile: str = "Dockerfile"
    args: Environment = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """How a replica shows that it is ready. `within` is in seconds.

    http: `value` is a path that must return 2xx. tcp: a connection to the port succeeds. log: `value` is a regular
    expression that matches a log line. command: `value` is a shell line that exits with 0 in the replica.
    """

    kind: Literal["http", "tcp", "log", "command"]
    value: str
    within: float = 30.0


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """Everything that starts one replica. `{port}` in command and environment values is not replaced yet."""

    id: str  # "orders-1.4-2", unique in the run
    service: str
    version: str
    port: int  # the declared port; the process runtime picks a free port instead
    image: str | None
    build: Build | None
    command: tuple[str, ...] | None
    directory: Path  # working directory of commands in the process runtime
    environment: Environment
    aliases: tuple[str, ...]  # host names that must resolve to the gateway
    readiness: Readiness
    log: Path


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """One store. The process runtime ignores `image` and uses `process`: a known kind of store, or a command."""

    name: str
    image: str | None
    process: str | tuple[str, ...] | None
    environment: Environment
    port: int | None
    readiness: Readiness | None
    directory: Path  # empty and private to this store, for files
    log: Path
    kind: str | None = None  # the kind of store, where the name of the image does not tell it
    content: Path | None = None  # what a file or folder holds to begin with
    template: Path | None = None  # a folder to which `keep_stores` has copied the data to begin with


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A one-off command in a version's image or environment, such as a migration."""

    id: str
    replica: ReplicaSpec  # the version to run it in; its readiness and port are not used
    command: tuple[str, ...]
    log: Path


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A living process that descends from the leader of a replica. `id` is never used again, unlike a pid alone."""

    id: str
    command: str  # its command line, or the title that it gave itself


@dataclass(frozen=True, slots=True)
class CommandResult:
    exit_code: int
    tail: str  # the last lines of output


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a replica is not ready: it exited, or it was not ready in time."""

    reason: Literal["exited", "never-ready"]
    detail: str
    tail: str  # the last lines of its log


@runtime_checkable
class RunsImages(Protocol):
    """What a runtime offers as well if its replicas run images."""

    async def image_digests(self, replicas: tuple[ReplicaSpec, ...]) -> dict[str, tuple[str, ...]]:
        """The id of each replica's image and its digests in registries, by the id of the replica; after `provide`."""


@runtime_checkable
class ReachesStores(Protocol):
    """What a runtime offers as well if the verifier reaches stores by other addresses than replicas do."""

    def store_url(self, name: str) -> str:
        """The URL of a running store as the verifier reaches it."""


class Runtime(Protocol):
    """Starts and stops replicas and stores, and leaves nothing behind. All methods may be called concurrently."""

    @property
    def name(self) -> str:
        """As in the list of runtimes."""

    @property
    def gateway_host(self) -> str:
        """The address that the gateway must bind and that replicas use to reach it. Known after `open`."""

    @property
    def gateway_callers(self) -> frozenset[str] | None:
        """The only addresses from which the gateway may be called, or None for all. Known after `open`."""

    def cell(self, name: str) -> Runtime:
        """A part of this runtime for one path: its stores, replicas and addresses are its own.

        It must be opened and closed while this one is open. `name` is unique in the run.
        """

    async def open(self) -> None:
        """Prepare the run: network and watcher. Raises BrokenEnvironment."""

    async def provide(self, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> None:
        """Make sure that every image exists; build it if a context is given. Raises BrokenEnvironment."""

    async def digests(
        self, versions: Sequence[tuple[ReplicaSpec, Sequence[tuple[str, ...]]]], stores: Sequence[StoreSpec]
    ) -> dict[str, str | None]:
        """What versions (each with all of its commands) and stores are made of, after `provide`; by id and by name.

        Equal digests run equal code. One is None if that cannot be known.
        """

    def watch(self, lost: Callable[[str], None]) -> None:
        """From now on call `lost` when a store, the watcher or the engine ends although nobody asked it to.

        It is called with a line that tells why; further lines are evidence.
        """

    async def check_stores(self) -> None:
        """Raise BrokenEnvironment if a store, the watcher or the engine has ended or does not answer."""

    async def start_store(self, spec: StoreSpec) -> str:
        """Start an empty store, wait until it is ready, and return the URL that replicas use."""

    async def seed_store(self, name: str, file: Path) -> None:
        """Run a file of SQL in a store that runs. Raises BrokenEnvironment if it fails or the store takes no SQL."""

    def cannot_keep(self) -> str:
        """Why `keep_stores` is not possible for the stores that run, in a few words; "" if it is."""

    async def keep_stores(self, folder: Path) -> bool:
        """End all stores that run and move their data to FOLDER/NAME, to start others from (`StoreSpec.template`).

        Returns whether all of it was kept. No store of this cell runs afterwards. `folder` must not exist.
        """

    async def stop_store(self, name: str) -> None:
        """Remove a store and its data."""

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        """Start a replica and wait until it is ready. The address is for the verifier's own traffic.

        After a StartFailure, no process of the replica is left.
        """

    async def stop(self, replica: str, signal: str, grace: float) -> int | None:
        """Send the signal, wait up to `grace` seconds, then kill. Returns the exit code, or None if it was killed."""

    async def exited(self, replica: str) -> str | None:
        """Why a replica is no longer running, in one line that tells equal ends from others; None while it runs."""

    async def child_processes(self, replica: str) -> tuple[ChildProcess, ...] | None:
        """What descends from the leader of a replica and lives. None if it does not run, or if that cannot be known."""

    async def pause(self, replica: str) -> bool:
        """Stop all processes of a replica where they are, without telling them. Returns whether they stand still."""

    async def resume(self, replica: str) -> None:
        """Let a paused replica go on. It is no error if it has ended, or was not paused."""

    async def command(self, spec: CommandSpec) -> CommandResult:
        """Run a command to its end. Its output goes to the log."""

    async def close(self) -> None:
        """Remove everything of this run or cell. Idempotent. If the verifier dies, the watcher does the same."""
