"""`python -m verifier.cli.one_cell`: carries out one cell in a process of its own, for a worker of a cluster.

Standard input has the job, after its length in four bytes, and stays open: when it ends, nobody wants the result any
more. Standard output gets the result. Nothing is left behind in either case.
"""

from __future__ import annotations

import os
import secrets
import signal
import struct
import sys
import tempfile
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import uvloop

from verifier.cli.interrupt import Interrupted, interruptible
from verifier.errors import BadInput, BrokenEnvironment, shortage
from verifier.matrix.pairs import safe_name
from verifier.rehearsal.cell import Cell
from verifier.rehearsal.cell_cache import CellCache, StoredCell, default_folder, files_of_path
from verifier.rehearsal.edited_plan import with_plans
from verifier.rehearsal.learned import Learned
from verifier.rehearsal.prepare import Prepared, prepare
from verifier.rehearsal.remote import CellJob, CellResult
from verifier.rehearsal.share import digest
from verifier.rehearsal.walk import Rehearsal
from verifier.runtime.fingerprint import of_file
from verifier.runtime.select import make, select

_finished = threading.Event()
LENGTH = struct.Struct(">I")


def carry_out(job: CellJob, directory: Path) -> CellResult:
    """Carry out a cell in an empty folder. Raises Interrupted."""
    try:
        prepared = _prepared(job)
        select(job.runtime)
        runtime = make(job.runtime, f"{safe_name(prepared.matrix.name)[:20]}-{secrets.token_hex(4)}", directory)
        folder = default_folder() if job.cached else None
        cache = None if folder is None else CellCache(folder)
        work = Rehearsal(
            prepared, runtime, "", directory, lambda event: None, parallel=job.beside, cache=cache, share=()
        )
        planned = next((path for path in prepared.plan.paths if path.id == job.path), None)
        path = job.confirmation or planned
        if path is None:
            return CellResult(broke=f"the plan has no path {job.path}")
        seconds = None if path.confirms else job.seconds
        known, tried = Learned.restored(job.known), set(job.tried)
        cell = uvloop.run(interruptible(work.one(path, job.number, known, seconds, tried)))
        return result_of(cell, early=work.ended_early, tried=tuple(sorted(tried)))
    except (BadInput, BrokenEnvironment) as error:
        return CellResult(broke=str(error))
    except (OSError, MemoryError) as error:
        if why := shortage(error):
            return CellResult(broke=why)
        raise


def _prepared(job: CellJob) -> Prepared:
    """The pair of versions of the job. Raises BadInput if what lies here is not what the job is about."""
    asked = job.asked
    every = prepare(Path(asked.matrix), asked.seed, asked.budget, all_pairs=asked.all_pairs)
    if job.plan:
        every = with_plans(every, job.plan, "--plan")
    for entry in every:
        if digest(entry) == job.digest:
            return replace(entry, named=asked.named)
    raise BadInput.one(asked.matrix, "is another matrix here, or has other recordings or contracts")


def result_of(cell: Cell, early: bool, tried: tuple[tuple[str, str, str, str], ...]) -> CellResult:
    """The cell with its files. What the cache had lies here like what has just run."""
    directory = cell.directory
    if cell.stored is not None:
        names = cell.stored.files
        files = {name: (directory if name.startswith("logs/") else cell.folder) / name for name in names}
        stored = cell.stored
    else:
        files = files_of_path(cell.folder, cell.logs)
        digests = {name: of_file(file) for name, file in files.items()}
        stored = StoredCell(time.time(), cell.counts, cell.learned.stored(), digests)
    content = {name: zlib.compress(file.read_bytes(), 1) for name, file in files.items()}
    cached = cell.stored is not None
    return CellResult(stored, content, cell.boot, cell.replaying, cell.ended, early, cached, tried)


def main() -> None:
    output = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no part of the result
    (length,) = LENGTH.unpack(sys.stdin.buffer.read(LENGTH.size))
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(length), type=CellJob)
    threading.Thread(target=_until_unwanted, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="verifier-cell-") as folder:
        try:
            result = carry_out(job, Path(folder))
        except Interrupted as stopped:
            sys.exit(stopped.status)
        _finished.set()
        with os.fdopen(output, "wb") as file:
            file.write(msgspec.msgpack.encode(result))


def _until_unwanted() -> None:
    sys.stdin.buffer.read(1)
    if not _finished.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
