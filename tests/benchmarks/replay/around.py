"""What the product's own path costs around the wire client and correlation: no network, no waiting.

    python -m tests.benchmarks.replay.around [--replays N] [--repeat N] [--profile]

A `Driver` replays one session of ten exchanges through a `Stage` whose client answers at once and whose player hands
out requests that were made before, so what is left is ours: routes, traces, contract look-ups, operation records, their
encoding and writing, fault decisions, bookkeeping. Prints one JSON object, microseconds of CPU per exchange, the
smallest of all repeats; `writing` is the part of it that `HistoryWriter.add` takes by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import uvloop

from tests.benchmarks.replay.promised import promises
from verifier.history.message import Request, Response
from verifier.history.model import Operation, RunInfo
from verifier.history.store import HistoryWriter, Record
from verifier.plan.model import Replay
from verifier.replay.correlate import Script, learn
from verifier.replay.driver import Driver
from verifier.replay.gateway import Gateway
from verifier.replay.partner import PartnerDesk
from verifier.replay.recording.model import Exchange, Session
from verifier.replay.rotation import Endpoint, Rotation
from verifier.replay.stage import Stage
from verifier.replay.track import Track
from verifier.replay.wire import Answer, WireClient
from verifier.runtime.base import Address

LENGTH = 10
HEADERS = (("User-Agent", "shop/1.4"), ("Accept", "application/json"), ("Accept-Encoding", "gzip"))
ANSWER = Response(
    200,
    (
        ("Server", "nginx/1.22.1"),
        ("Date", "Mon, 23 Nov 2026 23:07:59 GMT"),
        ("Content-Type", "application/json"),
        ("Content-Length", "105"),
        ("Connection", "keep-alive"),
    ),
    b'{"id":"8c0d2f8f6f1f4f6c8b8c1d2e3f405162","status":"open","items":[{"sku":"a-1","count":2},{"sku":"b"}]}',
)
PRODUCED = (("$response.body#/id", "8c0d2f8f6f1f4f6c8b8c1d2e3f405162"),)


class Client:
    """Answers at once."""

    answer = Answer(ANSWER, "", True, 12.345678, 12.347781, True)

    async def send(self, host: str, port: int, request: Request, **_: object) -> Answer:
        return self.answer


class Player:
    """Hands out what is there: one target in five was never seen before, as with ids."""

    notes = ()

    def __init__(self, requests: list[Request]) -> None:
        self._requests = requests

    def request(self, index: int) -> Request:
        return self._requests[index]

    def answer(self, index: int, response: Response) -> tuple[tuple[str, str], ...]:
        return PRODUCED


@dataclass(frozen=True)
class Played:
    """A script whose player costs nothing."""

    steps: Any
    requests: list[list[Request]]

    def player(self, seed: object, now: float) -> Player:
        return Player(self.requests.pop())


def script() -> Script:
    exchanges = [
        Exchange(Request("GET", f"/orders/{index}/lines?page=1", HEADERS), ANSWER, "shop", index / 10, 0.01, index + 1)
        for index in range(LENGTH)
    ]
    return learn(Session("s1", tuple(exchanges)), began=0.0)


def requests(replays: int) -> list[list[Request]]:
    return [
        [Request("GET", f"/orders/{number}-{index}/lines?page={index}", HEADERS) for index in range(LENGTH)]
        for number in range(replays)
    ]


def measure(replays: int, folder: Path, profile: cProfile.Profile | None) -> tuple[float, float]:
    """Microseconds of CPU per exchange, in all and for writing the same records again."""
    writer = HistoryWriter(folder, RunInfo(1, "", "benchmark", 0, "process", (), (), ()))
    rotation, client, promised = Rotation(), cast(WireClient, Client()), promises()
    rotation.add(Endpoint("shop", "1", "shop-1-1", Address("127.0.0.1", 1)))
    gateway = Gateway(
        host="127.0.0.1", rotation=rotation, client=client, desk=PartnerDesk(promised), promises=promised, partners={},
        ports={"shop": 80}, record=writer.add, clock=time.monotonic,
    )  # fmt: skip
    last: list[Record] = []
    stage = Stage(rotation, client, gateway, promised, writer.add, time.monotonic, lambda: 1.6e9, 1)
    made = Played(script().steps, requests(replays))
    walker = Driver(stage, "path", {"s1": Track(cast(Script, made), ("shop",) * LENGTH)})
    plans = [Replay(f"r{number}", "s1", ("1",) * LENGTH) for number in range(replays)]

    async def all_of_them() -> float:
        began = time.process_time()
        if profile is not None:
            profile.enable()
        for plan in plans:
            await walker.replay("step", plan)
        if profile is not None:
            profile.disable()
        return time.process_time() - began

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took = runner.run(all_of_them())
        stage.record = last.append
        made.requests.extend(requests(1))
        runner.run(walker.replay("step", plans[0]))
    assert stage.sent == stage.answered == (replays + 1) * LENGTH
    assert all(isinstance(record, Operation) and record.produced == PRODUCED for record in last)
    began = time.process_time()
    for _ in range(replays):
        for record in last:
            writer.add(record)
    writing = time.process_time() - began
    writer.close()
    return took / replays / LENGTH * 1e6, writing / replays / LENGTH * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replay.around")
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    found = SimpleNamespace(all=float("inf"), writing=float("inf"))
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory(prefix="verifier-benchmark-") as folder:
            took, writing = measure(options.replays, Path(folder), profile)
        found.all, found.writing = min(found.all, took), min(found.writing, writing)
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    print(json.dumps({"us_per_exchange": round(found.all, 2), "writing": round(found.writing, 2)}))


if __name__ == "__main__":
    main()
