"""The words in which findings tell what was written and what is read."""

from __future__ import annotations

from typing import Any

from verifier.checks.context import called
from verifier.checks.relations import Reading
from verifier.checks.renderings import shown_at
from verifier.checks.replays import Source
from verifier.contracts.expressions import body_json
from verifier.history.model import Operation
from verifier.pointers import MISSING


def nearest(reading: Reading, source: Source) -> tuple[bool, bool, int, bool]:
    """Sorts the writes that explain a value: of the same address, before the read, the latest, as it was sent."""
    index, side, _ = source
    write = reading.replay.write(index)
    same = write.request.path == reading.operation.request.path
    return (same, index <= reading.place[2], index, side == "sent")


def read_otherwise(reading: Reading, source: Source, write: Operation, pointer: str) -> str:
    operation, (_, side, at) = reading.operation, source
    verb = "written as" if side == "sent" else "answered as"
    text = next(iter(sorted(reading.replay.sources[source][-1])), "")
    return (
        f"{named(at)} was {verb} {_sourcedisplayed(write, source, text)} ({called(write)}), "
        f"{operation.version} shows {displayed(operation, pointer)} ({called(operation)})"
    )


def _sourcedisplayed(write: Operation, source: Source, text: str) -> str:
    body = body_json(write.request.body) if source[1] == "sent" else answered_body(write)
    value = MISSING if source[2].startswith("?") else shown_at(body, source[2], text)
    return repr(text if value is MISSING else value)


def displayed(operation: Operation, pointer: str) -> str:
    value = shown_at(answered_body(operation), pointer)
    if value is MISSING:
        return "no such entry" if "*" in pointer else "nothing"
    return f"{value!r} among others" if "*" in pointer else repr(value)


def answered_body(operation: Operation) -> Any:
    return body_json(operation.response.body) if operation.response is not None else MISSING


def is_empty_list(reading: Reading, pointer: str) -> bool:
    """Whether the list of a pointer is there and has no entry."""
    return bool(shown_at(answered_body(reading.operation), pointer.partition("/*")[0]) == [])


def named(pointer: str) -> str:
    names = [name for name in pointer.replace("?", "/").split("/") if name and name != "*"]
    return names[-1] if names else "the body"


def listed(texts: frozenset[str]) -> str:
    return ", ".join(repr(text) for text in sorted(texts)) or "no entry"
