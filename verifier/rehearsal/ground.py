"""What the verifier and the services stand on: stores, engine, disk, memory, file handles and ports.

Once one of them is gone, services fail in any version, and what they answer says nothing about the rollout. So the run
ends where it is, without a verdict: the environment is broken. It can be wrong where a version itself takes a store
down: then it does so in its control or in its first step, which the message names.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from verifier.errors import BrokenEnvironment, shortage
from verifier.rehearsal.machine import handles_left, killed_for_memory
from verifier.rehearsal.schedule import retrieved
from verifier.runtime.base import Runtime

PERIOD = 1.0  # seconds between two looks at the disk
LEAST_SPACE = 8 << 20  # bytes; with less, the next write of a service may fail
LEAST_HANDLES = 8  # a burst of connections opens some at once


class Ground:
    """Watches what a run stands on. `directory` is the run directory, and `step` the step that is carried out."""

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        self.step = ""
        self._runtime = runtime
        self._directory = directory
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._killed = killed_for_memory()
        runtime.watch(self.lost)

    def lost(self, why: str) -> None:
        """Something is gone: what runs in `while_it_holds` ends now."""
        if not self._lost.done():
            what, line, rest = why.partition("\n")
            where = f", in {self.step}" if self.step else ""
            self._lost.set_result(f"{what}{where}{line}{rest}")

    def not_connected(self, problem: Exception) -> None:
        """A connection was not made: it is the service's doing, unless the machine has run out of something."""
        if why := shortage(problem):
            self.lost(why)

    async def while_it_holds(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work. Raises BrokenEnvironment as soon as something is gone; the work is cancelled then."""
        task = asyncio.ensure_future(_kept(work))
        try:
            either: set[asyncio.Future[Any]] = {task, self._lost}
            while not (await asyncio.wait(either, timeout=PERIOD, return_when=asyncio.FIRST_COMPLETED))[0]:
                self._look()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            retrieved([task])
        failed = not task.cancelled() and task.exception() is not None
        if failed and not self._lost.done():
            await self.check()  # what is gone is the cause, and what failed because of it is not
        if self._lost.done():
            raise BrokenEnvironment(self._lost.result())
        if (interrupt := await task) is not None:
            raise interrupt

    async def check(self) -> None:
        """Raise BrokenEnvironment if something is gone or does not answer. Asked at the end of each step."""
        try:
            await self._checked()
        except BrokenEnvironment as broken:
            self.lost(str(broken))
            raise BrokenEnvironment(self._lost.result()) from None

    def _look(self) -> None:
        """A step may take minutes after the first write that failed: what fails then is the machine's doing."""
        try:
            self._check_disk()
            self._check_machine()
        except BrokenEnvironment as broken:
            self.lost(str(broken))

    async def _checked(self) -> None:
        self._check_disk()
        self._check_machine()
        await self._runtime.check_stores()

    def _check_machine(self) -> None:
        left = handles_left()
        if left is not None and left < LEAST_HANDLES:
            raise BrokenEnvironment(f"{shortage(OSError(errno.EMFILE, ''))}: {max(0, left)} more are left")
        if killed_for_memory() > self._killed:
            raise BrokenEnvironment("no memory is left: the system has killed a process beside the verifier")

    def _check_disk(self) -> None:
        for folder in (self._directory, Path(tempfile.gettempdir())):
            try:
                free = shutil.disk_usage(folder).free
            except OSError as error:
                raise BrokenEnvironment(f"{folder}: {error.strerror}") from None
            if free < LEAST_SPACE:
                raise BrokenEnvironment(f"no space is left on the disk of {folder}")
        if not (self._directory / "history" / "run.json").is_file():
            raise BrokenEnvironment(f"{self._directory}: the run directory has vanished")


async def _kept(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """Do the work. What would end the event loop before anything is tidied up is returned, for the caller to raise."""
    try:
        await work
    except (KeyboardInterrupt, SystemExit) as interrupt:
        return interrupt
    return None
