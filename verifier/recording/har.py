"""HAR 1.2 files as recordings: small ones decoded at once, large ones streamed. `HarWriter` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any, BinaryIO

import ijson
import msgspec

from verifier.errors import BadInput, Problem
from verifier.files import opened, read_bytes, size
from verifier.recording.assemble import Assembly, TooManyProblems
from verifier.recording.entry import parse_entry
from verifier.recording.harwriter import HarWriter
from verifier.recording.model import Recording

__all__ = ["LARGEST_WHOLE", "HarWriter", "read_har"]

LARGEST_WHOLE = 64 * 1024 * 1024  # bytes; a larger file is streamed
# Deeper than any recorder writes; a parser's memory must not follow a hostile file down.
DEEPEST = 64
_ENTRIES = re.compile(r'(?<!\\)"entries"\s*:\s*\[')
_OFFSET = re.compile(r"\(byte (\d+)\)")


def read_har(path: Path, session_header: str | None = None, largest_whole: int = LARGEST_WHOLE) -> Recording:
    """Read a HAR file. Raises BadInput with the file, the entry's line where it is known, and the key.

    A file above `largest_whole` bytes is streamed; then problems name the entry by its index, without a line.
    """
    assembly = Assembly(path, session_header)
    with opened(path) as stream:
        if size(stream) > largest_whole:
            with suppress(TooManyProblems):
                for number, entry in enumerate(_streamed(path, stream), 1):
                    assembly.take(number, entry, parse_entry)
            return assembly.recording()
    data = read_bytes(path, largest_whole)
    assembly.browser, entries = _whole(path, data.removeprefix(b"\xef\xbb\xbf"))
    with suppress(TooManyProblems):
        for number, entry in enumerate(entries, 1):
            assembly.take(number, entry, parse_entry)
    if assembly.problems:
        assembly.place(_lines(data, assembly.numbers))
    return assembly.recording()


def _whole(path: Path, data: bytes) -> tuple[bool, list[Any]]:
    """Whether a browser wrote the file, and its entries."""
    try:
        document = msgspec.json.decode(data)
    except RecursionError:
        raise BadInput.one(path, "is nested too deeply to be a recording") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _not_json(path, data, str(error)) from None
    if not isinstance(document, dict) or not isinstance(document.get("log"), dict):
        raise BadInput.one(path, "is no HAR file: it has no object `log`", line=1, key="log")
    entries = document["log"].get("entries")
    if not isinstance(entries, list):
        raise BadInput.one(path, "is missing" if entries is None else "must be a list", key="log.entries")
    browser = document["log"].get("browser")
    return isinstance(browser, dict) and bool(browser.get("name")), entries


def _not_json(path: Path, data: bytes, message: str) -> BadInput:
    if not data.strip():
        return BadInput.one(path, "is empty")
    found = _OFFSET.search(message)
    if found:
        line = data.count(b"\n", 0, int(found[1])) + 1
        return BadInput.one(path, f"is not JSON: {message}", line=line)
    if "truncated" in message:
        line = data.rstrip().count(b"\n") + 1
        return BadInput.one(path, "is not JSON: it ends in the middle (truncated?)", line=line)
    return BadInput.one(path, f"is not JSON: {message}")


def _lines(data: bytes, numbers: list[int]) -> dict[int, int]:
    """The line on which each of the entries starts, found by decoding one entry after the other."""
    text = data.decode("utf-8", "replace")
    start = _ENTRIES.search(text)
    found: dict[int, int] = {}
    position = start.end() if start else len(text)
    decoder = JSONDecoder()
    line, counted = 1, 0
    for number in range(1, max(numbers) + 1):
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        line, counted = line + text.count("\n", counted, position), position
        try:
            _, end = decoder.raw_decode(text, position)
        except (JSONDecodeError, RecursionError):
            break
        found[number] = line
        position = end
    return found


def _streamed(path: Path, stream: BinaryIO) -> Iterator[Any]:
    """The entries one by one, in memory bounded by the largest of them."""
    if stream.read(3) != b"\xef\xbb\xbf":
        stream.seek(0)
    keys: list[Any] = []  # the open objects' current keys; None for an open list
    builder: Any = None
    number = 0
    try:
        for event, value in ijson.basic_parse(stream):
            if event == "number" and isinstance(value, Decimal):
                value = float(value)
            if event in ("end_map", "end_array"):
                keys.pop()
            if builder is None and keys == ["log", "entries", None] and event not in ("end_map", "end_array"):
                builder = ijson.ObjectBuilder()
                number += 1
            if builder is not None:
                builder.event(event, value)
            if event == "map_key":
                keys[-1] = value
            elif event in ("start_map", "start_array"):
                keys.append("" if event == "start_map" else None)
                if len(keys) > DEEPEST:
                    raise BadInput.one(path, "is nested too deeply to be a recording", key=_key(number))
            if builder is not None and keys == ["log", "entries", None] and event != "map_key":
                yield builder.value
                builder = None
    except (ijson.JSONError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        if isinstance(error, ijson.IncompleteJSONError) and ("EOF" in reason or "ncomplete" in reason):
            reason = "it ends in the middle (truncated?)"
        raise BadInput([Problem(str(path), 0, _key(number), f"is not JSON: {reason}")]) from None


def _key(number: int) -> str:
    return f"log.entries[{number - 1}]" if number else "log"
