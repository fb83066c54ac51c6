"""Meets a hostile service in a process of its own, so that its peak of memory can be measured.

    python -m tests.http.hostile_caller client|gateway|recorder PORT

Asks for every kind twice at the same time, and for all the slow ones at the same time. Prints JSON: what came of each
kind, the words that were recorded, the longest seconds of a request, and the peak of resident memory in MB.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvloop

from tests.http.hostile_service import KINDS, SLOW
from tests.peak import peak_megabytes
from tests.replay.harness import Arrival, replay_harness
from verifier.gateway import forwarding
from verifier.gateway.rotation import Endpoint
from verifier.http.client import SendResult, WireClient
from verifier.http.coding import TooLarge, decode_response
from verifier.http.message import Request, Response
from verifier.recording.proxy.entries import ObservedExchange
from verifier.recording.proxy.listener import Recorder, Upstream
from verifier.runtime.base import Address

Words = dict[str, set[str]]
TIMES = 2
PATIENT, IMPATIENT = 30.0, 2.0  # seconds; the time-outs of requests that flood, and of slow ones


def word(found: SendResult) -> str:
    """What the history would say: the error, else the status."""
    if found.response is None:
        return found.error
    try:
        return str(decode_response(found.response).status)
    except TooLarge:
        return "body-too-large"


@asynccontextmanager
async def direct(port: int, _recorded: Words) -> AsyncIterator[int]:
    yield port


@asynccontextmanager
async def behind_gateway(port: int, recorded: Words) -> AsyncIterator[int]:
    async def nothing(_: Arrival) -> Response:
        raise AssertionError("only the hostile service is called")

    forwarding.INNER_TIMEOUT = IMPATIENT / 2
    async with replay_harness(nothing) as harness:
        harness.rotation.add(Endpoint("payments", "1", "payments-1-1", Address("127.0.0.1", port)))
        ports = await harness.gateway.attach("orders-9-1", "orders", "9", ("payments",))
        yield ports["payments"]
        await harness.gateway.close()
        for entry in harness.operations:
            recorded[entry.request.target[1:]].add(entry.error or str(entry.response and entry.response.status))


@asynccontextmanager
async def behind_recorder(port: int, recorded: Words) -> AsyncIterator[int]:
    def keep(seen: ObservedExchange) -> None:
        recorded[seen.exchange.request.target[1:]].add(seen.note or str(seen.exchange.response.status))

    recorder = Recorder(keep)
    yield await recorder.start("127.0.0.1", 0, Upstream("127.0.0.1", port))
    await recorder.close(grace=0.5)
    assert recorder.lost == 0


WAYS = {"client": direct, "gateway": behind_gateway, "recorder": behind_recorder}


async def main(way: str, port: int) -> dict[str, object]:
    came: Words = defaultdict(set)
    recorded: Words = defaultdict(set)
    seconds: dict[str, float] = defaultdict(float)
    client = WireClient()

    async def ask(kind: str) -> None:
        within, began = IMPATIENT if kind in SLOW else PATIENT, time.monotonic()
        came[kind].add(word(await client.send("127.0.0.1", at, Request("GET", f"/{kind}"), timeout=within)))
        seconds[kind] = max(seconds[kind], time.monotonic() - began)

    chosen: AbstractAsyncContextManager[int] = WAYS[way](port, recorded)
    async with chosen as at:
        for group in (SLOW, *({kind} for kind in KINDS if kind not in SLOW)):
            await asyncio.gather(*(ask(kind) for kind in group for _ in range(TIMES)))
        await client.close()
    words = [{kind: sorted(found) for kind, found in one.items()} for one in (came, recorded)]
    return {"came": words[0], "recorded": words[1], "seconds": seconds, "megabytes": peak_megabytes()}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(main(sys.argv[1], int(sys.argv[2])))))
