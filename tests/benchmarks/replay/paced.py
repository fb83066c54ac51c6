"""The gateway beside direct calls: 1,000 requests per second each, interleaved, each at its planned instant.

    python -m tests.benchmarks.replay.paced PORT SECONDS

The gateway is the product's own, in a process of its own, recording every call in a history. Prints one JSON object:
the median latencies in milliseconds and their difference.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.benchmarks.replay.placed import gateway_before
from verifier.contracts.registry import ContractRegistry
from verifier.history.model import RunInfo
from verifier.history.store import HistoryWriter
from verifier.http.client import WireClient
from verifier.http.message import Request

RATE = 1000  # requests per second, each way
HEADERS = (("User-Agent", "shop/1.4"), ("Accept", "application/json"))


async def gateway(port: int) -> None:
    """Serve until standard input ends; print the port first."""
    client = WireClient()
    with tempfile.TemporaryDirectory(prefix="verifier-benchmark-") as folder:
        writer = HistoryWriter(Path(folder), RunInfo(1, "", "benchmark", 0, "process", (), (), ()))
        served = gateway_before(port, client, ContractRegistry(), writer, time.monotonic)
        ports = await served.attach("caller-1-1", "caller", "1", ("shop",))
        print(ports["shop"], flush=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.read)
        await served.close()
        await client.close()
        writer.close()


async def side_by_side(direct: int, through: int, seconds: float) -> dict[str, float]:
    client = WireClient()
    loop = asyncio.get_running_loop()
    took: dict[int, list[float]] = {direct: [], through: []}

    async def one(port: int, at: float) -> None:
        await asyncio.sleep(at - loop.time())
        answer = await client.send("127.0.0.1", port, Request("GET", "/", HEADERS))
        assert answer.response is not None, answer.error
        assert answer.response.status == 200
        took[port].append(answer.answered - answer.started)

    begin = loop.time() + 0.1
    count = int(seconds * RATE)
    for second in range(0, count, RATE):  # a second's worth of tasks at a time
        plan = [(second + number) / RATE for number in range(min(RATE, count - second))]
        tasks = [one(port, begin + at + shift) for at in plan for port, shift in ((direct, 0.0), (through, 0.5 / RATE))]
        await asyncio.gather(*tasks)
    await client.close()
    near, far = (statistics.median(took[port]) * 1000 for port in (direct, through))
    return {"direct_ms": near, "gateway_ms": far, "gateway_added_ms": far - near}


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if sys.argv[1] == "gateway":
            runner.run(gateway(int(sys.argv[2])))
            return
        port, seconds = int(sys.argv[1]), float(sys.argv[2])
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.replay.paced", "gateway", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            found = runner.run(side_by_side(port, int(process.stdout.readline()), seconds))
        finally:
            process.stdin.close()
            process.wait(10)
            process.stdout.close()
        print(json.dumps(found))


if __name__ == "__main__":
    main()
