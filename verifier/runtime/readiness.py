"""Waits until a replica is ready: polls in short intervals and stops at once if it exits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from verifier.runtime.base import Address, StartFailure
from verifier.runtime.logs import tail

FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.05
_GROWTH = 1.5
_ATTEMPT = 2.0

Probe = Callable[[], Awaitable[bool | str]]  # True if ready; a text says what came instead
Clock = Callable[[], float]


async def until_ready(
    probe: Probe,
    ended: asyncio.Future[int],
    within: float,
    log: Path,
    log_start: int = 0,
    clock: Clock = time.monotonic,
) -> StartFailure | None:
    """Poll until the probe returns True. `ended` resolves to the exit status when the replica ends.

    Returns None if it is ready, otherwise the reason. `within` is in seconds.
    """
    response = ""
    deadline = clock() + within
    pause = FIRST_PAUSE
    while (left := deadline - clock()) > 0 and not ended.done():
        attempt = asyncio.ensure_future(probe())
        either: set[asyncio.Future[Any]] = {attempt, ended}
        try:
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not attempt.done():
                attempt.cancel()
                await asyncio.wait({attempt})
        if not attempt.cancelled():
            found = attempt.result()
            if found is True and not ended.done():
                return None
            response = f": {found}" if isinstance(found, str) else response
        await asyncio.wait({ended}, timeout=min(pause, max(0.0, deadline - clock())))
        pause = min(LONGEST_PAUSE, pause * _GROWTH)
    if ended.done():
        return StartFailure(
            "exited", f"exited with status {ended.result()} before it was ready", tail(log, 20, log_start)
        )
    return StartFailure("never-ready", f"not ready within {within:g} s{response}", tail(log, 20, log_start))


async def tcp_answers(address: Address, stays_open: float = 0.0) -> bool:
    """Whether a connection is accepted and, with `stays_open` (seconds), stays open.

    A port that a container engine publishes accepts connections before the service listens, and then closes them.
    """
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address.host, address.port), _ATTEMPT)
    except (OSError, TimeoutError):
        return False
    try:
        if not stays_open:
            return True
        return await asyncio.wait_for(reader.read(1), stays_open) != b""
    except TimeoutError:
        return True
    except OSError:
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
