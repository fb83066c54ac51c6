"""A matrix as plain values. Paths are absolute, defaults are filled in, and versions are sorted oldest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from verifier.matrix.traffic_rules import ComputedRule, Credential, ExchangePattern
from verifier.runtime.base import Build, Environment, Readiness

STRATEGIES = ("rolling", "canary", "blue-green", "recreate")
ATTEMPTS = ("contract-early", "new-before-expand")
COVERS = ("states", "transitions")
ROLLBACKS = ("every-state", "ends", "none")
KINDS = ("web", "worker")
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
    "handover",
    "late-removal",
    "kill",
    "pause",
    "inner-duplicate",
    "inner-lost-answer",
    "inner-late-answer",
)


@dataclass(frozen=True, slots=True)
class Migrations:
    """Commands to run once: `expand` before the first new replica, `migrate` and `contract` after the last old one.

    Those of the oldest version prepare fresh stores instead (`Version.preparation`).
    """

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
    prepare: tuple[str, ...] = ()
    seed: tuple[str, ...] = ()

    @property
    def preparation(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What makes fresh stores ready for this version, each command with what it is: a schema, then data."""
        migrations = self.migrations
        staged = (("expand", migrations.expand), ("migrate", migrations.migrate), ("contract", migrations.contract))
        commands = (("prepare", self.prepare),) if self.prepare else staged
        return tuple((name, command) for name, command in (*commands, ("seed", self.seed)) if command)


@dataclass(frozen=True, slots=True)
class StopPolicy:
    """How a replica is stopped: the signal, and `grace`, the seconds until it is killed.

    `drain` is the longest time in seconds between taking the replica out of rotation and the signal. Load balancers
    use it to let requests in flight end. A request that takes longer, or any request with 0, is interrupted.
    `late_removal` is for how many seconds a late load balancer goes on sending after the signal; 0 if it is never late.
    `wait` is the shortest time in seconds between the end of a replica and the start of the service's next one. Leases
    and heartbeats may expire meanwhile.
    """

    signal: str = "SIGTERM"
    grace: float = 10.0
    drain: float = 1.0
    late_removal: float = 1.0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Service:
    """One service. A worker has no port (0): it gets no traffic, and only its life is watched.

    In the matrix of one pair (`pairs.pairs`), `versions` are the old and the new one, `before` are those older than
    both, and `skipped` are those between them. All are sorted oldest first.
    """

    name: str
    port: int
    replicas: int
    ready: Readiness
    stop: StopPolicy
    versions: tuple[Version, ...]
    kind: str = "web"
    before: tuple[Version, ...] = ()
    skipped: tuple[Version, ...] = ()
    after: tuple[str, ...] = ()  # services whose upgrade must be complete before this one's begins

    @property
    def serves(self) -> bool:
        """Whether it listens on a port and is expected to answer requests."""
        return self.kind == "web"

    @property
    def old(self) -> Version:
        return self.versions[0]

    @property
    def new(self) -> Version:
        return self.versions[-1]

    @property
    def all_versions(self) -> tuple[Version, ...]:
        """Every version that plays a part in this pair, oldest first."""
        return (*self.before, self.old, *self.skipped, *self.versions[1:])

    def version(self, name: str) -> Version:
        return next(version for version in self.all_versions if version.name == name)

    def migrating(self, stage: str) -> tuple[Version, ...]:
        """The versions whose migrations of a stage an upgrade runs: the skipped ones, then the new one.

        `undo` runs in the opposite order.
        """
        found = tuple(version for version in (*self.skipped, *self.versions[1:]) if getattr(version.migrations, stage))
        return found[::-1] if stage == "undo" else found


@dataclass(frozen=True, slots=True)
class Store:
    name: str
    image: str | None
    process: str | tuple[str, ...] | None
    environment: Environment
    port: int | None
    ready: Readiness | None
    seed: Path | None = None  # SQL to load once into each fresh store
    kind: str | None = None  # the kind of store, where the name of the image does not tell it
    content: Path | None = None  # what a file or folder holds to begin with


