"""Faults of one exchange on the wire: held back, cut, or read slowly."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from verifier.http.connection import Connection
from verifier.http.hold import Hold, ReleaseBarrier


class Faults(NamedTuple):
    """The faults that `send` injects into one exchange; see there."""

    hold: Hold | None = None
    cut_after: int | None = None
    cut_response_after: int | None = None
    slow_read: float | None = None


NO_FAULTS = Faults()


async def write_with_faults(conn: Connection, data: bytes, body: int, faults: Faults) -> None:
    """Write an encoded request, the last `body` bytes of which are its body."""
    if faults.cut_after is not None:
        conn.write(data[: len(data) - max(0, body - faults.cut_after)])
        await conn.drained()
        conn.reset()
    elif faults.hold is not None:
        await _write_held(conn, data, faults.hold)
    else:
        conn.write(data)


async def _write_held(conn: Connection, data: bytes, hold: Hold) -> None:
    conn.write(data[:-1])
    holding = asyncio.ensure_future(_until_released(conn, hold))
    ending = asyncio.ensure_future(_until_over(conn))  # by itself: an early response, a close, the time-out
    try:
        await asyncio.wait((holding, ending), return_when=asyncio.FIRST_COMPLETED)
    finally:
        holding.cancel()
        ending.cancel()
        await asyncio.wait((holding, ending))
    if conn.over():
        conn.shut()  # an early response: to the service, the request is still under way
    else:
        holding.result()
        conn.write(data[-1:])


async def _until_over(conn: Connection) -> None:
    await conn


async def _until_released(conn: Connection, hold: Hold) -> None:
    try:
        await conn.drained()
    except asyncio.CancelledError:
        leave(hold)
        raise
    await hold.wait()


def leave(hold: Hold | None) -> None:
    if isinstance(hold, ReleaseBarrier):
        hold.leave()
