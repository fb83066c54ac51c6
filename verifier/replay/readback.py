"""The sweep: every acknowledged resource is read back through every live version."""

from __future__ import annotations

import asyncio
import random

from verifier.history.model import Note
from verifier.replay.context import Attempt
from verifier.replay.resources import Resource
from verifier.replay.session import SessionReplayer


async def sweep(driver: SessionReplayer, step: str, turn: int = 1) -> int:
    """Read back; returns the number of reads. What is left out for its number is noted, never passed over."""
    thin(driver, step)
    chosen, left_out = driver.resources.choose(step, random.Random(f"{driver.context.seed}/{step}/sweep"))
    if left_out:
        driver.context.record(Note(step, "not-run", f"{left_out} resources of earlier steps were not read back again"))
    limit = asyncio.Semaphore(driver.replaying.concurrency)
    count = 0

    async def read(number: int, resource: Resource) -> None:
        nonlocal count
        async with limit:
            for version in driver.context.rotation.versions(resource.service):
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
                driver.context.record(await driver.context.attempt(what, resource.request))
                count += 1

    async with asyncio.TaskGroup() as group:
        for number, resource in enumerate(chosen, 1):
            group.create_task(read(number, resource))
    return count


def thin(driver: SessionReplayer, step: str) -> None:
    driver.resources.thin(step, random.Random(f"{driver.context.seed}/{step}/thin"))