@dataclass(frozen=True, slots=True)
class Partner:
    """A third party that the verifier simulates. `contract` defines its responses; `delay` is in seconds."""

    name: str
    contract: Path | None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of replicas, or so many percent of them."""

    value: int
    percent: bool = False

    def of(self, replicas: int, up: bool) -> int:
        """As a number of replicas; a fraction of a replica is rounded up, or else down."""
        if not self.percent:
            return self.value
        return -(-self.value * replicas // 100) if up else self.value * replicas // 100


@dataclass(frozen=True, slots=True)
class Rollout:
    """`order` lists the services in upgrade order. `every_order` plans all orders that `Service.after` allows, and
    `safe_order` a safe one.

    `surge` and `unavailable` are those of a rolling update. `canary` are the steps of a canary in percent of the
    replicas; without any it is one replica. `cover` is what the fewest paths visit, at most `paths` of them.
    """

    strategy: str
    order: tuple[str, ...]
    every_order: bool
    safe_order: bool
    rollback: str
    surge: Amount = Amount(1)
    unavailable: Amount = Amount(0)
    canary: tuple[int, ...] = ()
    cover: str = "states"
    paths: int = 6
    attempt: str = ""  # migrations in a wrong order, to see what it does (`ATTEMPTS`)


@dataclass(frozen=True, slots=True)
class TrafficRules:
    """Rules for correlation: explicit flows, values to keep, and values to generate anew."""

    flows: tuple[tuple[str, str], ...] = ()
    keep: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """One recording. `client` is the version whose client was recorded; `service` serves hosts that name no service.

    Only exchanges that match a pattern of `include` are used (none: all), and none that matches one of `exclude`.
    """

    recording: Path
    client: str
    service: str
    session_header: str | None = None
    rules: TrafficRules = TrafficRules()
    credentials: tuple[Credential, ...] = ()
    include: tuple[ExchangePattern, ...] = ()
    exclude: tuple[ExchangePattern, ...] = ()
    computed: tuple[ComputedRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """What clients do if a response is lost or asks them to retry later.

    `attempts` counts the first one; `wait` is seconds between two. 409, 425, 429 and 503 with Retry-After are always
    retried, and `statuses` also without it.
    """

    attempts: int = 6
    wait: float = 0.0
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Replaying:
    """How traffic is sent.

    `pace`: fast leaves out recorded gaps, compressed shortens them to at most 100 ms, recorded keeps them.
    `concurrency` is the number of sessions at once, `strength` that of the covering arrays (2: pairs), and `timeout`
    the seconds for one attempt. `live_sessions` and `live_rate` (requests per second) define the live traffic.
    """

    pace: str = "fast"
    concurrency: int = 8
    strength: int = 2
    timeout: float = 15.0
    retry: Retry = Retry()
    live_sessions: int = 2
    live_rate: float = 100.0


@dataclass(frozen=True, slots=True)
class Invariant:
    """SQL that must return no rows, over the history or over a `store`.

    `says` is what a user would see of a row. `line` and `key` are those of the SQL in the matrix.
    """

    name: str
    sql: str
    store: str = ""
    says: str = ""
    line: int = 0
    key: str = ""


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
    caller: Environment = field(default=(), repr=False)  # variables of the caller that it uses; they may be secret
    pairs: str | tuple[tuple[str, str], ...] = "adjacent"  # or all, or names of versions, the older one first
    attempts: tuple[str, ...] = ()  # each is one more rollout of every pair that has such migrations
    invariants: tuple[Invariant, ...] = ()

    @property
    def ports(self) -> dict[str, int]:
        """The declared port of every service that serves requests, by name."""
        return {service.name: service.port for service in self.services if service.serves}

    def service(self, name: str) -> Service:
        return next(service for service in self.services if service.name == name)
