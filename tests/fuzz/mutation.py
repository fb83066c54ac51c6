"""Mutations of a text file: of its structure where it is JSON or YAML, else of its bytes. Equal draws, equal texts."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

EIGHT = {"anyOf": [{"type": "object", "required": [f"p{i}"], "properties": {f"q{i}": {"enum": [i]}}} for i in range(8)]}
VALUES: tuple[Any, ...] = (
    "", " ", "\0", "a\0b", "\ud800", "\x1b[2J\x1b]0;x\a", "\u202e", "\n", "a" * 100_000, "n" * 300, "\u00e9" * 300,
    0, -1, 1, -0.0, 0.1, 1e308, -1e308, 5e-324, 2**31, 2**63, 2**64, -(2**63) - 1, 10**9, 10**18, 10**300,
    True, False, None, [], {}, [[[[]]]], [None], {"": None}, {"a": {"b": {}}}, [{}] * 20, ["a"] * 1000,
    "pipe", "loop", "/dev/zero", "/dev/null", "/proc/self/mem", ".", "..", "/", "../../../../etc/passwd", "missing",
    "${stores.db.url}", "${env.NOT_SET}", "${", "{port}", "{}", "1e308h", "0s", "-1s", "1e-320s", "nan", "inf", "5s",
    "http://[", "http://a:99999/", "//", "/a/{", "/{}/{}", "%00", "%ff", "*", "(", "(?P<", "(a+)+$", "^(a|a)*$", "[",
    "\\", "$request.body#/", "$response.body#/a~2", "$request.header.", "$", "2026-01-01", "9999-99-99T00:00:00Z",
    "0001-01-01T00:00:00Z", "string", "object", "any", "safe", "all", "none", "worker", "1", "2", "words", "db",
    {"$ref": "#"}, {"$ref": "#/"}, {"$ref": "pipe"}, {"$ref": "/dev/zero#/a"}, {"$ref": "loop"}, {"$ref": 7}, EIGHT,
    {"type": "string", "minLength": 10**9}, {"type": "array", "minItems": 10**9}, {"minProperties": 10**9},
    {"type": "string", "pattern": "^(a+)+$"}, {"multipleOf": 1e-300, "minimum": 1e300}, {"not": {"not": {}}},
    {"enum": []}, {"enum": ["a" * 50_000]}, {"allOf": [{"$ref": "#"}]}, {"const": {"a": [1, {"b": None}]}},
)  # fmt: skip
KEYS = ("", "\0", "\x1b[2J", "\ud800", "a" * 5000, "a\nb", "$ref", "allOf", "anyOf", "<<", "1", "~", "~1", "x-a",
        "default", "type", "items", "required", "versions", "command", "image", "kind", "within", "file", "env",
        "process")  # fmt: skip
RAW = ("9" * 6000, "-" + "9" * 400, "0x" + "f" * 5000, "1e999", "-1e999", "NaN", ".nan", ".inf", "Infinity",
       "!!binary x", "!!timestamp x", "!!int x", "!!set {a, b}", "!!omap [a: 1]", "!!python/name:os.system x",
       "&a [*a]", "*nothing", "&b {<<: *b}", "{<<: 1}", "[" * 2000, "{a: " * 200, "? [a] : b", "'", "{a: 1, a: 2}",
       "1:2:3:4", "\x07", "\ufeff", "--- a")  # fmt: skip
BYTES = (b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1b[2J", b"\n", b"\r", b"\t", b'"', b"'", b"{", b"}",
         b"[", b"]", b":", b",", b"&a ", b"*a", b"<<: ", b"- ", b"#", b"%", b"\\u0000",
         b"\\ud800", b"9" * 5000)  # fmt: skip
_HOLE = "@raw@"
Path = tuple[Any, ...]


def mutated(data: bytes, name: str, draw: Random) -> bytes:
    """One to three mutations of the content of a file of this name."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        data = _once(data, name, draw)
    return data


def _once(data: bytes, name: str, draw: Random) -> bytes:
    if draw.random() < 0.2 or name.endswith(".gor"):
        return _bytes(data, draw)
    if name.endswith(".jsonl"):
        lines = data.split(b"\n")
        at = draw.randrange(len(lines))
        if draw.random() < 0.2:
            return b"\n".join(draw.choice((lines[:at] + lines[at + 1 :], lines[:at] + lines[at : at + 1] + lines[at:])))
        return b"\n".join([*lines[:at], _document(lines[at], json.loads, draw), *lines[at + 1 :]])
    return _document(data, json.loads if name.endswith((".json", ".har")) else yaml.safe_load, draw)


def _document(data: bytes, parse: Callable[[bytes], Any], draw: Random) -> bytes:
    try:
        document = [parse(data)]
    except (ValueError, AttributeError, TypeError, LookupError, yaml.YAMLError, RecursionError):
        return _bytes(data, draw)
    raw = draw.choice(RAW) if draw.random() < 0.15 else None
    _node(document, draw, _HOLE if raw is not None else draw.choice(VALUES))
    try:
        text = json.dumps(document[0], ensure_ascii=draw.random() < 0.5, default=str)
    except (TypeError, ValueError, RecursionError):
        return _bytes(data, draw)
    if raw is not None:
        text = text.replace(f'"{_HOLE}"', raw)
    return text.encode("utf-8", "surrogatepass")


def _node(document: list[Any], draw: Random, value: Any) -> None:
    """Change a node somewhere in the document, which is the only item of the list."""
    holder, key = draw.choice(list(_places(document)))
    value = copy.deepcopy(value)
    match draw.randrange(8):
        case 0 if holder is not document:
            del holder[key]
        case 1 if isinstance(holder, list) and holder is not document:
            holder[key:key] = [copy.deepcopy(holder[key])] * draw.choice((1, 2, 50))
        case 1 | 2 if isinstance(holder, dict):
            holder[draw.choice(KEYS)] = holder[key] if draw.random() < 0.5 else value
        case 3 if isinstance(holder, dict):
            holder[draw.choice(KEYS)] = holder.pop(key)
        case 4:
            other, there = draw.choice(list(_places(document)))
            holder[key] = copy.deepcopy(other[there])
        case 5:
            holder[key] = draw.choice(([holder[key]], {"a": holder[key]}, [[holder[key]] * 2]))
        case _:
            holder[key] = value


def _places(document: list[Any]) -> list[tuple[Any, Any]]:
    """Every place of a value: the mapping or list that holds it, and its key."""
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [document]
    seen: set[int] = set()  # an earlier mutation may have made an alias that contains itself
    while waiting:
        holder = waiting.pop()
        for key, item in holder.items() if isinstance(holder, dict) else enumerate(holder):
            found.append((holder, key))
            if isinstance(item, dict | list) and id(item) not in seen:
                seen.add(id(item))
                waiting.append(item)
    return found


def _bytes(data: bytes, draw: Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    until = min(len(data), at + draw.choice((1, 1, 4, 40, 400)))
    match draw.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[until:]
        case 2:
            return data[:until] + data[at:until] * draw.choice((1, 3)) + data[until:]
        case 3:
            return data[:at] + draw.choice(BYTES) + data[until:]
        case _:
            return data[:at] + draw.choice(BYTES) + data[at:]
