"""The sweep: every acknowledged resource is read back through every live version."""

from __future__ import annotations

import asyncio
import random

from verifier.history.model import Note
from verifier.replay.context import Attempt
from verifier.replay.resources import Resource
from verifier.replay.session import SessionReplayer


async def sweep(replayer: SessionReplayer, step: str, turn: int = 1) -> int:
    """Read the resources back; returns the number of reads. A note says how many were left out."""
    prune(replayer, step)
    chosen, left_out = replayer.resources.choose(step, random.Random(f"{replayer.context.seed}/{step}/sweep"))
    if left_out:
        replayer.context.record(
            Note(step, "not-run", f"{left_out} resources of earlier steps were not read back again")
        )
    limit = asyncio.Semaphore(replayer.replaying.concurrency)
    count = 0

    async def read(number: int, resource: Resource) -> None:
        nonlocal count
        async with limit:
            for version in replayer.context.rotation.versions(resource.service):
                attempt = Attempt(
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
                replayer.context.record(await replayer.context.send(attempt, resource.request))
                count += 1

    async with asyncio.TaskGroup() as group:
        for number, resource in enumerate(chosen, 1):
            group.create_task(read(number, resource))
    return count


def prune(replayer: SessionReplayer, step: str) -> None:
    """Forget the resources of earlier steps that no sweep could still need."""
    replayer.resources.prune(step, random.Random(f"{replayer.context.seed}/{step}/thin"))
