"""In which order replicas start: the first one of a version alone on its stores, as in operation.

Services that make or change their own schema collide if two of them do so on an empty store at once. No service in
operation meets an empty store with two replicas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass

from verifier.gateway.gateway import Gateway
from verifier.matrix.model import Matrix, Service, Version
from verifier.plan.calls import callees
from verifier.plan.model import Action
from verifier.rehearsal.environment import REFERENCE
from verifier.runtime.base import Address, StartFailure

Started = tuple[str, str]  # service and version


class StepFailed(Exception):
    """A replica could not be started or a migration failed. This is a finding, except in a control.

    `tail` is the end of its log. `disturbed`: a planned fault came before, so that it is one in a control, too.
    """

    def __init__(self, message: str, tail: str, disturbed: bool = False) -> None:
        super().__init__(message)
        self.tail, self.disturbed = tail, disturbed


def waves(
    matrix: Matrix, actions: Sequence[Action], started: Iterable[Started]
) -> tuple[list[list[Action]], list[Action]]:
    """Queues of first replicas and the remaining ones. `started` are the versions that have run on these stores.

    Queues may go on at the same time, since their services share no store. Within one, each replica is awaited before
    the next one starts: callees before callers, and workers last. The remaining replicas start together afterwards.
    """
    known, first, rest = set(started), list[Action](), list[Action]()
    for action in actions:
        key = (action.service, action.version)
        (rest if key in known else first).append(action)
        known.add(key)
    queues: list[tuple[set[str], list[Action]]] = []
    for action in first:
        stores, queue = stores_of(matrix.service(action.service).version(action.version)), [action]
        for others in [entry for entry in queues if entry[0] & stores]:
            queues.remove(others)
            stores, queue = stores | others[0], [*others[1], *queue]
        queues.append((stores, queue))
    return [_in_order(matrix, queue) for _, queue in queues], rest


def stores_of(version: Version) -> set[str]:
    """The stores that a version names."""
    commands = (version.command or (), *(command for _, command in version.preparation))
    texts = [*(value for _, value in version.environment), *(part for command in commands for part in command)]
    return {found[0] for text in texts for found in REFERENCE.findall(text)}


def _in_order(matrix: Matrix, queue: list[Action]) -> list[Action]:
    reached = callees(matrix)

    def rank(action: Action) -> tuple[bool, int]:
        return not matrix.service(action.service).serves, len(reached[action.service])

    return sorted(queue, key=rank)


def oldest(matrix: Matrix) -> list[tuple[Service, Version]]:
    """The oldest version of each service, which brings the schema of fresh stores."""
    return [(service, (*service.before, service.old)[0]) for service in matrix.services]


def earlier(matrix: Matrix) -> tuple[Action, ...]:
    """What leads from stores of the oldest versions to stores of the old ones of a pair, as releases did in operation.

    Each set of versions starts once, because a migration changes the schema that the version before it creates. Then
    it stops, and the next version's migrations run. Without migrations nothing has to be done.
    """
    chains = {service.name: (*service.before, service.old) for service in matrix.services}
    if not any(_staged(name, version) for name, chain in chains.items() for version in chain[1:]):
        return ()
    actions: list[Action] = []
    for place in range(max(map(len, chains.values())) - 1):
        running = [(name, chain[min(place, len(chain) - 1)].name) for name, chain in chains.items()]
        actions += [Action("start", name, version, 1) for name, version in running]
        actions += [Action("stop", name, version, 1) for name, version in running]
        for name, chain in chains.items():
            actions += _staged(name, chain[place + 1]) if place + 1 < len(chain) else ()
    return tuple(actions)


def _staged(service: str, version: Version) -> list[Action]:
    stages = ("expand", "migrate", "contract")
    return [
        Action("migrate", service, version.name, stage=stage) for stage in stages if getattr(version.migrations, stage)
    ]


@dataclass(slots=True)
class EarlyBoot:
    """A replica that boots before its step (`early_boots.py`), and the seconds that it takes."""

    replica: str
    task: asyncio.Task[tuple[Address | StartFailure, float]]

    async def taken(self, gateway: Gateway) -> tuple[Address | StartFailure, float] | None:
        """Its step has come. None if it did not become ready, which counts for nothing."""
        gateway.holding.release(self.replica)
        result, seconds = await self.task
        if isinstance(result, StartFailure):
            await gateway.detach(self.replica)
            return None
        return result, seconds


async def timed(
    start: Coroutine[None, None, Address | StartFailure], clock: Callable[[], float]
) -> tuple[Address | StartFailure, float]:
    """What a start returns, and how long it took."""
    began = clock()
    return await start, clock() - began


async def all_done(*work: Coroutine[None, None, None]) -> None:
    """Wait for all, then raise what the first one of them raised."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
