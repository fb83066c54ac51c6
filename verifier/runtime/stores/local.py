"""The running stores of the process runtime."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.runtime import local
from verifier.runtime.base import Address, StartFailure, StoreSpec
from verifier.runtime.identity import ProcessIdentity
from verifier.runtime.job import Job
from verifier.runtime.labels import scratch
from verifier.runtime.launch import Launcher
from verifier.runtime.leftovers import mark_folder
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.readiness import Probe, tcp_answers
from verifier.runtime.stores import registered, watch
from verifier.runtime.stores.kind import LocalStore, StoreKind

_QUIT_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class _Store:
    """`made` is how it was started, and `address` where its server listens. Its own folder is the last of `folders`.

    `probe` tests whether it answers; None if its readiness cannot be asked again.
    """

    spec: StoreSpec
    url: str
    child: local.Child | None
    folders: tuple[Path, ...]
    made: LocalStore
    address: Address
    probe: Probe | None = None


class LocalStores:
    """The running stores, by name. `prefix` tells their folders from those of the same stores in other paths."""

    def __init__(self, run_id: str, owner: ProcessIdentity, launcher: Launcher, prefix: str = "") -> None:
        self._run = run_id
        self._prefix = prefix
        self._owner = owner
        self._launcher = launcher
        self._stores: dict[str, _Store] = {}
        self.lost: Callable[[str], None] = lambda why: None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._stores)

    def check(self, spec: StoreSpec) -> None:
        """Raise BrokenEnvironment if a store cannot start on this machine."""
        _kind(spec).check(spec)

    async def start(self, spec: StoreSpec) -> str:
        """Start an empty store and return its URL. Raises BrokenEnvironment."""
        kind = _kind(spec)
        spec.directory.mkdir(parents=True, exist_ok=True)
        if any(spec.directory.iterdir()):
            raise BrokenEnvironment(f"store {spec.name}: its directory {spec.directory} is not empty")
        folders = [spec.directory]

        def own_folder() -> Path:
            if len(folders) == 1:
                folders.append(self._folder(spec))
            return folders[-1]

        if spec.template is not None:
            await copied(spec.template, own_folder())
        assert kind.local is not None
        store = await kind.local(spec, own_folder, self._launcher.environment)
        child, address, probe = None, Address(LOOPBACK, 0), None
        if store.job is not None:
            address, outcome = await self._launcher.start(store.job)
            if isinstance(outcome, StartFailure):
                raise BrokenEnvironment(f"store {spec.name} did not start: {outcome.detail}\n{outcome.tail}")
            child, probe = outcome, _probe(store.job, address)
        url = (
            store.url(address.port)
            if store.url is not None
            else registered.url(spec.image, spec.environment, LOOPBACK, address.port, spec.kind)
        )
        self._stores[spec.name] = _Store(spec, url, child, tuple(folders), store, address, probe)
        if child is not None:
            child.ended.add_done_callback(partial(self._ended, spec.name, child))
        return url

    def _ended(self, name: str, child: local.Child, status: asyncio.Future[int]) -> None:
        store = self._stores.get(name)  # one that is stopped is forgotten first
        if store is not None and store.child is child and not status.cancelled():
            self.lost(watch.gone(name, status.result(), store.spec.log))

    async def answering(self) -> None:
        """Raise BrokenEnvironment if a store has ended or does not answer."""
        for name, store in list(self._stores.items()):
            if store.child is not None and store.probe is not None:
                await watch.check(name, store.probe, store.child.ended, store.spec.log)

    async def seed(self, name: str, file: Path) -> None:
        """Run a file of SQL in a store that runs. Raises BrokenEnvironment."""
        store = self._stores[name]
        load = _kind(store.spec).load
        if load is None:
            raise BrokenEnvironment(f"store {name}: only sqlite and postgres load a .sql file")
        try:
            await load(store.spec, store.url, file)
        except BrokenEnvironment as failure:
            raise BrokenEnvironment(f"store {name}: {file}: {failure}") from None

    def cannot_keep(self) -> str:
        """Which stores cannot be copied; "" if all can."""
        names = [name for name, store in self._stores.items() if store.made.lasting is None]
        return f"{' and '.join(names)} cannot be copied" if names else ""

    async def keep(self, folder: Path) -> bool:
        """End all stores and move their data to a folder that does not exist. Returns whether all was kept."""
        begun = folder.with_name(f"{folder.name}.begun")
        begun.mkdir(parents=True)
        kept = [await self._keep(name, begun / name) for name in self.names]
        if all(kept):
            begun.rename(folder)
        else:
            await asyncio.to_thread(shutil.rmtree, begun, ignore_errors=True)
        return all(kept)

    async def _keep(self, name: str, target: Path) -> bool:
        store = self._stores[name]
        made, child = store.made, store.child
        saved = made.save is None or await made.save(store.address)
        if saved and made.lasting and child is not None:
            self._stores.pop(name)  # its end is no loss
            ended = await child.stop(made.lasting, _QUIT_WITHIN)
            saved = ended is not None or made.lasting == "SIGKILL"
        if saved and made.lasting is not None:
            await copied(store.folders[-1], target)
        self._stores[name] = store
        await self.stop(name)
        return saved and made.lasting is not None

    def _folder(self, spec: StoreSpec) -> Path:
        """The folder of a store in the temporary data of the run. It does not exist yet."""
        mark_folder(self._run, self._owner)
        folder = scratch(self._run) / f"store-{self._prefix}{spec.name}"
        if folder.exists():
            raise BrokenEnvironment(f"store {spec.name}: its folder {folder} is not empty")
        return folder

    async def stop(self, name: str) -> None:
        """Kill a store and remove its data. Does nothing for an unknown name."""
        store = self._stores.pop(name, None)
        if store is None:
            return
        if store.child is not None:
            await store.child.stop(store.made.signal, _QUIT_WITHIN)
        for folder in store.folders:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def copied(source: Path, target: Path) -> None:
    """Copy a folder with the owners and rights of its files. Raises BrokenEnvironment."""
    process = await asyncio.create_subprocess_exec(
        "cp", "-pR", str(source), str(target),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    if process.returncode:
        raise BrokenEnvironment(f"the data of a store cannot be copied: {said.decode('utf-8', 'replace').strip()}")


def _probe(job: Job, address: Address) -> Probe | None:
    if job.probe is not None:
        return partial(job.probe, address)
    return partial(tcp_answers, address) if job.ready.kind == "tcp" else None


def _kind(spec: StoreSpec) -> StoreKind:
    if not spec.process:
        kind = registered.of_image(spec.image)
        known = (
            [kind.name] if kind is not None and kind.name in registered.PROCESS_STORES else registered.PROCESS_STORES
        )
        named = ", ".join(f"`process: {name}`" for name in known)
        raise BrokenEnvironment(
            f"store {spec.name} has no `process`, which the process runtime needs: declare {named} or a command"
        )
    return registered.of_process(spec.process)
