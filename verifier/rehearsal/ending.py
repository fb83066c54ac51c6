"""Ends a replica that the load balancer removes late: it is told to end while requests are still sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from verifier.gateway.rotation import Endpoint, Rotation
from verifier.http.client import WireClient
from verifier.matrix.model import StopPolicy
from verifier.runtime.base import Runtime


class Requests(Protocol):
    """The requests to a replica that is told to end, as `replay.late_removal.LateRequests` documents them."""

    async def begin(self) -> None: ...

    async def end(self) -> None: ...

    def cancel(self) -> None: ...


class NoRequests:
    async def begin(self) -> None: ...

    async def end(self) -> None: ...

    def cancel(self) -> None: ...


def no_requests(endpoint: Endpoint, lasting: float) -> Requests:
    """Of a system without traffic."""
    return NoRequests()


async def end_late(
    endpoint: Endpoint,
    stop: StopPolicy,
    rotation: Rotation,
    runtime: Runtime,
    client: WireClient,
    requests: Requests,
    tell: Callable[[str], None],
) -> int | None:
    """Signal the replica, and take it out of rotation only later. Returns its exit code, or None if it was killed."""
    address, replica = endpoint.address, endpoint.replica
    stopping: asyncio.Task[int | None] | None = None
    try:
        await requests.begin()
        rotation.linger(replica)
        client.forget(address.host, address.port)
        tell("terminating")
        stopping = asyncio.create_task(runtime.stop(replica, stop.signal, stop.grace))
        await asyncio.sleep(min(stop.late_removal, stop.grace))  # how late the load balancer is
        rotation.remove(replica)
        await requests.end()
        return await stopping
    except BaseException:
        requests.cancel()
        if stopping is not None:
            stopping.cancel()
        raise
    finally:
        client.forget(address.host, address.port)
