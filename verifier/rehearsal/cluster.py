"""Cells on Dask workers: each worker has a runtime of its own, and a cell that its worker takes with it is run again.

Every worker needs the verifier and the files of the matrix at the same place. It carries out a cell in a process of its
own, so that a busy replay does not keep the worker from its scheduler, and so that what a cell started ends with it.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from verifier.errors import BadInput, BrokenEnvironment
from verifier.rehearsal.remote import CellJob, CellResult, Elsewhere
from verifier.rehearsal.share import Asked
from verifier.runtime.select import Selection, select

PROGRAM = (sys.executable, "-m", "verifier.cli.one_cell")
TRIES = 3  # of a cell whose workers were lost again and again, each of which the scheduler tries several times
NOBODY = 60.0  # seconds without any worker
LOOK = 1.0  # seconds between two looks at what nothing tells by itself
TAIL = 2000  # characters


class DaskWorkers(Elsewhere):
    """The workers of the scheduler at `address`. `name` is the runtime that they use."""

    def __init__(self, address: str, asked: Asked, plan: str = "", cached: bool = True, name: str = "") -> None:
        self.name = name
        self.asked = asked
        self.plan = plan
        self.cached = cached
        self._address = address
        self._client: Any = None
        self._futures: set[Any] = set()

    @property
    def threads(self) -> Sequence[int]:
        """How many cells each worker carries out at a time."""
        return list(self._client.nthreads().values())

    def connect(self) -> None:
        """Raises BadInput without the libraries, and BrokenEnvironment without a scheduler that has workers."""
        try:
            from distributed import Client
        except ImportError:
            why = "needs the extra `cluster`: pip install 'mixed-version-verifier[cluster]'"
            raise BadInput.one("--scheduler", why) from None
        try:
            client: Any = Client  # which has no types
            self._client = client(self._address, timeout=10, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise BrokenEnvironment(f"the scheduler {self._address} does not answer: {error}") from None
        if not self.threads:
            self._client.close()
            raise BrokenEnvironment(f"the scheduler {self._address} has no worker")
        self.beside = max(self.threads)

    def choose(self, choice: str) -> Selection:
        """The runtime that `--runtime` chooses on the workers, which `name` is then. Raises BrokenEnvironment."""
        found = self._client.run(choose_here, choice)
        names = {name for name, _ in found.values()}
        problems = [f"{worker}: {problem}" for worker, (_, problem) in sorted(found.items()) if problem]
        if problems:
            raise BrokenEnvironment(f"on the worker {problems[0]}")
        if len(names) != 1:
            raise BrokenEnvironment(f"the workers have different runtimes ({', '.join(sorted(names))}); use --runtime")
        self.name = names.pop()
        return Selection(self.name, f"on {len(found)} workers of {self._address}")

    async def open(self) -> None:
        if self._client is None:
            await asyncio.to_thread(self.connect)

    async def carry_out(self, job: CellJob) -> CellResult:
        from distributed.scheduler import KilledWorker

        data = msgspec.msgpack.encode(job)
        for last in range(TRIES, 0, -1):
            future = self._client.submit(carry_out_here, data, pure=False, retries=0)
            self._futures.add(future)
            try:
                await self._ended(future)
                if future.status == "finished":
                    found: CellResult = msgspec.msgpack.decode(await asyncio.to_thread(future.result), type=CellResult)
                    return found
                error = await asyncio.to_thread(future.exception) if future.status == "error" else None
            finally:
                self._futures.discard(future)
                with suppress(Exception):
                    future.cancel()
            if error is None:
                raise BrokenEnvironment(f"the scheduler {self._address} has lost {job.path} ({future.status})")
            if not isinstance(error, KilledWorker):
                raise BrokenEnvironment(f"a worker could not carry out {job.path}: {error}")
            if last == 1:
                raise BrokenEnvironment(f"{job.path} was given up, because all of its workers were lost: {error}")
        raise AssertionError("unreachable")

    async def _ended(self, future: Any) -> None:
        """Wait until a cell has a result or will get none. Raises BrokenEnvironment when no worker is left."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
        alone = 0.0
        while not ended.is_set() and not future.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), LOOK)
            alone = 0.0 if await asyncio.to_thread(self._has_workers) else alone + LOOK
            if alone >= NOBODY:
                raise BrokenEnvironment(f"the scheduler {self._address} has had no worker for {NOBODY:g} s")

    def _has_workers(self) -> bool:
        try:
            return bool(self._client.nthreads())
        except Exception:  # the scheduler does not answer
            return False

    async def close(self) -> None:
        if self._client is not None:
            for future in list(self._futures):
                with suppress(Exception):
                    future.cancel()
            await asyncio.to_thread(self.disconnect)

    def disconnect(self) -> None:
        self._client.close()
        self._client = None


def choose_here(choice: str) -> tuple[str, str]:
    """On a worker: the runtime that is used there, and why there is none."""
    try:
        return select(choice).name, ""
    except BrokenEnvironment as error:
        return "", str(error)


def carry_out_here(job: bytes) -> bytes:
    """On a worker: carry out a cell in a process, and end it when nobody wants its result any more."""
    result = bytearray()
    wanted = _wanted()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(len(job).to_bytes(4, "big") + job)
            child.stdin.flush()
            with selectors.DefaultSelector() as ready:
                ready.register(child.stdout, selectors.EVENT_READ)
                while wanted():
                    if not ready.select(LOOK):
                        continue
                    data = os.read(child.stdout.fileno(), 1 << 20)
                    if not data:
                        break
                    result += data
        finally:
            child.stdin.close()  # which ends it
            child.stdout.close()
            child.wait()
        if child.returncode:
            said.seek(0)
            tail = said.read().decode(errors="replace")[-TAIL:]
            raise RuntimeError(f"the process of a cell ended with status {child.returncode}: {tail}")
    return bytes(result)


def _wanted() -> Callable[[], bool]:
    """Tells whether the task of this thread is still wanted: its client may have cancelled it, or be gone."""
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state not in ("cancelled", "released", "forgotten")

    return wanted
