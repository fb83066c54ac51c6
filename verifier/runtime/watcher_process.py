"""The verifier's handle of the watcher: started before everything else, dismissed when nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import verifier
from verifier.errors import BrokenEnvironment
from verifier.runtime.identity import ProcessIdentity, start_of
from verifier.runtime.labels import ENVIRONMENT, OWNER_ENVIRONMENT
from verifier.runtime.logs import tail
from verifier.runtime.watcher import READY

_START_WITHIN = 30.0
_END_WITHIN = 10.0
_LINES = 3
_NAME = "the watcher, which cleans up after a killed run,"
RESPONDS_WITHIN = 20.0  # seconds; a busy machine may take its time


class WatcherProcess:
    """A running watcher. Closing it without `dismiss`, or dying, makes it remove everything of the run."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, gone: Callable[[str], None]) -> None:
        self._process = process
        self._log = log
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._responded = asyncio.Event()
        if process.stdout is not None:
            self._loop.add_reader(process.stdout.fileno(), self._read, process.stdout.fileno())

    async def check(self) -> None:
        """Raise BrokenEnvironment if it does not respond within some seconds."""
        self._responded.clear()
        self._say("ping")
        try:
            async with asyncio.timeout(RESPONDS_WITHIN):
                await self._responded.wait()
        except TimeoutError:
            raise BrokenEnvironment(f"{_NAME} does not respond within {RESPONDS_WITHIN:g} s") from None

    def _read(self, descriptor: int) -> None:
        ended = not os.read(descriptor, 4096)
        self._responded.set()
        if ended:
            self._ended()

    def _ended(self) -> None:
        self._listen_no_more()
        status = self._process.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
        said = tail(self._log, _LINES)
        self._gone(f"{_NAME} {how}" + (f"\n{said}" if said else ""))

    def _listen_no_more(self) -> None:
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._loop.remove_reader(self._process.stdout.fileno())

    @classmethod
    async def start(
        cls, run: str, owner: ProcessIdentity, log: Path, gone: Callable[[str], None], *, engine: bool
    ) -> WatcherProcess:
        """Start the watcher and wait until it listens. Raises BrokenEnvironment. `gone` is told if it ends by itself.

        A run could go on without it, but if the verifier were killed then, services would be left behind.
        """
        process = _launch([run, str(owner), "engine" if engine else "none"], log)
        if not await asyncio.to_thread(_says_ready, process):
            process.kill()
            process.wait()
            raise BrokenEnvironment(f"{_NAME} did not start; see {log}")
        return cls(process, log, gone)

    def note(self, leader: int) -> None:
        """Tell it about a session, so that it finds the members even if they hide their environment."""
        self._say(f"session {leader} {start_of(leader) or '-'}")

    def forget(self, leader: int) -> None:
        self._say(f"forget {leader}")

    def _say(self, line: str) -> None:
        # If the watcher was killed, the run ends on its own and cleans up.
        with contextlib.suppress(BrokenPipeError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()

    async def dismiss(self) -> None:
        """Tell it that nothing is left, and wait until it has ended."""
        self._listen_no_more()
        self._say("done")
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            await asyncio.to_thread(self._process.wait, _END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


def _launch(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    root = str(Path(verifier.__file__).parent.parent)
    environment = {name: text for name, text in os.environ.items() if name not in (ENVIRONMENT, OWNER_ENVIRONMENT)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH", "")]))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "verifier.runtime.watcher", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output,
            cwd="/", env=environment, start_new_session=True,
        )  # fmt: skip


def _says_ready(process: subprocess.Popen[bytes]) -> bool:
    if process.stdout is None:
        return False
    readable, _, _ = select.select([process.stdout], [], [], _START_WITHIN)
    return bool(readable) and os.read(process.stdout.fileno(), len(READY)) == READY
