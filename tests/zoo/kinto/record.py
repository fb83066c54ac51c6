"""Makes `matrices/recordings/kinto.har`: `python -m tests.zoo.kinto.record`.

Starts the old release of the matrix on a PostgreSQL of its own, puts `verifier record` in front of it, and drives it.
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.shop.record import RECORDINGS, recorder
from tests.zoo.kinto import environments
from verifier.errors import BrokenEnvironment
from verifier.matrix.parse import parse
from verifier.rehearsal.environment import environment_of
from verifier.runtime.base import Address, ReplicaSpec, StoreSpec
from verifier.runtime.process import ProcessRuntime
from verifier.runtime.stores.registered import PROCESS_STORES

MATRIX = RECORDINGS.parent / "kinto.yaml"


async def record(folder: Path, out: Path) -> None:
    runtime = ProcessRuntime(f"kinto-recording-{secrets.token_hex(4)}", folder)
    await runtime.open()
    try:
        address = await _start(runtime, folder)
        await asyncio.to_thread(_drive, f"http://{address.host}:{address.port}", out)
    finally:
        await runtime.close()


async def _start(runtime: ProcessRuntime, folder: Path) -> Address:
    matrix = parse(MATRIX, PROCESS_STORES)
    (store,), (service,) = matrix.stores, matrix.services
    (folder / "store").mkdir()
    url = await runtime.start_store(
        StoreSpec(store.name, None, store.process, store.environment, None, None, folder / "store", folder / "db.log")
    )
    old = service.old
    started = await runtime.start(
        ReplicaSpec(
            id="kinto", service=service.name, version=old.name, port=service.port, image=None, build=None,
            command=old.command, directory=old.directory,
            environment=environment_of(old.environment, {store.name: url}, runtime.gateway_host, {}),
            aliases=(), readiness=service.ready, log=folder / "kinto.log",
        )
    )  # fmt: skip
    if not isinstance(started, Address):
        raise BrokenEnvironment(f"{started.detail}\n{started.tail}")
    return started


def _drive(url: str, out: Path) -> None:
    client = [sys.executable, str(environments.HERE / "drive.py")]
    with recorder(url, out, "kinto") as recorded:
        subprocess.run([*client, recorded, "--host", "kinto:8888"], check=True, timeout=120)


if __name__ == "__main__":
    environments.ensure(environments.RELEASES[0])
    (RECORDINGS / "kinto.har").touch()  # the matrix names it
    with tempfile.TemporaryDirectory(prefix="kinto-recording-") as made:
        asyncio.run(record(Path(made), RECORDINGS / "kinto.har"))
