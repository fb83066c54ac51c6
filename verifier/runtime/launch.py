"""Starts local processes of a run: marks them, gives them a free port, and waits until they are ready."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from verifier.errors import BrokenEnvironment, shortage
from verifier.runtime import local
from verifier.runtime.alarm import Alarm
from verifier.runtime.base import Address, Environment, StartFailure
from verifier.runtime.http_probe import http_answers
from verifier.runtime.identity import ProcessIdentity
from verifier.runtime.job import Job
from verifier.runtime.labels import ENVIRONMENT, OWNER_ENVIRONMENT
from verifier.runtime.logs import LineSearch, size
from verifier.runtime.ports import LOOPBACK, Ports, taken
from verifier.runtime.readiness import Probe, tcp_answers, until_ready
from verifier.runtime.watcher_process import WatcherProcess

_ATTEMPTS = 5
# Calls inside a run stay on this machine, so they must not use a proxy.
_PROXIES = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy"}


class Launcher:
    """Starts the local processes of a run. Usable between `open` and `close` of the runtime."""

    def __init__(self, run_id: str, owner: ProcessIdentity, chance: random.Random) -> None:
        self._run = run_id
        self._owner = owner
        self._ports = Ports(chance)
        self._marks = {ENVIRONMENT: run_id, OWNER_ENVIRONMENT: str(owner)}
        self.alarm = Alarm()
        self._watcher: WatcherProcess | None = None
        self._client: httpx.AsyncClient | None = None

    async def open(self, log: Path) -> None:
        self._watcher = await WatcherProcess.start(self._run, self._owner, log, self.alarm.ring, engine=False)
        self._client = httpx.AsyncClient(trust_env=False, verify=False)

    async def check_watcher(self) -> None:
        """Raise BrokenEnvironment if the watcher does not respond."""
        if self._watcher is not None:
            await self._watcher.check()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        if self._watcher is not None:
            await self._watcher.dismiss()
            self._watcher = None

    def environment(self, declared: Environment, port: int = 0) -> dict[str, str]:
        """This process's environment plus the declared one. `python` is the interpreter of the verifier."""
        values = {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
        values["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), values.get("PATH", os.defpath)])
        values.setdefault("PYTHONUNBUFFERED", "1")  # the last output of a killed replica is evidence
        values.update((name, fill(value, port)) for name, value in declared)
        return values | self._marks

    async def spawn(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path
    ) -> local.Child:
        """Start a process and tell the watcher. Raises OSError if it cannot start."""
        watcher = self._watcher
        if watcher is None:
            raise BrokenEnvironment("the process runtime was used before it was opened")
        child = await local.spawn(command, dict(environment), directory, log)
        watcher.note(child.pid)
        child.ended.add_done_callback(lambda _: watcher.forget(child.pid))
        return child

    async def start(self, job: Job) -> tuple[Address, local.Child | StartFailure]:
        """Start a job on a free port. If another process takes that port first, try another one."""
        for left in reversed(range(_ATTEMPTS)):
            address = Address(LOOPBACK, self._ports.take())
            outcome = await self._attempt(job, address)
            if isinstance(outcome, local.Child) or not left or not _lost_race(outcome, address.port):
                break
        return address, outcome

    async def _attempt(self, job: Job, address: Address) -> local.Child | StartFailure:
        begin = size(job.log)
        environment = self.environment(job.environment, address.port)
        folder = str(job.directory.absolute())
        command = [fill(part, address.port).replace("{dir}", folder) for part in job.command]
        try:
            child = await self.spawn(command, environment, job.directory, job.log)
        except OSError as error:
            if why := shortage(error):
                raise BrokenEnvironment(f"{command[0]!r} cannot be started: {why}") from None
            return StartFailure("exited", f"{command[0]!r} cannot be started: {error.strerror}", "")
        failure: StartFailure | None = None
        ready = False
        try:
            probe = self._probe(job, child, address, environment, begin)
            failure = await until_ready(probe, child.ended, job.ready.within, job.log, begin)
            ready = failure is None
        finally:
            if not ready:  # also if cancelled while waiting
                await child.kill()
        return failure or child

    def _probe(self, job: Job, child: local.Child, address: Address, environment: dict[str, str], begin: int) -> Probe:
        value = job.ready.value
        asked = job.probe

        def own() -> bool:
            return _serves(child.pid, address.port)

        async def special() -> bool:
            return asked is not None and await asked(address) and own()

        async def http() -> bool | str:
            found = await http_answers(self._client, address, value) if self._client is not None else False
            return own() if found is True else found

        async def tcp() -> bool:
            return await tcp_answers(address) and own()

        async def command() -> bool:
            shell = ["/bin/sh", "-c", fill(value, address.port)]
            inner = await self.spawn(shell, environment, job.directory, Path(os.devnull))
            try:
                return await inner.result() == 0
            finally:
                await inner.kill()

        search = LineSearch(job.log, value, begin) if job.ready.kind == "log" else None

        async def line() -> bool:
            return search is not None and search.found()

        probes: dict[str, Probe] = {"http": http, "tcp": tcp, "command": command, "log": line}
        return special if asked else probes[job.ready.kind]


def fill(text: str, port: int) -> str:
    return text.replace("{port}", str(port)).replace("{host}", LOOPBACK)


def _lost_race(failure: StartFailure, port: int) -> bool:
    """Whether it ended because another process took the port between choosing and binding."""
    if failure.reason != "exited":
        return False
    said = "in use" in failure.tail.lower() and str(port) in failure.tail
    return said or taken(port, after_close=True)


def _serves(leader: int, port: int) -> bool:
    """Whether the session of the leader listens on the port, and not another process that was faster.

    True if this process is not permitted to see it.
    """
    hidden = False
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != leader:
                continue
            connections = process.net_connections("tcp")
        except psutil.AccessDenied:
            hidden = True
            continue
        except (psutil.Error, OSError):
            continue
        if any(at.status == psutil.CONN_LISTEN and at.laddr and at.laddr.port == port for at in connections):
            return True
    return hidden
