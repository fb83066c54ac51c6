"""The sweep: every acknowledged resource is read back through every live version."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from verifier.history.model import Note
from verifier.replay.driver import Driver, Resource
from verifier.replay.stage import Attempt

MOST_OLDER = 150  # resources of earlier steps that are read again in one sweep
Group = tuple[str, str, tuple[str, ...]]


async def sweep(driver: Driver, step: str, turn: int = 1) -> int:
    """Read back; returns the number of reads. What is left out for its number is noted, never passed over."""
    thin(driver, step)
    chosen, left_out = choose(list(driver.resources.values()), step, random.Random(f"{driver.stage.seed}/{step}/sweep"))
    left_out += len(driver.thinned)
    if left_out:
        driver.stage.record(Note(step, "not-run", f"{left_out} resources of earlier steps were not read back again"))
    limit = asyncio.Semaphore(driver.replaying.concurrency)
    count = 0

    async def read(number: int, resource: Resource) -> None:
        nonlocal count
        async with limit:
            for version in driver.stage.rotation.versions(resource.service):
                what = Attempt(
                    step=step,
                    replay=resource.replay,
                    session=resource.session,
                    index=resource.index,
                    number=turn,
                    source="sweep",
                    service=resource.service,
                    version=version,
                    fallback=resource.name,
                    parent=resource.operation,
                    label=f"{step}/sweep{turn}-{number}/{version}",
                )
                driver.stage.record(await driver.stage.attempt(what, resource.request))
                count += 1

    async with asyncio.TaskGroup() as group:
        for number, resource in enumerate(chosen, 1):
            group.create_task(read(number, resource))
    return count


def thin(driver: Driver, step: str) -> None:
    """Forget resources of earlier steps that no sweep could still need, so that memory stays bounded.

    A sweep takes at most MOST_OLDER of all older ones, evenly from their groups: of a larger group, so many drawn at
    random leave it the same choice. What goes is counted by `thinned`.
    """
    groups: dict[Group, list[tuple[str, str]]] = {}
    thinned_before = driver.thinned_steps
    for key, entry in driver.resources.items():
        if entry.step != step and entry.step not in thinned_before:
            groups.setdefault(group_of(entry), []).append(key)
    thinned_before.update(entry_step for entry_step, _, _ in groups)
    draw = random.Random(f"{driver.stage.seed}/{step}/thin")
    for keys in groups.values():
        if len(keys) > MOST_OLDER:
            kept = frozenset(draw.sample(range(len(keys)), MOST_OLDER))  # fewer draws than a shuffle takes
            for at, key in enumerate(keys):
                if at not in kept:
                    del driver.resources[key]
                    driver.thinned.add(hash(key))


def group_of(entry: Resource) -> Group:
    """Where a resource comes from: step, operation, and the versions that touched it."""
    return entry.step, entry.name, entry.versions


def choose(resources: Sequence[Resource], step: str, draw: random.Random) -> tuple[list[Resource], int]:
    """All resources of this step, and of older ones as many as fit, spread over where they come from.

    Older ones are taken round by round from the groups (step, operation, versions that touched them), so that no
    group is left out while another one has two.
    """
    current = [entry for entry in resources if entry.step == step]
    groups: dict[Group, list[Resource]] = {}
    for entry in resources:
        if entry.step != step:
            groups.setdefault(group_of(entry), []).append(entry)
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
    return [*current, *older], len(resources) - len(current) - len(older)
