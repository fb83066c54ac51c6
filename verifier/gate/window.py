"""What runs side by side while a build is deployed, and which states of a run are part of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from verifier.gate.model import Build, Evidence, Live, Member, RunVersion, Sides, State


@dataclass(frozen=True, slots=True)
class Contracts:
    """The contracts of versions, by service and version, as all runs agree on them. Empty: contracts do not count."""

    known: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: Iterable[Evidence]) -> Contracts:
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for entry in evidence:
            for member in entry.members:
                for version in (member.old, member.new):
                    found[member.service, version.name].add(version.contract)
        return cls({names: next(iter(texts)) for names, texts in found.items() if len(texts) == 1})

    def stands_for(self, service: str, version: RunVersion, build: Build, targets: Collection[str] = ()) -> bool:
        """Whether a version of a run is a live build, or has the same contract and is not what is deployed."""
        if version.is_build(build):
            return True
        contract = self.known.get((service, build.version), "")
        return service not in targets and bool(contract) and contract == version.contract


@dataclass(frozen=True, slots=True)
class Window:
    """`during` and `after` a deployment: the builds of each service. `problems` keep the answer from being a yes."""

    targets: Mapping[str, Build]
    during: Live
    after: Live
    live: Live
    overlap: bool = True
    problems: tuple[str, ...] = ()

    def before(self, service: str) -> tuple[Build, ...]:
        """The live builds of a service that the deployment replaces."""
        target = self.targets.get(service)
        return tuple(build for build in self.live.get(service, ()) if target is None or not build.is_same(target))

    def holds(self, state: State, members: Mapping[str, Member], contracts: Contracts) -> tuple[bool, list[str]]:
        """Whether nothing in a state is foreign to the window, and which versions stand for others in it."""
        bridges = []
        for service, member, versions in (*_of(state.mixture, members), *_of(state.origin, members)):
            if len(versions) > 1 and service in self.targets and not self.overlap:
                return False, []
            for version in versions:
                build = self._build(service, version, contracts)
                if build is None:
                    return False, []
                if not version.is_build(build):
                    bridges.append(f"{service} {version.name} has the same contract as {build}, which is live")
            if service in state.migrated and self._build(service, member.new, contracts) is None:
                return False, []
        return True, bridges

    def is_whole(self, sides: Sides, members: Mapping[str, Member], contracts: Contracts, builds: Live) -> bool:
        """Whether a mixture had all of these builds, as far as the services of the run go, and no other."""
        found = {service: versions for service, _, versions in _of(sides, members)}
        return found.keys() == members.keys() and all(
            len(versions) == len(builds.get(service, ()))
            and all(
                any(contracts.stands_for(service, version, build, self.targets) for version in versions)
                for build in builds.get(service, ())
            )
            for service, versions in found.items()
        )

    def _build(self, service: str, version: RunVersion, contracts: Contracts) -> Build | None:
        """The build of the window that a version of a run is, or stands for."""
        builds = self._counting(service)
        exact = next((build for build in builds if version.is_build(build)), None)
        return exact or next(
            (build for build in builds if contracts.stands_for(service, version, build, self.targets)), None
        )

    def _counting(self, service: str) -> tuple[Build, ...]:
        """Without an overlap, the old builds are still part of the way."""
        return tuple(dict.fromkeys((*self.during.get(service, ()), *self.before(service))))


def _of(sides: Sides, members: Mapping[str, Member]) -> Iterator[tuple[str, Member, tuple[RunVersion, ...]]]:
    """The services of a mixture that count, with their versions."""
    for service, names in sides:
        if service in members:
            yield service, members[service], tuple(members[service].version(name) for name in names)


def window_of(targets: Mapping[str, Build], live: Live, overlap: bool, apart: Collection[str]) -> Window:
    """The window of a deployment. Without `overlap`, the live builds of its services end before the new ones start."""
    live = {service: builds for service, builds in live.items() if service not in apart or service in targets}
    during, after, problems = dict(live), dict(live), []
    for service, target in targets.items():
        others = tuple(build for build in live.get(service, ()) if not build.is_same(target))
        during[service] = (*others, target) if overlap else (target,)
        after[service] = (target,)
        names = [build.version for build in during[service]]
        if len(set(names)) < len(names):
            problems.append(
                f"two builds of {service} {target.version} would run side by side, which no run can rehearse; "
                "give each build a version of its own"
            )
        elif len(names) > 2:
            problems.append(
                f"{' and '.join(map(str, during[service]))} of {service} would run side by side, and a run has two; "
                "finish or remove the deployment that is under way first"
            )
    return Window(targets, during, after, live, overlap, tuple(problems))
