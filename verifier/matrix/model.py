"""A matrix as plain values. Paths are absolute; defaults are filled in; versions stand oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from verifier.runtime.base import Build, Environment, Readiness

STRATEGIES = ("rolling", "canary", "blue-green", "recreate")
ROLLBACKS = ("every-state", "ends", "none")
PACES = ("fast", "compressed", "recorded")
FAULTS = (
    "duplicate-at-once",
    "duplicate-after",
    "duplicate-next-step",
    "duplicate-after-rollback",
    "lost-answer",
    "reset",
    "late-arrival",
    "slow-read",
    "reorder",
    "inner-duplicate",
    "inner-lost-answer",
    "inner-late-answer",
)


@dataclass(frozen=True, slots=True)
class Migrations:
    """Commands run once: `expand` before the first new replica, `migrate` and `contract` after the last old one."""

    expand: tuple[str, ...] = ()
    migrate: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One release: what to run, how it is configured, what it promises."""

    name: str
    image: str | None
    build: Build | None
    command: tuple[str, ...] | None
    directory: Path
    environment: Environment
    contract: Path | None
    migrations: Migrations = Migrations()


@dataclass(frozen=True, slots=True)
class StopPolicy:
    """How a replica is asked to end, and for how many seconds it is waited for.

    `drain` is how long (seconds) the balancer lets requests under way end between taking the replica out of
    rotation and the signal, as balancers do; a request that takes longer meets the signal. 0 spares none.
    """

    signal: str = "SIGTERM"
    grace: float = 10.0
    drain: float = 1.0


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    port: int
    replicas: int
    ready: Readiness
    stop: StopPolicy
    versions: tuple[Version, ...]

    @property
    def old(self) -> Version:
        return self.versions[0]

    @property
    def new(self) -> Version:
        return self.versions[-1]

    def version(self, name: str) -> Version:
        return next(version for version in self.versions if version.name == name)


@dataclass(frozen=True, slots=True)
class Store:
    name: str
    image: str | None
    process: str | tuple[str, ...] | None
    environment: Environment
    port: int | None
    ready: Readiness | None


@dataclass(frozen=True, slots=True)
class Partner:
    """A third party played by the verifier; `contract` says how it answers, `delay` (seconds) how late."""

    name: str
    contract: Path | None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """`order` names the services in the order of their upgrade; `every_order` asks for all of them."""

    strategy: str
    order: tuple[str, ...]
    every_order: bool
    safe_order: bool
    rollback: str


@dataclass(frozen=True, slots=True)
class TrafficRules:
    """What a user settles about correlation: flows by hand, values left alone, values always renewed."""

    flows: tuple[tuple[str, str], ...] = ()
    keep: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """Where the value behind a placeholder of a redacted recording comes from: a variable, or a file's content.

    `name` is the variable's name or the file's absolute path; `line` and `key` say where the matrix declares it.
    """

    placeholder: str
    kind: Literal["env", "file"]
    name: str
    line: int
    key: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """One recording; `client` is the version whose client was recorded; `service` where the hosts do not say."""

    recording: Path
    client: str
    service: str
    session_header: str | None = None
    rules: TrafficRules = TrafficRules()
    credentials: tuple[Credential, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """What clients do when an answer is lost or says "later": attempts in all, seconds between two.

    `statuses` are tried again although they carry no Retry-After; 409, 425, 429 and 503 that do always are.
    """

    attempts: int = 6
    wait: float = 0.0
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Replaying:
    """How traffic is sent. `pace`: fast leaves no gaps, compressed keeps them up to 100 ms, recorded keeps them.

    `concurrency`: sessions under way at once. `strength` of the covering arrays (2: pairs). `timeout` of one attempt,
    in seconds. `live_sessions` and `live_rate` (requests per second) shape the traffic during transitions.
    """

    pace: str = "fast"
    concurrency: int = 8
    strength: int = 2
    timeout: float = 15.0
    retry: Retry = Retry()
    live_sessions: int = 2
    live_rate: float = 100.0


@dataclass(frozen=True, slots=True)
class Matrix:
    name: str
    file: Path
    services: tuple[Service, ...]
    stores: tuple[Store, ...]
    partners: tuple[Partner, ...]
    rollout: Rollout
    traffic: tuple[Traffic, ...]
    faults: tuple[str, ...]
    budget: float  # seconds
    replaying: Replaying = Replaying()

    def service(self, name: str) -> Service:
        return next(service for service in self.services if service.name == name)
