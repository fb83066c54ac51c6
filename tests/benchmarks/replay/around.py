"""What the product's own path costs by itself: no kernel, no event loop's transports, no waiting.

    python -m tests.benchmarks.replay.around [--replays N] [--repeat N] [--profile]

A `SessionReplayer` replays one session of ten exchanges through a `ReplayContext` whose connections are the wire
client's own, over a transport that answers each request at once with a new id. So what is left is ours: routes,
correlation, traces, contract look-ups, requests and answers read and written, operation records, their encoding and
writing, fault decisions, bookkeeping. Prints one JSON object, microseconds of CPU per exchange: the smallest of all
repeats.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import uvloop

from tests.benchmarks.replay.contenders import HEADERS, LENGTH, planned, product
from verifier.correlation import Script, learn
from verifier.history.model import RunInfo
from verifier.history.store import HistoryWriter
from verifier.http.batching import WriteBatcher
from verifier.http.connection import Connection
from verifier.http.message import Request, Response
from verifier.matrix.model import Replaying
from verifier.recording.model import Exchange, Session
from verifier.rehearsal.frozen_heap import frozen_heap
from verifier.replay.context import ReplayContext
from verifier.replay.readback import prune
from verifier.replay.replay_script import ReplayScript
from verifier.replay.session import SessionReplayer

PORT = 1
TOGETHER = 16  # replays at a time
HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 23:07:59 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n"
)
BODY = b'{"id":"%032x","status":"open","items":[{"sku":"a-1","count":2},{"sku":"b"}]}'


class Transport:
    """Answers what is written to it, by way of the loop."""

    def __init__(self, pair: tuple[socket.socket, socket.socket], answers: Iterator[bytes]) -> None:
        self.conn: Connection
        self._pair = pair  # both ends, so that neither is closed
        self._answers = answers

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.conn.data_received, next(self._answers))

    def get_extra_info(self, name: str) -> socket.socket:
        return self._pair[0]

    def abort(self) -> None:
        pass


def answers() -> Iterator[bytes]:
    draw = random.Random(1)
    head = HEAD % len(BODY % 0)
    while True:
        yield head + BODY % draw.getrandbits(128)


def recorded() -> Session:
    """Each request asks for what the answer before it named, some with a key."""
    given, draw, known = answers(), random.Random(2), "start"
    exchanges: list[Exchange] = []
    for index in range(LENGTH):
        keyed = (("Idempotency-Key", f"{draw.getrandbits(128):032x}"),) if index % 3 == 2 else ()
        body = next(given).partition(b"\r\n\r\n")[2]
        answer = Response(200, (("Content-Type", "application/json"),), body)
        request = Request("GET", f"/orders/{known}/lines?page={index}", HEADERS + keyed)
        exchanges.append(Exchange(request, answer, "shop", index / 10, 0.01, index + 1))
        known = json.loads(body)["id"]
    return Session("s1", tuple(exchanges))


def connect(context: ReplayContext, count: int) -> None:
    """Connections that were used a moment ago."""
    client, pair = context.client, socket.socketpair()
    pool, batcher = client.pool("127.0.0.1", PORT), WriteBatcher(client.now)
    for _ in range(count):
        transport = Transport(pair, answers())
        conn = transport.conn = Connection(asyncio.get_running_loop(), client.now, 1 << 20, batcher)
        conn.connection_made(cast(Any, transport))
        conn.answered = client.now()
        pool.takes_back(conn)


async def measure(script: Script, replays: int, folder: Path, profile: cProfile.Profile | None) -> float:
    """Microseconds of CPU per exchange."""
    writer = HistoryWriter(folder, RunInfo(1, "", "benchmark", 0, "process", (), (), ()))
    context = product(PORT, writer)
    connect(context, 2 * TOGETHER)
    replay_scripts = {"s1": ReplayScript(script, ("shop",) * LENGTH)}
    walker = SessionReplayer(context, "path", replay_scripts, Replaying(concurrency=TOGETHER))
    plans = [planned(number) for number in range(1, replays + 1)]
    await walker.replay("warm", plans[:1], lambda: None)
    with frozen_heap():
        began = time.process_time()
        if profile is not None:
            profile.enable()
        for first in range(0, replays, replays // 4):
            prune(walker, f"step{first}")
            await walker.replay(f"step{first}", plans[first : first + replays // 4], lambda: None)
        if profile is not None:
            profile.disable()
        took = time.process_time() - began
    writer.close()
    assert context.sent == context.answered
    return took / (context.sent - LENGTH) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replay.around")
    parser.add_argument("--replays", type=int, default=800)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    script, best = learn(recorded(), began=0.0), float("inf")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(options.repeat):
            with tempfile.TemporaryDirectory(prefix="verifier-benchmark-") as folder:
                best = min(best, runner.run(measure(script, options.replays, Path(folder), profile)))
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    print(json.dumps({"us_per_exchange": round(best, 2)}))


if __name__ == "__main__":
    main()
