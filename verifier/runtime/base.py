"""The interface between the rehearsal and whatever runs replicas. Specs are values; handles stay in runtimes.

A runtime never judges. It raises `BrokenEnvironment` for what is not the services' fault (no engine, no image,
no free port, a store that does not start) and reports everything else as a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Environment = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Build:
    """A build context as in Compose; `context` is absolute."""

    context: Path
    dockerfile: str = "Dockerfile"
    args: Environment = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """How a replica shows that it is ready; `within` is seconds.

    http: `value` is a path that must answer 2xx. tcp: a connect to the port succeeds. log: `value` is a regular
    expression found in a log line. command: `value` is a shell line that exits 0 in the replica.
    """

    kind: Literal["http", "tcp", "log", "command"]
    value: str
    within: float = 30.0


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """All a runtime needs to start one replica. `{port}` in command and environment values is still unfilled."""

    id: str  # "orders-1.4-2", unique in the run
    service: str
    version: str
    port: int  # declared port: the container's; the process runtime picks a free one
    image: str | None
    build: Build | None
    command: tuple[str, ...] | None
    directory: Path  # where bare commands run: the matrix's folder
    environment: Environment
    aliases: tuple[str, ...]  # host names to point at the gateway
    readiness: Readiness
    log: Path


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """One store. In the process runtime `process` says what stands in for the image: "sqlite" or a command."""

    name: str
    image: str | None
    process: str | tuple[str, ...] | None
    environment: Environment
    port: int | None
    readiness: Readiness | None
    directory: Path  # empty and private to this store, for files
    log: Path


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
class CommandResult:
    exit_code: int
    tail: str  # the last lines of output


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a replica is not ready: it exited (with a code) or did not answer in time."""

    reason: Literal["exited", "never-ready"]
    detail: str
    tail: str  # the last lines of its log


class Runtime(Protocol):
    """Start, ready, stop; nothing left behind. All methods may be called concurrently."""

    @property
    def name(self) -> str:
        """As in the list of runtimes."""

    @property
    def gateway_host(self) -> str:
        """The address the gateway must bind, and by which replicas reach it; known after `open`."""

    async def open(self) -> None:
        """Prepare the run: network, watcher. Raises BrokenEnvironment."""

    async def provide(self, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> None:
        """Make sure that every image exists, building where a context is given. Raises BrokenEnvironment."""

    async def start_store(self, spec: StoreSpec) -> str:
        """Start an empty store, wait until it is ready, return the URL by which replicas reach it."""

    async def stop_store(self, name: str) -> None:
        """Remove a store and its data."""

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        """Start a replica and wait until it is ready; the address is for the verifier's own traffic.

        After a StartFailure nothing of the replica runs.
        """

    async def stop(self, replica: str, signal: str, grace: float) -> int | None:
        """Send the signal, wait up to `grace` seconds, then kill. Returns the exit code, None if killed."""

    async def exited(self, replica: str) -> str | None:
        """Why a replica is no longer running, in one line that tells equal ends from others; None while it runs."""

    async def command(self, spec: CommandSpec) -> CommandResult:
        """Run to the end, output into the log."""

    async def close(self) -> None:
        """Remove everything of this run. Idempotent; also done by the watcher if the verifier dies."""
