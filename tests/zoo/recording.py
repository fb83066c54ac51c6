"""Makes a recording as a user would: the old release of a matrix runs on fresh stores, `verifier record` in front."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.shop.record import recorder
from verifier.errors import BrokenEnvironment
from verifier.matrix.model import Matrix, Service
from verifier.matrix.parse import parse
from verifier.rehearsal.environment import environment_of, fill
from verifier.runtime.base import Address, CommandSpec, ReplicaSpec, StoreSpec
from verifier.runtime.process import ProcessRuntime
from verifier.runtime.stores.registered import PROCESS_STORES


def record(matrix: Path, out: Path, drive: Callable[[str], None]) -> None:
    """Write `out`: what `drive` does with the first service of the matrix, whose address it is given."""
    out.touch()  # the matrix names it
    parsed = parse(matrix, PROCESS_STORES)
    with tempfile.TemporaryDirectory(prefix="recording-") as made:
        runtime = ProcessRuntime(f"recording-{secrets.token_hex(4)}", Path(made))
        asyncio.run(_Recording(parsed, runtime, Path(made)).make(out, drive))


@dataclass(slots=True)
class _Recording:
    matrix: Matrix
    runtime: ProcessRuntime
    folder: Path
    stores: dict[str, str] = field(default_factory=dict)  # the URL of each

    async def make(self, out: Path, drive: Callable[[str], None]) -> None:
        await self.runtime.open()
        try:
            await self._open_stores()
            address, *_ = [await self._start(service) for service in self.matrix.services]
            await asyncio.to_thread(self._drive, f"http://{address.host}:{address.port}", out, drive)
        finally:
            await self.runtime.close()

    async def _open_stores(self) -> None:
        for store in self.matrix.stores:
            folder = self.folder / store.name
            folder.mkdir()
            self.stores[store.name] = await self.runtime.start_store(
                StoreSpec(
                    store.name, None, store.process, store.environment, None, None, folder,
                    self.folder / f"{store.name}.log", store.kind, store.content,
                )
            )  # fmt: skip
        for service in self.matrix.services:
            for name, command in service.old.preparation:
                words = tuple(fill(word, self.stores) for word in command)
                spec = CommandSpec(name, self._replica(service), words, self.folder / f"{service.name}-{name}.log")
                done = await self.runtime.command(spec)
                if done.exit_code:
                    raise BrokenEnvironment(f"{name} of {service.name} failed:\n{done.tail}")

    async def _start(self, service: Service) -> Address:
        started = await self.runtime.start(self._replica(service))
        if not isinstance(started, Address):
            raise BrokenEnvironment(f"{started.detail}\n{started.tail}")
        return started

    def _replica(self, service: Service) -> ReplicaSpec:
        old = service.old
        return ReplicaSpec(
            id=service.name, service=service.name, version=old.name, port=service.port, image=None, build=None,
            command=tuple(fill(word, self.stores) for word in old.command or ()), directory=old.directory,
            environment=environment_of(old.environment, self.stores, self.runtime.gateway_host, {}),
            aliases=(), readiness=service.ready, log=self.folder / f"{service.name}.log",
        )  # fmt: skip

    def _drive(self, url: str, out: Path, drive: Callable[[str], None]) -> None:
        with recorder(url, out, self.matrix.services[0].name) as recorded:
            drive(recorded)
