"""What the gate knows, as plain values: evidence of published runs, and which builds are live in an environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from verifier.checks.verdict import Verdict

Direction = Literal["forward", "back"]
DeploymentStage = Literal["started", "finished", "removed"]


class Build(Struct, frozen=True, order=True):
    """A version of a service that is or may be deployed. `digest` identifies its image; "" if it is not known."""

    version: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.version}@{self.digest[:19]}" if self.digest else self.version

    def is_same(self, other: Build) -> bool:
        """Whether nothing tells the two apart: equal versions, and no different digests."""
        return self.version == other.version and (not self.digest or not other.digest or self.digest == other.digest)


class RunVersion(Struct, frozen=True):
    """A version that a run used. An image has several digests, such as its id and those of registries."""

    name: str
    digests: tuple[str, ...] = ()
    contract: str = ""  # digest of its contract and guarantees; "" if it has none

    def is_build(self, build: Build) -> bool:
        """Whether a build is this version: equal names, and an equal digest where both sides know one."""
        return self.name == build.version and (not build.digest or not self.digests or build.digest in self.digests)


class Member(Struct, frozen=True):
    """A service of a run, before and after. Both versions are equal if the run did not change it."""

    service: str
    old: RunVersion
    new: RunVersion

    def version(self, name: str) -> RunVersion:
        return self.new if name == self.new.name else self.old


Sides = tuple[tuple[str, tuple[str, ...]], ...]  # services with their versions, both sorted


class State(Struct, frozen=True):
    """One mixture that a run was in, on its way forward or back, with its worst verdict there.

    `origin` is the mixture from which the run went back, empty on the way forward. `migrated` are the services whose
    migrations had been applied. `steps` are those in which the worst verdict was seen, and `causes` what was violated
    in them, in a sentence each.
    """

    direction: Direction
    mixture: Sides
    migrated: tuple[str, ...]
    verdict: Verdict
    steps: tuple[str, ...]
    causes: tuple[str, ...] = ()
    origin: Sides = ()


class Evidence(Struct, frozen=True):
    """What one pair of versions of a run says. `run` identifies the run by its content; `at` is its Unix time."""

    run: str
    pair: str  # such as "orders 1.4 → 2.0"
    matrix: str
    runtime: str
    tool: str
    directory: str
    at: float
    verdict: Verdict
    members: tuple[Member, ...]
    states: tuple[State, ...]
    unknowns: tuple[str, ...] = ()
    coverage: dict[str, tuple[int, int]] = {}  # of states, transitions, routes and faults: covered, total
    contracted: tuple[str, ...] = ()  # services that had migrations for when all old replicas are gone

    @property
    def subject(self) -> tuple[object, ...]:
        """What a newer run has to be about to take the place of this one: the same matrix, versions and builds."""
        members = sorted((member.service, _identity(member.old), _identity(member.new)) for member in self.members)
        return (self.matrix, tuple(members))

    def __str__(self) -> str:
        return f"run {self.run[:12]} of {self.matrix} ({self.pair})"


def _identity(version: RunVersion) -> tuple[str, tuple[str, ...]]:
    return version.name, tuple(sorted(version.digests))


class Deployment(Struct, frozen=True):
    """What was recorded of one build in an environment, in the order in which the store received it."""

    environment: str
    service: str
    build: Build
    stage: DeploymentStage
    at: float


Live = Mapping[str, tuple[Build, ...]]


def live(deployments: Iterable[Deployment]) -> dict[str, tuple[Build, ...]]:
    """The builds of each service that run in an environment after these deployments, in order.

    A deployment that has started adds its build, one that has finished leaves nothing else, and a build that was
    removed is gone. A service without any build is not in the result.
    """
    found: dict[str, tuple[Build, ...]] = {}
    for entry in deployments:
        others = tuple(build for build in found.get(entry.service, ()) if not build.is_same(entry.build))
        if entry.stage == "finished":
            found[entry.service] = (entry.build,)
        elif entry.stage == "started":
            found[entry.service] = (*others, _known(found.get(entry.service, ()), entry.build))
        else:
            found[entry.service] = others
    return {service: builds for service, builds in found.items() if builds}


def _known(before: Iterable[Build], build: Build) -> Build:
    """The build, with the digest that was recorded before if it has none."""
    return next((entry for entry in before if entry.is_same(build) and entry.digest and not build.digest), build)
