"""Compares two contracts in four columns: does the reader accept everything that the writer may send?

All columns ask this one question, with the roles of old and new exchanged. So exchanging the documents exchanges the
columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifier.contracts import limited
from verifier.contracts.bodies import (
    STRICT,
    WORK_OF_ALL,
    WORK_OF_EACH,
    BodyPlace,
    Memory,
    Tolerance,
    once,
    schema_findings,
)
from verifier.contracts.exchanges import answer_findings, request_findings
from verifier.contracts.model import Contract, ContractOperation, MessageContract
from verifier.contracts.security import Schemes, schemes_of
from verifier.contracts.verdicts import COLUMNS, MEANING, Column, Comparison, ContractDifference

__all__ = ["STRICT", "Tolerance", "compare"]
_VARIABLE = re.compile(r"\{[^{}]*\}")


def compare(old: Contract, new: Contract, tolerance: Tolerance = STRICT, seed: int = 0) -> Comparison:
    """Every difference that breaks a reader or may do so, with its column.

    The writer is closed: it sends what its contract declares. The reader is taken as declared, plus `tolerance`. The
    result is deterministic for one seed, which only affects generated values.
    """
    limited.renew()
    each = sum(len(side.operations) + len(side.messages) for side in (old, new))
    memory = Memory(work=WORK_OF_ALL + WORK_OF_EACH * each)
    found = [
        finding
        for column in COLUMNS
        for finding in _column(_Sides(*_sides(column, old, new), column, tolerance, seed, memory))
    ]
    return Comparison(old.file, new.file, tuple(once(found)))


def _sides(column: Column, old: Contract, new: Contract) -> tuple[Contract, Contract]:
    """The writer and the reader of a column."""
    return (old, new) if column.endswith("old_to_new") else (new, old)


@dataclass(frozen=True, slots=True)
class _Sides:
    writer: Contract
    reader: Contract
    column: Column
    tolerance: Tolerance
    seed: int
    memory: Memory

    def place(self, operation: str, part: str = "", media: str = "") -> BodyPlace:
        return BodyPlace(self.column, operation, part, media, self.tolerance, self.seed)


def _column(sides: _Sides) -> Iterator[ContractDifference]:
    if sides.column.startswith("request"):
        yield from _requests(sides)
        return
    for writer, reader in _pairs(sides):
        if reader is not None:
            yield from answer_findings(writer, reader, sides.place(writer.id), sides.memory)
    yield from _messages(sides)
    yield from _documents(sides)


def _requests(sides: _Sides) -> Iterator[ContractDifference]:
    schemes: tuple[Schemes, Schemes] = (schemes_of(sides.writer), schemes_of(sides.reader))
    for writer, reader in _pairs(sides):
        if reader is None:
            yield _missing(writer, sides)
        else:
            yield from request_findings(writer, reader, sides.place(writer.id), sides.memory, schemes)


def _missing(writer: ContractOperation, sides: _Sides) -> ContractDifference:
    place = sides.place(writer.id)
    same = [item for item in sides.reader.operations if _plain(item.path) == _plain(writer.path)]
    if any(item.method == writer.method for item in same):
        bases = " or ".join(sides.reader.bases) or "/"
        return place.breaking("base-path", writer.pointer, f"{place.reader} serves {writer.path} below {bases} only")
    message = f"{place.reader} has no {writer.method} {writer.path}"
    if same:
        message += f"; it has {', '.join(sorted(item.method for item in same))} there"
    return place.breaking("operation", writer.pointer, message)


def _pairs(sides: _Sides) -> Iterator[tuple[ContractOperation, ContractOperation | None]]:
    """Pairs of operations with the same method and path, whatever the names of path variables."""
    based = bool(sides.writer.bases and sides.reader.bases)
    index = {
        (item.method, path): item
        for item in reversed(sides.reader.operations)
        for path in _paths(item, sides.reader.bases if based else ())
    }
    for item in sides.writer.operations:
        paths = _paths(item, sides.writer.bases if based else ())
        yield item, next((index[item.method, path] for path in paths if (item.method, path) in index), None)


def _paths(operation: ContractOperation, bases: tuple[str, ...]) -> list[str]:
    return [base.rstrip("/") + _plain(operation.path) for base in bases or ("",)]


def _plain(path: str) -> str:
    return _VARIABLE.sub("{}", path)


def _messages(sides: _Sides) -> Iterator[ContractDifference]:
    """Events: a version must be able to read what the other one writes to a channel, if it reads that channel."""
    channels: dict[str, list[MessageContract]] = {}
    for message in sides.reader.messages:
        channels.setdefault(_plain(message.channel), []).append(message)
    for message in sides.writer.messages:
        known = channels.get(_plain(message.channel))
        if known is None:
            continue  # the other side does not read this channel
        named = [item for item in known if item.name == message.name]
        if named:
            yield from _message(message, named[0], sides)
        elif not any(_takes(message, item, sides) for item in known):
            place = sides.place(message.id, "payload")
            names = ", ".join(item.name for item in known)
            text = f"{place.reader} does not know the message {message.name} on {message.channel}; it knows {names}"
            yield place.breaking("message", known[0].pointer, text)


def _message(writer: MessageContract, reader: MessageContract, sides: _Sides) -> Iterator[ContractDifference]:
    place = sides.place(writer.id, "payload", writer.media)
    if writer.media != reader.media:
        text = f"{place.reader} reads {reader.media}, not {writer.media}"
        yield place.breaking("media-type", reader.pointer, text)
        return
    yield from schema_findings(writer.payload, reader.payload, place, sides.memory)
    yield from schema_findings(writer.headers, reader.headers, sides.place(writer.id, "headers"), sides.memory)


def _takes(writer: MessageContract, reader: MessageContract, sides: _Sides) -> bool:
    return all(item.verdict == "skew" for item in _message(writer, reader, sides))


def _documents(sides: _Sides) -> Iterator[ContractDifference]:
    known = {item.id: item for item in sides.reader.documents}
    for item in sides.writer.documents:
        if item.id in known:
            place = sides.place(item.id, "document")
            yield from schema_findings(item.schema, known[item.id].schema, place, sides.memory)


def explain(column: Column) -> str:
    """A column in words: "an old client to the new service"."""
    writer, reader = MEANING[column]
    return f"{writer} to {reader}"
