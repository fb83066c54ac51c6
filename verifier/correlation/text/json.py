"""JSON: bodies decoded, and the scalars of a text with their spans, so that one is replaced and all else stays."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import msgspec

from verifier.correlation.text.names import GENERIC, stem
from verifier.correlation.text.parts import Part
from verifier.pointers import MISSING, escape

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_DEEPEST = 100
_decode_string = json.JSONDecoder(strict=False).decode
_decode_body = msgspec.json.Decoder().decode


def read_json(body: bytes) -> Any:
    """The body as a JSON document; MISSING if it is none."""
    if body[:1] not in b'{["' and not body[:1].isspace():
        return MISSING
    try:
        return _decode_body(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What `json` accepts beyond the standard counts: NaN, lone surrogates, huge numbers, UTF-16.
        return _read_leniently(body)


def _read_leniently(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


@lru_cache(maxsize=64)
def cached_json(body: bytes) -> Any:
    """The same as `read_json`, remembered for the next caller. Callers share the document and must not change it."""
    return read_json(body)


def as_text(value: Any) -> str | None:
    """A scalar as a message writes it; None for null and for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
    return None


def looks_like_json(text: str) -> bool:
    head = text[:16].lstrip()[:1]
    if head not in ("{", "[") or len(text) < 2:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def json_text(text: str) -> list[Part]:
    """The strings and numbers of a JSON document at any depth, by JSON pointer; `text` must be valid."""
    parts: list[Part] = []
    stack: list[tuple[str, str | int, tuple[str, ...]]] = []  # (pointer, key or index, containers)
    expects_key = False
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        if first in "{[":
            pointer, containers = _place(stack)
            if len(stack) >= _DEEPEST:
                return parts
            stack.append((pointer, "" if first == "{" else 0, containers))
            expects_key = first == "{"
        elif first in "}]":
            stack.pop()
            expects_key = False
        elif first == ",":
            pointer, key, containers = stack[-1]
            if isinstance(key, int):
                stack[-1] = (pointer, key + 1, containers)
            expects_key = not isinstance(key, int)
        elif first == '"' and expects_key:
            stack[-1] = (stack[-1][0], _string(token[0]), stack[-1][2])
            expects_key = False
        elif first == '"' or first.isdigit() or first == "-":
            parts.append(_scalar(token, stack))
    return parts


def _place(stack: list[tuple[str, str | int, tuple[str, ...]]]) -> tuple[str, tuple[str, ...]]:
    """The pointer of the value that begins here, and the names that surround its members."""
    if not stack:
        return "", ()
    pointer, key, containers = stack[-1]
    inner = f"{pointer}/{escape(str(key))}"
    if isinstance(key, str) and stem(key) not in GENERIC and not key.startswith("_"):
        containers = (stem(key), *containers)
    return inner, containers


def _scalar(token: re.Match[str], stack: list[tuple[str, str | int, tuple[str, ...]]]) -> Part:
    pointer, _ = _place(stack)
    raw = token[0]
    name = ""
    containers: tuple[str, ...] = ()
    if stack:
        key = next((frame[1] for frame in reversed(stack) if isinstance(frame[1], str)), "")
        name, containers = str(key), stack[-1][2]
    if raw[0] == '"':
        value = _string(raw)
        return Part(pointer, token.start() + 1, token.end() - 1, value, json_string, name, containers)
    return Part(pointer, token.start(), token.end(), raw, _json_number, name, containers)


def _string(raw: str) -> str:
    return raw[1:-1] if "\\" not in raw else str(_decode_string(raw))


def json_string(value: str) -> str:
    return json.dumps(value)[1:-1]


def _json_number(value: str) -> str:
    return value if _NUMBER.match(value) else json.dumps(value)
