"""Histories on disk: one JSON line per record, one file per kind, appended during the run.

    RUN/history/run.json  operations.jsonl  steps.jsonl  replicas.jsonl  faults.jsonl  notes.jsonl
                     ends.jsonl  store-rows.jsonl  bodies.jsonl

A step is on disk only after everything that was recorded before it, so a killed run has whole steps and part of one.
While paths run side by side, each appends to a history of its own (`parts.py`).

Bodies are base64, so every value can be read back equal; long ones are in a file of their own (`bodies.py`). Reading
ignores a last line that a kill cut off. A line may omit fields that have their default value.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec
from msgspec import structs

from verifier.errors import BadInput
from verifier.files import opened, read_bytes
from verifier.history.bodies import NAME, BodyReader, BodyWriter
from verifier.history.line import storable
from verifier.history.model import End, FaultInjected, History, Note, Operation, ReplicaEvent, RunInfo, Step, StoreRows
from verifier.history.operations import OperationLines
from verifier.history.parts import files_of, merged

Record = Operation | Step | ReplicaEvent | FaultInjected | Note | End | StoreRows
R = TypeVar("R", Operation, Step, ReplicaEvent, FaultInjected, Note, End, StoreRows)

FILES: dict[type, str] = {
    Operation: "operations.jsonl",
    Step: "steps.jsonl",
    ReplicaEvent: "replicas.jsonl",
    FaultInjected: "faults.jsonl",
    Note: "notes.jsonl",
    End: "ends.jsonl",
    StoreRows: "store-rows.jsonl",
}

SCHEMA = 4
WITH_ENDS, WITH_STORE_ROWS = 2, 4  # the first schemas with ends of accepted work, and with rows of invariants

MOST = 64  # waiting lines before they are written
LARGE = 1 << 14  # bytes; longer lines are written at once


class Lines(list[str]):
    """Whole lines that wait to be written, their bytes decoded as Latin-1.

    After appending a line, the caller calls `relieve` if there are MOST lines or if the line is LARGE.
    """

    __slots__ = ("_bodies", "_file")

    def __init__(self, file: IO[bytes], bodies: BodyWriter | None = None) -> None:
        super().__init__()
        self._file = file
        self._bodies = bodies

    def body(self, data: bytes) -> str:
        """A body as a line has it: in base64, or a reference to a long one."""
        return self._bodies.base64(data) if self._bodies is not None else b2a_base64(data, newline=False).decode()

    def relieve(self) -> None:
        """Write all waiting lines. Only whole lines are written, so a kill cuts off at most the last one."""
        self._file.write("".join(self).encode("latin-1"))
        self.clear()


class HistoryWriter:
    """Appends records to a run directory. It keeps few records in memory, so a run may be of any length."""

    def __init__(self, directory: Path, run: RunInfo) -> None:
        folder = directory / "history"
        folder.mkdir(parents=True, exist_ok=True)
        self._run, self._run_file = run, folder / "run.json"
        write_value(self._run_file, run)
        # The files are buffered, because an unbuffered `write` may write only a part, as on a nearly full disk.
        self._files: dict[type, IO[bytes]] = {kind: (folder / name).open("wb") for kind, name in FILES.items()}
        self._bodies_file = (folder / NAME).open("wb")
        self._bodies = BodyWriter(self._bodies_file)
        self._waiting = {kind: Lines(file, self._bodies) for kind, file in self._files.items()}
        self.lines = self._waiting[Operation]  # of operations, for callers that build the line themselves
        self._encode = msgspec.json.Encoder().encode

    def add(self, record: Record) -> None:
        """Append a record. A lone surrogate is stored as U+FFFD, because UTF-8 cannot encode it."""
        if isinstance(record, Operation):
            record = self._bodies.refer(record)
        try:
            line = self._encode(record)
        except UnicodeEncodeError:
            line = self._encode(storable(msgspec.to_builtins(record)))
        lines = self._waiting[type(record)]
        lines.append(line.decode("latin-1") + "\n")
        if isinstance(record, Step):
            self.flush()
        elif len(lines) >= MOST or len(line) >= LARGE:
            lines.relieve()

    def flush(self) -> None:
        """Write everything that waits, the steps last."""
        for kind in sorted(self._files, key=lambda kind: kind is Step):
            self._waiting[kind].relieve()
            self._files[kind].flush()

    def learn_images(self, images: tuple[tuple[str, str, str], ...]) -> None:
        """Store which images run, once they are known."""
        self._run = structs.replace(self._run, images=images)
        write_value(self._run_file, self._run)

    def finish(self) -> None:
        """Write everything that waits, and then that the run has come to its end."""
        self.flush()
        self._run = structs.replace(self._run, unfinished=False)
        write_value(self._run_file, self._run)

    def close(self) -> None:
        self.flush()
        for file in (*self._files.values(), self._bodies_file):
            file.close()


def records(directory: Path, kind: type[R]) -> Iterator[R]:
    """The records of one kind, in order, read line by line. Raises BadInput for an invalid line.

    Operations have references in the place of long bodies (`BodyReader`).
    """
    for file in files_of(directory, FILES[kind]):
        yield from _records(file, kind)


def _records(file: Path, kind: type[R]) -> Iterator[R]:
    decode: Callable[[bytes], Any] = OperationLines().decode if kind is Operation else msgspec.json.Decoder(kind).decode
    with opened(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BadInput.one(file, f"is no {kind.__name__.lower()}: {error}", line=number) from None
            yield record


def read(directory: Path) -> History:
    """The whole history of a run directory."""
    file = directory / "history" / "run.json"
    run: RunInfo = read_value(file, RunInfo)
    return History(
        run=run,
        operations=tuple(map(BodyReader(directory).restore, records(directory, Operation))),
        steps=tuple(records(directory, Step)),
        replicas=tuple(records(directory, ReplicaEvent)),
        faults=tuple(records(directory, FaultInjected)),
        notes=tuple(records(directory, Note)),
        ends=tuple(records(directory, End)) if run.schema >= WITH_ENDS else (),
        store_rows=tuple(records(directory, StoreRows)) if run.schema >= WITH_STORE_ROWS else (),
    )


def merge(directory: Path) -> None:
    """Append the histories of the paths to that of the run, in the plan's order.

    On a full disk nothing is changed, and the parts are read where they are.
    """
    with suppress(OSError):
        merged(directory, (*FILES.values(), NAME))


def read_value(file: Path, kind: Any) -> Any:
    """One JSON file decoded as a value of the given type. Raises BadInput if that fails."""
    try:
        return msgspec.json.decode(read_bytes(file), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput.one(file, f"is damaged: {error}") from None


def write_value(file: Path, value: Any) -> None:
    """Write a value as indented JSON to a temporary file and rename it, so that no reader sees half of it."""
    beside = file.with_name(file.name + ".part")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    beside.replace(file)
