"""Decodes JSON bodies so that equal entries of long lists are one object, whichever body they came in.

A service that lists all that it has sends the same entries in every response. Each distinct entry is decoded once, and
whoever looks at entries may remember by identity what it found. The values are shared: nobody may change them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import msgspec

SHORT = 512  # bytes of a body that is decoded at once: it has no long list
DEPTH = 4  # levels in which lists are looked for
LONGEST = 2048  # bytes of an entry that is kept
_any = msgspec.json.Decoder().decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def decode(body: bytes) -> Any:
    """As `json.loads`; raises what it raises."""
    if len(body) < SHORT:
        return loads(body)
    try:
        return _split(body, DEPTH)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError):
        return json.loads(body)


def loads(text: bytes) -> Any:
    """As `json.loads`, and several times as fast where the text is JSON as RFC 8259 has it."""
    try:
        return _any(text)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError):
        return json.loads(text)


def _split(text: bytes | msgspec.Raw, depth: int) -> Any:
    raw = bytes(text)
    start = b"".join(raw[:64].split())[:2]
    if len(raw) < SHORT:
        return loads(raw)
    if start in (b"[{", b"[["):
        return [_entry(item) if len(item) <= LONGEST else loads(item) for item in map(bytes, _list(raw))]
    if start[:1] == b"{" and depth:
        return {name: _split(item, depth - 1) for name, item in _object(raw).items()}
    return loads(raw)


@lru_cache(maxsize=65536)
def _entry(text: bytes) -> Any:
    return loads(text)
