"""Pairs of versions: a matrix with more than two versions of a service is rehearsed once for each pair."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from verifier.located import Located, Reader
from verifier.matrix.model import Matrix, Service, Traffic
from verifier.printable import quoted

PAIRINGS = ("adjacent", "all")
NEEDED = {"contract-early": ("contract",), "new-before-expand": ("expand",)}  # stages, without which it is no attempt
Names = tuple[str, str]
Places = tuple[int, int]  # of the old and the new version among the versions of a service, from 0


@dataclass(frozen=True, slots=True)
class Pair:
    """One rollout of a matrix. `matrix` holds only the versions of this pair; `name` is safe as a folder and unique.

    An `attempt` does the migrations in a wrong order, because the matrix asks for it.
    """

    old: str
    new: str
    name: str
    matrix: Matrix
    attempt: str = ""

    def __str__(self) -> str:
        return f"{self.old} → {self.new}" + (f" ({self.attempt})" if self.attempt else "")


def pairs(matrix: Matrix) -> tuple[Pair, ...]:
    """The rollouts that a matrix asks for, in order. A matrix with at most two versions of each service has one.

    Adjacent pairs: pair k upgrades each service from its k-th to its (k+1)-th version. `all` adds the upgrades that
    skip versions. A service with fewer versions stays at its last. A pair is named after the service with the most
    versions. An explicit pair names two versions of a service; a service that does not have both is upgraded by
    position, from and to the versions at the same places. Earlier versions of a pair make its fresh stores ready
    (`Service.before`), and skipped ones bring their migrations (`Service.skipped`). The matrix of a pair has that one
    pair.
    """
    found: dict[str, Pair] = {}
    for names, places in _wanted(matrix):
        name = _unused(f"{safe_name(names[0])}-{safe_name(names[1])}", found)
        services = tuple(_upgraded(service, *_places(service, names, places)) for service in matrix.services)
        traffic = _traffic(matrix, services)
        own = replace(matrix, services=services, traffic=traffic, pairs=PAIRINGS[0], attempts=())
        found[name] = Pair(*names, name, own)
        for attempt in matrix.attempts:
            if any(service.migrating(stage) for service in services for stage in NEEDED[attempt]):
                wrong = replace(own, rollout=replace(own.rollout, attempt=attempt, rollback="none"))
                other = _unused(f"{name}-{attempt}", found)
                found[other] = Pair(*names, other, wrong, attempt)
    return tuple(found.values())


def versions(matrix: Matrix) -> tuple[str, ...]:
    """The version names of the service with the most versions, then those that only pairs of others name."""
    named = [name for pair in matrix.pairs for name in pair] if not isinstance(matrix.pairs, str) else []
    return tuple(dict.fromkeys([version.name for version in _longest(matrix).versions] + named))


def left_out(matrix: Matrix, found: Sequence[Pair]) -> tuple[str, ...]:
    """A sentence for each declared version that runs in no pair, and for each recording that a pair does not replay."""
    told = []
    for service in matrix.services:
        running = {version.name for pair in found for version in pair.matrix.service(service.name).versions}
        for version in service.versions:
            if version.name not in running:
                told.append(f"{service.name} {version.name} is never run, because `pairs` names it in no pair")
    for pair in found:
        for traffic in matrix.traffic:
            if traffic not in pair.matrix.traffic:
                told.append(
                    f"{traffic.recording.name} is not replayed in the pair {pair}, because its client "
                    f"{traffic.client} is newer than both versions"
                )
    return tuple(told)


def read_pairs(reader: Reader, at: Located | None, services: Sequence[Service]) -> str | tuple[Names, ...]:
    """`pairs: adjacent`, `all`, or a list of pairs of version names, the older one first."""
    if at is None or not isinstance(at.value, list):
        if at is not None and at.value not in PAIRINGS:
            reader.problem(at, f"must be {', '.join(PAIRINGS)} or a list of pairs [OLD, NEW], not {quoted(at.value)}")
        return PAIRINGS[0] if at is None else str(at.value)
    if not at.value:
        reader.problem(at, "names no pair")
    found: list[Names] = []
    for item in at.value:
        names = reader.texts(item)
        if not isinstance(item.value, list) or len(names) != 2:
            if isinstance(item.value, list):
                reader.problem(item, f"must be a pair [OLD, NEW], not {len(names)} names")
            continue
        pair = (names[0], names[1])
        if problem := _problem(pair, services) if services else "":
            reader.problem(item, problem)
        elif pair in found:
            reader.problem(item, f"the pair {pair[0]!r}, {pair[1]!r} is repeated")
        else:
            found.append(pair)
    return tuple(found)


def safe_name(name: str) -> str:
    """A name of the matrix, made safe as part of a folder's or a container's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:60] or "run"


def _problem(pair: Names, services: Sequence[Service]) -> str:
    """Why these names are no pair; "" if they are one."""
    known = {version.name for service in services for version in service.versions}
    for name in pair:
        if name not in known:
            return f"no service has a version {name!r}"
    if any(_own_places(service, pair) is not None for service in services):
        return ""
    if any(_own_places(service, (pair[1], pair[0])) is not None for service in services) or pair[0] == pair[1]:
        return f"{pair[0]!r} must be older than {pair[1]!r}"
    return f"no service has both {pair[0]!r} and {pair[1]!r}"


def _wanted(matrix: Matrix) -> Iterator[tuple[Names, Places]]:
    if isinstance(matrix.pairs, str):
        names = [version.name for version in _longest(matrix).versions]
        adjacent = pairwise(range(len(names)))
        found = list(combinations(range(len(names)), 2) if matrix.pairs == "all" else adjacent)
        for old, new in found or [(0, 0)]:
            yield (names[old], names[new]), (old, new)
        return
    for pair in matrix.pairs:
        places = next(own for service in matrix.services if (own := _own_places(service, pair)) is not None)
        yield pair, places


def _longest(matrix: Matrix) -> Service:
    return max(matrix.services, key=lambda service: len(service.versions))


def _own_places(service: Service, pair: Names) -> Places | None:
    """The places of both names in a service; None if it does not have both, the older one first."""
    names = [version.name for version in service.versions]
    places = tuple(names.index(name) for name in pair if name in names)
    return (places[0], places[1]) if len(places) == 2 and places[0] < places[1] else None


def _places(service: Service, pair: Names, places: Places) -> Places:
    own = _own_places(service, pair) if len(service.versions) > 1 else None
    last = len(service.versions) - 1
    return own or (min(places[0], last), min(places[1], last))


def _upgraded(service: Service, old: int, new: int) -> Service:
    """The service with the versions at these places; with one version if both are the same."""
    every = service.versions
    running = (every[old],) if old == new else (every[old], every[new])
    before, skipped = (*service.before, *every[:old]), (*service.skipped, *every[old + 1 : new])
    return replace(service, versions=running, before=before, skipped=skipped)


def _traffic(matrix: Matrix, services: Sequence[Service]) -> tuple[Traffic, ...]:
    """The recordings without those of clients that are newer than every version of the pair.

    Such clients may call what neither version offers. If all recordings are of that kind, all are kept.
    """
    known = {version.name for service in services for version in service.all_versions}
    newer = {version.name for service in matrix.services for version in service.versions} - known
    kept = tuple(traffic for traffic in matrix.traffic if traffic.client not in newer)
    return kept or matrix.traffic


def _unused(name: str, taken: dict[str, Pair]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbered if other not in taken)
