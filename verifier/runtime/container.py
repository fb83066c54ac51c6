"""One started container. Its log is copied to a file, and its end is detected at once."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path

import docker

from verifier.runtime.base import Address
from verifier.runtime.engine import FAILURES, reason
from verifier.runtime.logs import size

_LAST_LINES = 50


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode = 0o644
    return entry


@dataclass(frozen=True, slots=True)
class HostPath:
    """Addresses of a container: in the network of the run, and published on loopback (port 0: not published)."""

    inner: Address
    published: Address


class Container:
    """A running container. `ended` resolves to the exit status once it has ended and its log is complete."""

    def __init__(self, client: docker.DockerClient, identity: str, place: HostPath, log: Path) -> None:
        self.id = identity
        self.place = place
        self.log = log
        self._client = client
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        # A daemon thread, because it lives as long as the container and must not keep the verifier alive.
        threading.Thread(target=self._follow, name=f"log-{identity[:12]}", daemon=True).start()

    def _follow(self) -> None:
        begin = size(self.log)
        self._copy(follow=True)
        try:
            code = int(self._client.api.wait(self.id, timeout=None)["StatusCode"])
        except FAILURES:
            code = 137  # it was removed by force
        else:
            self._complete(begin)
        with contextlib.suppress(RuntimeError):  # the loop is closed and nothing waits
            self._loop.call_soon_threadsafe(self._end, code)

    def _copy(self, *, follow: bool, skip: int = 0) -> None:
        """Append what it has written to the log, without the first `skip` bytes."""
        try:
            with self.log.open("ab", buffering=0) as output:
                for chunk in self._client.api.logs(self.id, stdout=True, stderr=True, stream=True, follow=follow):
                    output.write(chunk[skip:])
                    skip = max(0, skip - len(chunk))
        except (*FAILURES, ValueError):
            pass  # removed, or the engine is gone; whoever waits for its end finds out

    def _complete(self, begin: int) -> None:
        """Append what the engine did not send while it was followed. `begin` is where its log begins in the file.

        Some engines end the stream before the last lines, above all before one without a line break at its end
        (github.com/moby/moby/issues/43860). They have all of it once the container has ended. The comparison of the
        last lines spares the others, whose number is not bounded.
        """
        try:
            last: bytes = self._client.api.logs(self.id, stdout=True, stderr=True, tail=_LAST_LINES)
            with self.log.open("rb") as file:
                taken = max(0, file.seek(0, 2) - begin)
                file.seek(begin + max(0, taken - len(last)))
                if file.read() != last:
                    self._copy(follow=False, skip=taken)
        except (*FAILURES, ValueError):
            pass  # removed meanwhile

    def _end(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)

    def signal(self, name: str) -> None:
        """Send a signal. Blocking. It is no error if the container has ended."""
        with contextlib.suppress(*FAILURES):
            self._client.api.kill(self.id, signal=name)

    def pause(self) -> bool:
        """Blocking. Returns whether its processes stand still: not every engine can do that."""
        try:
            self._client.api.pause(self.id)
        except FAILURES:
            return False
        return True

    def resume(self) -> None:
        """Blocking. It is no error if it is not paused, or has ended."""
        with contextlib.suppress(*FAILURES):
            self._client.api.unpause(self.id)

    def remove(self) -> None:
        """Blocking: kill it if it runs, and remove it with its anonymous volumes.

        The cleanup at the end of the run removes what the engine refuses to remove now.
        """
        with contextlib.suppress(*FAILURES):
            self._client.api.remove_container(self.id, v=True, force=True)

    def executes(self, command: list[str]) -> bool:
        """Blocking: whether a command in the container exits with 0."""
        try:
            created = self._client.api.exec_create(self.id, command)
            self._client.api.exec_start(created["Id"])
            return bool(self._client.api.exec_inspect(created["Id"])["ExitCode"] == 0)
        except FAILURES:
            return False

    def loads(self, file: Path, command: list[str]) -> str:
        """Blocking: copy a file to /tmp in the container and run a command on it; what it said if it failed, or ""."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(file, file.name, filter=_readable)
        try:
            self._client.api.put_archive(self.id, "/tmp", archive.getvalue())
            created = self._client.api.exec_create(self.id, command)
            output = bytes(self._client.api.exec_start(created["Id"]))
            failed = self._client.api.exec_inspect(created["Id"])["ExitCode"] != 0
        except FAILURES as error:
            return reason(error)
        return output.decode("utf-8", "replace").strip() or "it failed" if failed else ""

    def runs(self) -> bool:
        """Blocking: whether it has not ended. It knows sooner than `ended`, which waits for the rest of the log."""
        try:
            return str(self._client.api.inspect_container(self.id)["State"]["Status"]) not in ("exited", "dead")
        except FAILURES:
            return True  # whoever waits for its end will know

    def out_of_memory(self) -> bool:
        """Blocking: whether the kernel killed it because it was out of memory."""
        try:
            return bool(self._client.api.inspect_container(self.id)["State"].get("OOMKilled"))
        except FAILURES:
            return False
