"""What a run has been seen to have, and what of it is still there afterwards.

The verifier's own search for leftovers goes by its marks. This one does not: it follows descendants, whatever their
environment says, and asks the engine for the anonymous volumes of containers, which bear no label.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import psutil
from docker.errors import NotFound

from verifier.runtime import cleanup, engine
from verifier.runtime.labels import ENVIRONMENT, scratch_folders

PERIOD = 0.3  # seconds between two looks


def marked(name: str) -> Iterator[tuple[psutil.Process, str]]:
    """Processes of runs whose id begins with the name, with their command lines."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(ENVIRONMENT, "").startswith(name):
                yield process, " ".join(process.cmdline())


@dataclass(slots=True)
class Census:
    """Counts what belongs to the runs whose ids begin with `name`, again and again, in a thread of its own."""

    name: str
    verifier: psutil.Process
    with_engine: bool
    processes: set[psutil.Process] = field(default_factory=set)
    folders: set[Path] = field(default_factory=set)
    objects: set[tuple[str, str]] = field(default_factory=set)  # of the engine: kind and id
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        thread = threading.Thread(target=self._go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _go_on(self) -> None:
        with engine.connected() if self.with_engine else contextlib.nullcontext() as client:
            while not self._over.wait(PERIOD):
                self._look()
                if client is not None:
                    self.objects.update(self._of_engine(client))

    def _look(self) -> None:
        tops = [self.verifier, *self.processes, *(process for process, _ in marked(self.name))]
        for process in tops:
            with contextlib.suppress(psutil.Error):
                self.processes.update(process.children(recursive=True))
        self.processes.update(tops[1:])
        self.folders.update(path for run, path in scratch_folders().items() if run.startswith(self.name))

    def _of_engine(self, client: docker.DockerClient) -> Iterator[tuple[str, str]]:
        found = [item for item in engine.leftovers(client) if item.run.startswith(self.name)]
        for item in found:
            yield item.kind, item.id
            if item.kind == "container":
                with contextlib.suppress(*engine.FAILURES):
                    mounts = client.api.inspect_container(item.id)["Mounts"]
                    yield from (("volume", mount["Name"]) for mount in mounts if mount["Type"] == "volume")

    def left(self, temporary: Path, out: Path) -> list[str]:
        """What is still there: by the verifier's marks, of what was seen, and in the folder for temporary files."""
        found = [f"{item.kind} {item.name}" for item in cleanup.find()[0] if item.run.startswith(self.name)]
        found += [f"process {process.pid}" for process in self.processes if _lives(process)]
        found += [f"folder {path}" for path in self.folders if path.exists()]
        found += [f"temporary file {path}" for path in temporary.rglob("*")]
        found += [f"half-written {path}" for path in out.rglob("*.part")]
        if self.objects:
            with engine.connected() as client:
                found += [f"{kind} {identity}" for kind, identity in self.objects if _exists(client, kind, identity)]
        return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _exists(client: docker.DockerClient, kind: str, identity: str) -> bool:
    collection: Any = {"container": client.containers, "network": client.networks, "volume": client.volumes}[kind]
    try:
        collection.get(identity)
    except NotFound:
        return False
    return True
