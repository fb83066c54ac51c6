"""Values of a schema: the smallest one, and values at the limits of its keywords.

They are cheap guesses, which callers must validate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from verifier.contracts.regex_inclusion import Strings, Unsupported, example
from verifier.contracts.shapes import TYPES, Defs, Node, effective, flat, types

_DEEPEST = 12
LONGEST = 100_000  # characters of a text that is made
_BY_FORMAT = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "a@example.com",
    "idn-email": "a@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uri-reference": "/a",
    "iri": "https://example.com/",
    "iri-reference": "/a",
    "uri-template": "/{a}",
    "json-pointer": "/a",
    "relative-json-pointer": "0",
    "regex": "a",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}
_TEXTS = ("", "a", "0", "1", "A", " ", "é", "a b", "-", "a-b", "a.b", "a/b", "\n", "x" * 64, *_BY_FORMAT.values())
_NUMBERS = (0, 1, -1, 0.5, 1.5, 2**31, -(2**31) - 1, 2**63, 1e300)


class Impossible(ValueError):
    """No small value could be built. One may still exist."""


def smallest(node: Node, defs: Defs, forced: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """A small value of a schema. `forced` are properties that an object must include. Raises Impossible."""
    shape = flat(node, defs)
    if depth > _DEEPEST or shape is False:
        raise Impossible
    if not isinstance(shape, dict):
        return forced or {}
    if shape.get("enum"):
        return shape["enum"][0]
    for key in ("anyOf", "oneOf"):
        if key in shape:
            return _branch(shape, key, defs, forced, depth)
    allowed = types(shape)
    if forced is not None:
        allowed = allowed & {"object"}
    kind = next((kind for kind in _preference(shape) if kind in allowed), None)
    if kind is None:
        raise Impossible
    if kind == "object":
        return _object(shape, defs, forced or {}, depth)
    if kind == "array":
        return _array(shape, defs, depth)
    if kind == "string":
        return _string(shape)
    return _number(shape, kind) if kind in ("integer", "number") else {"null": None, "boolean": True}[kind]


def _preference(shape: dict[str, Any]) -> tuple[str, ...]:
    if "properties" in shape or "required" in shape:
        return ("object", "array", "string", "integer", "number", "boolean", "null")
    return ("string", "integer", "number", "boolean", "object", "array", "null")


def _branch(shape: dict[str, Any], key: str, defs: Defs, forced: dict[str, Any] | None, depth: int) -> Any:
    rest = {name: item for name, item in shape.items() if name != key}
    closed = rest.pop("unevaluatedProperties", None)
    for branch in shape[key]:
        whole: dict[str, Any] = {"allOf": [rest, branch]}
        if closed is False:
            whole["unevaluatedProperties"] = False
        try:
            return smallest(whole, defs, forced, depth + 1)
        except Impossible:
            continue
    raise Impossible


def _object(shape: dict[str, Any], defs: Defs, forced: dict[str, Any], depth: int) -> dict[str, Any]:
    found = dict(forced)
    for name in shape.get("required", ()):
        if name not in found:
            found[name] = smallest(effective(shape, name), defs, None, depth + 1)
    for name in shape.get("properties", ()):
        if len(found) >= shape.get("minProperties", 0):
            break
        if name not in found and effective(shape, name) is not False:
            found[name] = smallest(effective(shape, name), defs, None, depth + 1)
    for index in range(min(shape.get("minProperties", 0), 64) - len(found)):
        name = f"key{index}"
        found[name] = smallest(effective(shape, name), defs, None, depth + 1)
    return found


def _array(shape: dict[str, Any], defs: Defs, depth: int) -> list[Any]:
    return array_of(shape, defs, shape.get("minItems", 0), depth)


def array_of(shape: dict[str, Any], defs: Defs, length: int, depth: int = 0) -> list[Any]:
    """A small array of a flat schema with exactly this many items. Raises Impossible."""
    if length > 64:
        raise Impossible
    prefix = shape.get("prefixItems", [])
    made: list[Any] = []
    for index in range(length):
        node = prefix[index] if index < len(prefix) else shape.get("items", True)
        value = smallest(node, defs, None, depth + 1)
        if shape.get("uniqueItems") and value in made:
            value = next((other for other in _others(node, defs, value) if other not in made), None)
            if value is None:
                raise Impossible
        made.append(value)
    return made


def _others(node: Node, defs: Defs, value: Any) -> Iterator[Any]:
    shape = flat(node, defs)
    if isinstance(shape, dict) and "enum" in shape:
        yield from shape["enum"]
    elif isinstance(value, str):
        yield from (f"{value}{index}" for index in range(64))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (value + index for index in range(64))


def _string(shape: dict[str, Any]) -> str:
    if shape.get("format") in _BY_FORMAT:
        return _BY_FORMAT[shape["format"]]
    patterns = tuple([shape["pattern"]] if "pattern" in shape else [])
    least = shape.get("minLength", 0)
    if least > LONGEST:
        raise Impossible
    if not patterns:
        return "a" * int(least)
    try:
        found = example(Strings(patterns, int(least), shape.get("maxLength")))
    except Unsupported:
        found = None
    if found is None:
        raise Impossible
    return found


def _number(shape: dict[str, Any], kind: str) -> int | float:
    low = shape.get("minimum", shape.get("exclusiveMinimum"))
    high = shape.get("maximum", shape.get("exclusiveMaximum"))
    step = shape.get("multipleOf", 1 if kind == "integer" else None)
    try:
        for value in _numbers_near(low, high, step):
            if _fits(shape, value) and (kind == "number" or float(value).is_integer()):
                return int(value) if float(value).is_integer() else value
    except OverflowError:  # close to the largest number of all
        pass
    raise Impossible


def _numbers_near(low: float | None, high: float | None, step: float | None) -> Iterator[float]:
    yield from (0, 1)
    for border in (low, high):
        if border is not None:
            yield from (border, border + 1, border - 1, border + 0.5, border - 0.5)
            if step:
                count = math.floor(border / step)
                yield from (count * step, (count + 1) * step, (count - 1) * step, (count + 2) * step)
    if low is not None and high is not None:
        yield (low + high) / 2
    if step:
        yield step


def _fits(shape: dict[str, Any], value: float) -> bool:
    return (
        value >= shape.get("minimum", value)
        and value <= shape.get("maximum", value)
        and value > shape.get("exclusiveMinimum", value - 1)
        and value < shape.get("exclusiveMaximum", value + 1)
        and ("multipleOf" not in shape or (value / shape["multipleOf"]).is_integer())
    )


def borders(writer: Node, reader: Node, defs: Defs) -> Iterator[Any]:
    """Values at the limits of two flat schemas, simplest first. Many of them match neither schema."""
    for node in (reader, writer):
        if isinstance(node, dict):
            yield from node.get("enum", ())
    kinds = types(writer)
    if "string" in kinds:
        yield from _border_texts(writer, reader)
    if kinds & {"integer", "number"}:
        yield from filter(math.isfinite, _border_numbers(writer, reader))
    yield from (value for kind, value in (("boolean", True), ("boolean", False), ("null", None)) if kind in kinds)
    forced: tuple[dict[str, Any] | None, ...] = (None, {})
    for wanted in forced:
        try:
            yield smallest(writer, defs, wanted)
        except Impossible:
            continue
    if kinds == frozenset(TYPES):
        yield from (0, "a", [], None)


def _border_texts(*nodes: Node) -> Iterator[str]:
    for node in nodes:
        if not isinstance(node, dict):
            continue
        for key in ("minLength", "maxLength"):
            length = int(node.get(key, 0))
            if length <= LONGEST:
                yield from ("a" * size for size in (length - 1, length, length + 1) if key in node and size >= 0)
        if "pattern" in node:
            for length in range(8):
                try:
                    found = example(Strings((node["pattern"],), length))
                except Unsupported:
                    break
                if found is None:
                    break
                yield found
    yield from _TEXTS


def _border_numbers(*nodes: Node) -> Iterator[float]:
    for node in nodes:
        if not isinstance(node, dict):
            continue
        for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            if key in node:
                yield from (node[key] + by for by in (0, 1, -1, 0.5, -0.5))
        if "multipleOf" in node:
            yield from (node["multipleOf"] * by for by in (1, 2, 3, -1))
    yield from _NUMBERS
