"""The Python clients of the benchmark. Each runs in a process of its own on one core and prints one JSON object.

    python -m tests.benchmarks.replay.contenders NAME PORT SECONDS CONNECTIONS [OPERATIONS]

`verifier` is the engine as a replay uses it: requests filled in by a `Player` that learns from the answers, the
decision about a fault for each exchange, the wire client, and every operation written by `HistoryWriter`.
`driver` is the whole product path around it (`Driver` and `Stage`: traces, routes, contract look-ups, notes).
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

from verifier.contracts.promises import Promises
from verifier.history.message import Request
from verifier.history.model import FaultInjected, Operation, RunInfo
from verifier.history.outcome import outcome_of
from verifier.history.store import HistoryWriter
from verifier.plan.model import Fault, Replay
from verifier.replay.correlate import Script, learn
from verifier.replay.driver import Driver, Track
from verifier.replay.gateway import Gateway
from verifier.replay.partner import PartnerDesk
from verifier.replay.recording.model import Exchange, Session
from verifier.replay.rotation import Endpoint, Rotation
from verifier.replay.stage import Stage
from verifier.replay.wire import WireClient
from verifier.runtime.base import Address

LENGTH = 10  # exchanges of the session
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
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        self._end = began + self._seconds
        await asyncio.gather(*[self._repeat(one) for _ in range(self.connections)])
        after, ended = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.result = {
            "requests_per_second": self.count / (ended - began),
            "cpu_us": cpu / self.count * 1e6,
            "peak_mb": after.ru_maxrss / 1024,
            "count": self.count,
        }

    async def _repeat(self, one: Callable[[], Awaitable[None]]) -> None:
        while not self.over:
            await one()


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


async def verifier(run: Run) -> None:
    script = learn(await record(run.port), began=0.0)
    check(script)
    client = WireClient()
    numbers = iter(range(1 << 62))
    with tempfile.TemporaryDirectory(prefix="verifier-benchmark-") as folder:
        writer = HistoryWriter(Path(folder), RunInfo(1, "", "benchmark", 0, "process", (), (), ()))

        async def one() -> None:
            await replay(run, client, script, planned(next(numbers)), writer)

        await run.work(one)
        writer.close()
    await client.close()


async def replay(run: Run, client: WireClient, script: Script, plan: Replay, writer: HistoryWriter) -> None:
    player = script.player(plan.id, 1.6e9)
    for index, (step, version) in enumerate(zip(script.steps, plan.route, strict=True)):
        fault = plan.fault if plan.fault is not None and plan.fault.index == index else None
        request = player.request(index)
        for number in (1,) if fault is None else (1, 2):
            answer = await client.send("127.0.0.1", run.port, request, timeout=15.0)
            lost = fault is not None and number == 1
            response = answer.response
            assert response is not None
            produced = () if lost else player.answer(index, response)
            operation = Operation(
                id=f"step/{plan.id}/{index + 1}.{number}",
                step="step",
                replay=plan.id,
                session=plan.session,
                index=index,
                attempt=number,
                source="replay",
                name=step.name,
                service="shop",
                version=version,
                replica="shop-1-1",
                request=request,
                response=response,
                outcome="info" if lost else outcome_of(request.method, response, answer.error, answer.sent),
                started=answer.started,
                ended=answer.answered,
                error=answer.error,
                fault=fault.kind if fault is not None else "",
                produced=produced,
            )
            writer.add(operation)
            run.count += 1
            if lost:
                at = answer.started
                writer.add(FaultInjected("step", plan.id, "lost-answer", operation.id, step.name, version, version, at))
    assert not player.notes, player.notes[0]


def check(script: Script) -> None:
    """That correlation has something to do: each request but the first needs a value from the answer before."""
    assert sum(bool(step.produces) for step in script.steps) == LENGTH - 1
    assert any(slot.fresh for slot in script.slots)


async def driver(run: Run) -> None:
    script = learn(await record(run.port), began=0.0)
    check(script)
    client, rotation, promises = WireClient(), Rotation(), Promises()
    rotation.add(Endpoint("shop", "1", "shop-1-1", Address("127.0.0.1", run.port)))
    numbers = iter(range(1 << 62))
    with tempfile.TemporaryDirectory(prefix="verifier-benchmark-") as folder:
        writer = HistoryWriter(Path(folder), RunInfo(1, "", "benchmark", 0, "process", (), (), ()))
        desk = PartnerDesk(promises)
        gateway = Gateway(
            host="127.0.0.1",
            rotation=rotation,
            client=client,
            desk=desk,
            promises=promises,
            partners={},
            ports={"shop": 80},
            record=writer.add,
            clock=time.monotonic,
        )
        stage = Stage(rotation, client, gateway, promises, writer.add, time.monotonic, lambda: 1.6e9, 1)
        tracks = {"s1": Track(script, ("shop",) * LENGTH)}
        walker = Driver(stage, "path", tracks)

        async def one() -> None:
            plan = planned(next(numbers))
            await walker.replay("step", plan)
            run.count += LENGTH + (plan.fault is not None)
            gateway.forget()

        await run.work(one)
        assert stage.sent == stage.answered == run.count
        writer.close()
    await client.close()


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


CONTENDERS = {"verifier": verifier, "driver": driver, "wire": wire, "httpx": with_httpx, "aiohttp": with_aiohttp}


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
