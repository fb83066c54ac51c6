"""The verifier's handle of the watcher: started before everything else, dismissed when nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import subprocess
import sys
from pathlib import Path

import verifier
from verifier.errors import BrokenEnvironment
from verifier.runtime.identity import ProcessIdentity, start_of
from verifier.runtime.labels import ENVIRONMENT, OWNER_ENVIRONMENT
from verifier.runtime.watcher import READY

_START_WITHIN = 30.0
_END_WITHIN = 10.0


class WatcherProcess:
    """A running watcher. Closing it without `dismiss`, or dying, makes it remove everything of the run."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    async def start(cls, run: str, owner: ProcessIdentity, log: Path, *, engine: bool) -> WatcherProcess:
        """Start the watcher and wait until it listens. Raises BrokenEnvironment."""
        process = _launch([run, str(owner), "engine" if engine else "none"], log)
        if not await asyncio.to_thread(_says_ready, process):
            process.kill()
            process.wait()
            raise BrokenEnvironment(f"the watcher, which cleans up after a killed run, did not start; see {log}")
        return cls(process)

    def note(self, leader: int) -> None:
        """Tell it about a session, so that it finds the members even if they hide their environment."""
        self._say(f"session {leader} {start_of(leader) or '-'}")

    def forget(self, leader: int) -> None:
        self._say(f"forget {leader}")

    def _say(self, line: str) -> None:
        # If the watcher was killed, the run continues, because it still cleans up on its own.
        with contextlib.suppress(BrokenPipeError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()

    async def dismiss(self) -> None:
        """Tell it that nothing is left, and wait until it has ended."""
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
