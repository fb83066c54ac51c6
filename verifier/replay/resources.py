"""What has been read successfully in one path, to be read back by the sweeps."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator

from msgspec import Struct

from verifier.history.message import Request
from verifier.history.model import Operation

MOST_OLDER = 150  # resources of earlier steps that are read again in one sweep
Key = tuple[str, str]  # service, target
Group = tuple[str, str, tuple[str, ...]]


class Resource(Struct, frozen=True, gc=False):
    """Something acknowledged that can be read back: the request that read it, and the versions that touched it."""

    service: str
    name: str
    request: Request
    operation: str
    step: str
    replay: str
    session: str
    index: int
    versions: tuple[str, ...]

    @property
    def group(self) -> Group:
        """Where it comes from: step, operation, and the versions that touched it."""
        return self.step, self.name, self.versions


class Resources:
    """Each by its service and target, as it was read last.

    A sweep reads all those of its own step, and at most MOST_OLDER of all older ones, evenly from their groups. Those
    that no sweep could still need are forgotten with each step, so that memory stays bounded: of a larger group, so
    many drawn at random leave the sweeps the same choice. `thinned`: how many those are, unless they were read again.
    """

    def __init__(self) -> None:
        self._current: dict[Key, Resource] = {}  # of steps that have not been thinned
        self._older: dict[Key, Resource] = {}
        self._thinned: set[int] = set()  # hashes of keys

    def __iter__(self) -> Iterator[Resource]:
        yield from self._older.values()
        yield from self._current.values()

    def __len__(self) -> int:
        return len(self._older) + len(self._current)

    @property
    def thinned(self) -> int:
        return len(self._thinned)

    def read(self, operation: Operation, versions: tuple[str, ...], request: Request) -> None:
        """Keep what an operation has read. `request` may be without its trace: a sweep gives it one of its own."""
        self.add(
            Resource(
                operation.service,
                operation.name,
                request,
                operation.id,
                operation.step,
                operation.replay,
                operation.session,
                operation.index,
                versions,
            )
        )

    def add(self, resource: Resource) -> None:
        key = (resource.service, resource.request.target)
        if self._older:
            self._older.pop(key, None)
        if self._thinned:
            self._thinned.discard(hash(key))
        self._current[key] = resource

    def thin(self, step: str, draw: random.Random) -> None:
        """Forget of the steps before `step` what no sweep could still need."""
        groups: dict[Group, list[Key]] = {}
        for key, entry in self._current.items():
            if entry.step != step:
                groups.setdefault(entry.group, []).append(key)
        for keys in groups.values():
            kept: Container[int] = range(len(keys))
            if len(keys) > MOST_OLDER:
                kept = frozenset(draw.sample(range(len(keys)), MOST_OLDER))  # fewer draws than a shuffle takes
            for at, key in enumerate(keys):
                entry = self._current.pop(key)
                if at in kept:
                    self._older[key] = entry
                else:
                    self._thinned.add(hash(key))

    def choose(self, step: str, draw: random.Random) -> tuple[list[Resource], int]:
        """What the sweep of a step reads, and how many resources it leaves out.

        Older ones are taken round by round from the groups (step, operation, versions that touched them), so that no
        group is left out while another one has two.
        """
        current = [entry for entry in self if entry.step == step]
        groups: dict[Group, list[Resource]] = {}
        for entry in self:
            if entry.step != step:
                groups.setdefault(entry.group, []).append(entry)
        for group in groups.values():
            draw.shuffle(group)
        older: list[Resource] = []
        waiting = list(groups.values())
        draw.shuffle(waiting)
        while waiting and len(older) < MOST_OLDER:
            for group in waiting:
                older.append(group.pop())
            waiting = [group for group in waiting if group]
        older = older[:MOST_OLDER]
        return [*current, *older], len(self) + self.thinned - len(current) - len(older)
