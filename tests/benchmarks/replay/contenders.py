"""The Python clients of the benchmark. Each runs in a process of its own on one core and prints one JSON object.

    python -m tests.benchmarks.replay.contenders NAME PORT SECONDS CONNECTIONS [OPERATIONS]

`verifier` is the product's own path: `SessionReplayer` and `ReplayContext` with routes, traces, contract look-ups and
the decision about a fault for each exchange, requests filled in by a `Player` that learns from the answers, the wire
client, what sweeps need kept and thinned with each step, and every operation written by `HistoryWriter`.
`wire` is the wire client alone. With OPERATIONS, it ends after so many instead of after SECONDS.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import httpx
import uvloop

from tests.benchmarks.replay.placed import gateway_before
from tests.benchmarks.replay.promised import registry
from tests.peak import peak_megabytes
from verifier.correlation import Script, learn
from verifier.history.clock import run_clock
from verifier.history.model import RunInfo
from verifier.history.store import FILES, HistoryWriter
from verifier.http.client import WireClient
from verifier.http.message import Request
from verifier.matrix.model import Replaying
from verifier.plan.model import Fault, Replay
from verifier.recording.model import Exchange, Session
from verifier.rehearsal.frozen_heap import frozen_heap
from verifier.replay.context import ReplayContext
from verifier.replay.readback import prune
from verifier.replay.replay_script import ReplayScript
from verifier.replay.session import SessionReplayer

LENGTH = 10  # exchanges of the session
STEP, STEPS = 1000, 5  # replays of one step, steps of one path
FAULT_EVERY = 10  # replays; in one of them an answer is lost and the request repeated
HEADERS = (("User-Agent", "shop/1.4"), ("Accept", "application/json"), ("Accept-Encoding", "gzip"))


class Run:
    """One measurement: `count` is the number of requests answered. What comes before `work` is not measured."""

    def __init__(self, port: int, seconds: float, connections: int, operations: int) -> None:
        self.port = port
        self.connections = connections
        self.count = 0
        self.result: dict[str, float] = {}
        self._seconds = seconds
        self._operations = operations
        self._end = 0.0

    @property
    def over(self) -> bool:
        return self.count >= self._operations if self._operations else time.monotonic() >= self._end

    async def work(self, one: Callable[[], Awaitable[None]]) -> None:
        """Do `one` again and again on every connection until it is over, and measure that."""

        async def repeat() -> None:
            while not self.over:
                await one()

        await self.measure(asyncio.gather(*[repeat() for _ in range(self.connections)]))

    async def measure(self, everything: Awaitable[object]) -> None:
        """Measure what goes on until it is over."""
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        self._end = began + self._seconds
        await everything
        after, ended = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.result = {
            "requests_per_second": self.count / (ended - began),
            "cpu_us": cpu / self.count * 1e6,
            "peak_mb": peak_megabytes(),
            "count": self.count,
        }


async def record(port: int) -> Session:
    """A session as it really went: each request asks for what the answer before it named, some with a key."""
    client = WireClient()
    exchanges: list[Exchange] = []
    known = "start"
    draw = random.Random(1)
    for index in range(LENGTH):
        headers = HEADERS
        if index % 3 == 2:
            headers = (*HEADERS, ("Idempotency-Key", f"{draw.getrandbits(128):032x}"))
        request = Request("GET", f"/orders/{known}/lines?page={index}", headers)
        answer = await client.send("127.0.0.1", port, request)
        assert answer.response is not None
        exchanges.append(Exchange(request, answer.response, "shop", index / 10, 0.01, index + 1))
        known = json.loads(answer.response.body)["id"]
    await client.close()
    return Session("s1", tuple(exchanges))


async def wire(run: Run) -> None:
    client = WireClient()
    request = Request("GET", "/", HEADERS)

    async def one() -> None:
        answer = await client.send("127.0.0.1", run.port, request)
        assert answer.response is not None
        run.count += 1

    await run.work(one)
    await client.close()


def planned(number: int) -> Replay:
    index = number % LENGTH
    fault = Fault("lost-answer", index, "", "1", "1") if number % FAULT_EVERY == 0 else None
    return Replay(f"r{number}", "s1", ("1",) * LENGTH, fault)


def check(script: Script) -> None:
    """That correlation has something to do: each request but the first needs a value from the answer before."""
    assert sum(bool(step.produces) for step in script.steps) == LENGTH - 1
    assert any(slot.fresh for slot in script.slots)


async def verifier(run: Run) -> None:
    script = learn(await record(run.port), began=0.0)
    check(script)
    with tempfile.TemporaryDirectory(prefix="verifier-benchmark-") as folder:
        writer = HistoryWriter(Path(folder), RunInfo(1, "", "benchmark", 0, "process", (), (), ()))
        context = product(run.port, writer)
        replay_scripts = {"s1": ReplayScript(script, ("shop",) * LENGTH)}
        plans = [planned(number) for number in range(STEP)]  # of each step: all is planned before a run begins
        faults, steps = sum(plan.fault is not None for plan in plans), 0

        async def one_after_the_other() -> None:
            nonlocal steps
            while not run.over:
                if steps % STEPS == 0:  # a new path begins on fresh stores
                    context.gateway.forget()
                    name = f"path{steps // STEPS + 1}"
                    walker = SessionReplayer(context, name, replay_scripts, Replaying(concurrency=run.connections))
                step = f"{name}.{steps % STEPS + 1}"
                prune(walker, step)  # as a sweep does
                await walker.replay(step, plans, lambda: None)
                steps += 1
                run.count += STEP * LENGTH + faults

        with frozen_heap():
            await run.measure(one_after_the_other())
        disturbed = steps * faults
        writer.close()
        assert context.sent == context.answered == run.count
        lines = {name: written(Path(folder) / "history" / name) for name in FILES.values()}
        assert (lines["operations.jsonl"], lines["faults.jsonl"], lines["notes.jsonl"]) == (run.count, disturbed, 0)
    await context.client.close()


def product(port: int, writer: HistoryWriter) -> ReplayContext:
    """What a rehearsal drives replays with: all its own parts, and the history's clock."""
    promised, clock = registry(), run_clock(time.monotonic, time.monotonic())
    client = WireClient(clock=clock)
    gateway = gateway_before(port, client, promised, writer, clock)
    return ReplayContext(
        gateway.rotation, client, gateway, promised, writer.add, clock, lambda: 1.6e9, 1, lines=writer.lines
    )


