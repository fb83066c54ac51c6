"""A verifier to be killed: opens a runtime, starts replicas and a store, says how far it is, and waits.

`python open_runtime.py process|docker RUN DIRECTORY IMAGE` prints `opened`, then `started`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from verifier.cli.interrupt import interruptible
from verifier.runtime.base import Readiness, ReplicaSpec, StoreSpec
from verifier.runtime.select import make

# Ignores what it can and starts a child that leaves its session and its name behind: the worst kind of service.
SERVICE = """
import os, signal, socket, subprocess, sys
for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"], start_new_session=True)
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    server.accept()[0].close()
"""


def replica(number: int, directory: Path, image: str) -> ReplicaSpec:
    return ReplicaSpec(
        id=f"orders-1.4-{number}", service="orders", version="1.4", port=8080, image=image, build=None,
        command=("python3", "-c", SERVICE, "{host}", "{port}"), directory=directory, environment=(), aliases=(),
        readiness=Readiness("tcp", "", 60.0), log=directory / f"{number}.log",
    )  # fmt: skip


async def main(name: str, run: str, directory: Path, image: str) -> None:
    runtime = make("docker" if name == "docker" else "process", run, directory)
    await runtime.open()
    print("opened", flush=True)
    store = StoreSpec("db", "postgres:15", "postgres", (), None, None, directory / "db", directory / "db.log")
    starts = [runtime.start(replica(number, directory, image)) for number in range(3)]
    await asyncio.gather(runtime.start_store(store), *starts)
    assert await runtime.pause("orders-1.4-0")  # what stands still must end with the rest
    print("started", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(interruptible(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])))
