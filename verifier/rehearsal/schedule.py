"""Does independent jobs side by side, as many at a time as the machine bears."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

import psutil

MEMORY = 1 << 30  # bytes that the services and stores of one path may need
Job = Callable[[], Awaitable[None]]


def most_parallel() -> int:
    """How many paths this machine bears at a time: one for each core that this process may use, as memory allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // MEMORY))


async def side_by_side(jobs: Sequence[Job], most: int) -> None:
    """Do all jobs, at most `most` at a time; each begins when one before it in the list has ended.

    When one fails, the others are cancelled. After they have ended, its exception is raised.
    """
    if not jobs:
        return
    waiting = iter(jobs)
    tasks = [asyncio.create_task(_each(waiting)) for _ in range(min(most, len(jobs)))]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        retrieved(tasks)
    failed = [error for task in tasks if task in ended and (error := task.exception()) is not None]
    for error in failed:
        raise error.interrupt if isinstance(error, _Interrupted) else error


def retrieved(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Look at the exceptions of tasks that have ended, so that asyncio does not print those that nobody raises."""
    for task in tasks:
        if not task.cancelled():
            task.exception()


class _Interrupted(Exception):
    """Carries what would end the event loop at once, before anything is tidied up, to whoever waits for the jobs."""

    def __init__(self, interrupt: BaseException) -> None:
        super().__init__()
        self.interrupt = interrupt


async def _each(waiting: Iterator[Job]) -> None:
    for job in waiting:
        try:
            await job()
        except (KeyboardInterrupt, SystemExit) as interrupt:
            raise _Interrupted(interrupt) from None
