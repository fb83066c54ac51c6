"""The resources that were read successfully in one path, to be read back by the sweeps."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter

from msgspec import Struct

from verifier.history.model import Operation
from verifier.http.message import Request
from verifier.replay.prepared import PreparedExchange

MOST_OLDER = 150  # resources of earlier steps that are read again in one sweep
_MOST_NEW = 2048  # that are put under their keys at once
Key = tuple[str, str]  # service, target
Group = tuple[str, str, tuple[str, ...]]  # step, operation, and the versions that touched it


class Resource(Struct, frozen=True, gc=False):
    """An acknowledged resource: the request that read it, and the versions that touched it before."""

    service: str
    name: str
    request: Request
    operation: str
    step: str
    replay: str
    session: str
    index: int
    versions: tuple[str, ...]


class Reader(Struct, frozen=True, gc=False):
    """The replay that has read a resource, and its session."""

    replay: str
    session: str


class LazyResource(Struct, frozen=True, gc=False):
    """A resource that is made only when it is needed, as most never are. `values` are those of the request."""

    step: str
    name: str
    versions: tuple[str, ...]
    reader: Reader
    prepared: PreparedExchange
    values: list[str]

    def resource(self) -> Resource:
        reader, prepared = self.reader, self.prepared
        operation = f"{self.step}/{reader.replay}/{prepared.index + 1}.1"
        request = prepared.build(self.values, ())
        return Resource(
            prepared.service, self.name, request, operation, self.step, reader.replay, reader.session, prepared.index,
            self.versions,
        )  # fmt: skip


Entry = Resource | LazyResource
_group = attrgetter("step", "name", "versions")


class Resources:
    """The resources by service and target, each as it was read last.

    A sweep reads all those of its own step, and at most MOST_OLDER of all older ones, evenly from their groups. To
    bound memory, `prune` keeps at most MOST_OLDER of each older group, drawn at random: sweeps choose from them as well
    as from all. `pruned` is the number of the others, without those that were read again.
    """

    def __init__(self) -> None:
        self._new: list[Entry] = []  # in the order they were read, up to _MOST_NEW
        self._current: dict[Key, Entry] = {}  # of steps that have not been pruned
        self._older: dict[Key, Entry] = {}
        self._pruned: set[int] = set()  # hashes of keys

    def __iter__(self) -> Iterator[Resource]:
        self._sort()
        yield from map(_resource, self._older.values())
        yield from map(_resource, self._current.values())

    def __len__(self) -> int:
        self._sort()
        return len(self._older) + len(self._current)

    @property
    def pruned(self) -> int:
        self._sort()
        return len(self._pruned)

    def add(self, entries: list[Entry]) -> None:
        """Keep what was read, in this order."""
        self._new += entries
        if len(self._new) >= _MOST_NEW:
            self._sort()

    def _sort(self) -> None:
        """Put the new ones under their keys: all at once takes a fraction of the time."""
        if not self._new:
            return
        read: dict[Key, Entry] = {}
        for entry in self._new:
            if isinstance(entry, LazyResource):
                read[entry.prepared.service, entry.prepared.target(entry.values)] = entry
            else:
                read[entry.service, entry.request.target] = entry
        self._new.clear()
        for key in self._older.keys() & read.keys():
            del self._older[key]
        if self._pruned:
            self._pruned.difference_update(map(hash, read))
        if self._current:
            self._current.update(read)
        else:
            self._current = read

    def prune(self, step: str, draw: random.Random) -> None:
        """Forget the resources of steps before `step` that no sweep could still need."""
        self._sort()
        groups: defaultdict[Group, list[Key]] = defaultdict(list)
        for key, group in zip(self._current, map(_group, self._current.values()), strict=True):
            groups[group].append(key)
        for (of, *_), keys in groups.items():
            if of == step:
                continue
            if len(keys) > MOST_OLDER:
                kept = [keys[at] for at in sorted(draw.sample(range(len(keys)), MOST_OLDER))]
                self._pruned.update(map(hash, keys))
                self._pruned.difference_update(map(hash, kept))
                self._older.update((key, self._current[key]) for key in kept)
            else:
                self._older.update((key, self._current[key]) for key in keys)
        now = [key for (of, *_), keys in groups.items() if of == step for key in keys]
        self._current = {key: self._current[key] for key in now}

    def choose(self, step: str, draw: random.Random) -> tuple[list[Resource], int]:
        """What the sweep of a step reads, and how many resources it leaves out.

        Older ones are taken round by round from the groups (step, operation, versions that touched them), so that no
        group is left out while another one has two.
        """
        every = list(self)
        current = [entry for entry in every if entry.step == step]
        groups: dict[Group, list[Resource]] = {}
        for entry in every:
            if entry.step != step:
                groups.setdefault(_group(entry), []).append(entry)
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
        return [*current, *older], len(every) + self.pruned - len(current) - len(older)


def resource(operation: Operation, versions: tuple[str, ...]) -> Resource:
    """What an operation has read. A sweep gives the request a trace of its own."""
    return Resource(
        operation.service,
        operation.name,
        operation.request,
        operation.id,
        operation.step,
        operation.replay,
        operation.session,
        operation.index,
        versions,
    )


def _resource(entry: Entry) -> Resource:
    return entry.resource() if isinstance(entry, LazyResource) else entry
