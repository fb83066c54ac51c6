"""One local process. It leads its own session and writes its output to a log file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal as signals
from collections.abc import Sequence
from pathlib import Path

import psutil

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import ChildProcess
from verifier.runtime.identity import start_of
from verifier.runtime.labels import TREE_ENVIRONMENT
from verifier.runtime.leftovers import kill_tree, tree

_KILLED_WITHIN = 10.0  # seconds to wait for the kernel to end a killed process
_STOPPED_WITHIN = 5.0  # seconds to wait for it to stop those that are to stand still


def signal_number(name: str) -> signals.Signals:
    """`SIGTERM` or `TERM` as a number. Raises BrokenEnvironment for an unknown name."""
    try:
        return signals.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise BrokenEnvironment(f"there is no signal {name!r} on this machine") from None


class Child:
    """A started process. When the leader ends, all that descend from it are killed, as in a container.

    They are found by their group, by `mark` in their environment if they left it, and as descendants of the leader when
    its end was asked for, if they hide their environment.
    """

    def __init__(self, process: asyncio.subprocess.Process, mark: str) -> None:
        self._process = process
        self._mark = mark
        self._tree: set[psutil.Process] = set()
        self._paused: list[psutil.Process] = []
        self.ended: asyncio.Future[int] = asyncio.ensure_future(self._wait())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def _wait(self) -> int:
        code = await self._process.wait()
        # It must be now: once the group is empty, its number may be reused.
        pause, left = 0.001, _KILLED_WITHIN
        while self._kill_group() and left > 0:
            await asyncio.sleep(pause)
            left, pause = left - pause, min(2 * pause, 0.05)
        while await asyncio.to_thread(kill_tree, self._mark, self._tree) and left > 0:
            await asyncio.sleep(pause)
            left, pause = left - pause, min(2 * pause, 0.05)
        return code if code >= 0 else 128 - code

    def _kill_group(self) -> bool:
        """Kill the whole group. True while some process of it has not ended."""
        if not self._signal_group(signals.SIGKILL):
            return False
        return any(_lives_in(process, self._process.pid) for process in psutil.process_iter())

    def _note_tree(self) -> None:
        with contextlib.suppress(psutil.Error):
            self._tree.update(psutil.Process(self._process.pid).children(recursive=True))

    def runs(self) -> bool:
        """Whether the leader has not ended. It knows sooner than `ended`, which waits until all of the tree is gone."""
        if self.ended.done() or self._process.returncode is not None:
            return False
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # it has been waited for already
            return False

    async def below(self) -> tuple[ChildProcess, ...] | None:
        """What lives of its tree, without the leader; None if the leader has ended."""
        found = await asyncio.to_thread(self._below)
        return found if self.runs() else None

    def _below(self) -> tuple[ChildProcess, ...]:
        try:
            leader = psutil.Process(self._process.pid)
        except psutil.Error:
            return ()
        others = (process for process in tree(self._mark, [leader]) if process != leader)
        return tuple(child for process in others if (child := _described(process)) is not None)

    async def result(self) -> int:
        """Wait for the end. Cancelling the wait does not end the process."""
        return await asyncio.shield(self.ended)

    async def kill(self) -> None:
        if not self.ended.done():
            self._note_tree()
            self._kill_group()
        await asyncio.shield(self.ended)

    async def pause(self) -> bool:
        """Stop the whole group, and descendants that have left it. Returns whether they stand still."""
        if self.ended.done() or not self._signal_group(signals.SIGSTOP):
            return False
        try:
            leader = psutil.Process(self._process.pid)
            async with asyncio.timeout(_STOPPED_WITHIN):
                await _stands_still(leader)
                # Each of them may have forked before it stood still.
                while new := [child for child in leader.children(recursive=True) if child not in self._paused]:
                    self._paused += new
                    for child in new:
                        with contextlib.suppress(psutil.Error):
                            child.suspend()
                            await _stands_still(child)
        except (psutil.Error, TimeoutError):
            return False
        return True

    def resume(self) -> None:
        for child in reversed(self._paused):
            with contextlib.suppress(psutil.Error):
                child.resume()
        self._paused.clear()
        if not self.ended.done():
            self._signal_group(signals.SIGCONT)

    def _signal_group(self, signal: signals.Signals) -> bool:
        try:
            os.killpg(self._process.pid, signal)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def stop(self, signal: str, grace: float) -> int | None:
        """Signal the leader, wait up to `grace` seconds, then kill all. Returns None if it was killed."""
        number = signal_number(signal)
        if number is signals.SIGKILL:
            await self.kill()
            return None
        if not self.ended.done():
            self._note_tree()
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            await asyncio.wait({self.ended}, timeout=grace)
        if self.ended.done():
            return self.ended.result()
        await self.kill()
        return None


def _described(process: psutil.Process) -> ChildProcess | None:
    """None if it has ended meanwhile."""
    try:
        command = " ".join(process.cmdline()).strip() or process.name()
    except (psutil.Error, OSError):
        return None
    started = start_of(process.pid)
    return ChildProcess(f"{process.pid}:{started}", command) if started else None


async def _stands_still(process: psutil.Process) -> None:
    """Wait until a process that was sent SIGSTOP has taken it in."""
    while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.001)


def _lives_in(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


async def spawn(command: Sequence[str], environment: dict[str, str], directory: Path, log: Path) -> Child:
    """Start a command; standard output and error are appended to the log. Raises OSError if it cannot start."""
    log.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(8)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment | {TREE_ENVIRONMENT: mark},
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Child(process, mark)
