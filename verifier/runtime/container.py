"""One started container: its log followed into a file, its end known at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path

import docker

from verifier.runtime.base import Address
from verifier.runtime.engine import FAILURES


@dataclass(frozen=True, slots=True)
class HostPath:
    """Where a container is reached: inside the run's network, and as published on loopback (port 0: not at all)."""

    inner: Address
    published: Address


class Container:
    """A running container. `ended` is its exit status, done when it has ended and its log is complete."""

    def __init__(self, client: docker.DockerClient, identity: str, place: HostPath, log: Path) -> None:
        self.id = identity
        self.place = place
        self.log = log
        self._client = client
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        # Its own thread and a daemon: it lasts as long as the container, and must not keep the verifier from ending.
        threading.Thread(target=self._follow, name=f"log-{identity[:12]}", daemon=True).start()

    def _follow(self) -> None:
        try:
            with self.log.open("ab", buffering=0) as output:
                for chunk in self._client.api.logs(self.id, stream=True, follow=True, stdout=True, stderr=True):
                    output.write(chunk)
        except (*FAILURES, ValueError):
            pass  # removed, or the engine went away: what follows tells
        try:
            code = int(self._client.api.wait(self.id, timeout=None)["StatusCode"])
        except FAILURES:
            code = 137  # removed by force
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._end, code)

    def _end(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)

    def signal(self, name: str) -> None:
        """Blocking. No error when it has ended."""
        with contextlib.suppress(*FAILURES):
            self._client.api.kill(self.id, signal=name)

    def remove(self) -> None:
        """Blocking: kill it if it runs, and remove it with its anonymous volumes.

        What the engine refuses now is left to the sweep at the end of the run.
        """
        with contextlib.suppress(*FAILURES):
            self._client.api.remove_container(self.id, v=True, force=True)

    def executes(self, command: list[str]) -> bool:
        """Blocking: whether a command in the container exits 0."""
        try:
            created = self._client.api.exec_create(self.id, command)
            self._client.api.exec_start(created["Id"])
            return bool(self._client.api.exec_inspect(created["Id"])["ExitCode"] == 0)
        except FAILURES:
            return False

    def out_of_memory(self) -> bool:
        """Blocking: whether the kernel killed it for want of memory."""
        try:
            return bool(self._client.api.inspect_container(self.id)["State"].get("OOMKilled"))
        except FAILURES:
            return False