def written(file: Path) -> int:
    """Lines of a file, read block by block: the histories of long runs are large."""
    with file.open("rb") as opened:
        return sum(block.count(b"\n") for block in iter(lambda: opened.read(1 << 20), b""))


async def with_httpx(run: Run) -> None:
    limits = httpx.Limits(max_connections=run.connections, max_keepalive_connections=run.connections)
    async with httpx.AsyncClient(limits=limits, headers=dict(HEADERS)) as client:

        async def one() -> None:
            answer = await client.get(f"http://127.0.0.1:{run.port}/")
            assert answer.status_code == 200
            run.count += 1

        await run.work(one)


async def with_aiohttp(run: Run) -> None:
    connector = aiohttp.TCPConnector(limit=run.connections)
    async with aiohttp.ClientSession(connector=connector, headers=dict(HEADERS)) as client:

        async def one() -> None:
            async with client.get(f"http://127.0.0.1:{run.port}/") as answer:
                await answer.read()
                assert answer.status == 200
            run.count += 1

        await run.work(one)


CONTENDERS = {"verifier": verifier, "wire": wire, "httpx": with_httpx, "aiohttp": with_aiohttp}


def main() -> None:
    name, port, seconds, connections = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    operations = int(sys.argv[5]) if len(sys.argv) > 5 else 0

    async def measured() -> dict[str, float]:
        run = Run(port, seconds, connections, operations)
        await CONTENDERS[name](run)
        return run.result

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measured())))


if __name__ == "__main__":
    main()
