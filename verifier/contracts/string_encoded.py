"""Schemas of values that travel as text. In a query, a path or a header, the integer 5 and the text "5" are the same.

The writer's scalars become all texts that they may be written as, and the reader's only texts that it certainly
accepts. Then the two are compared as string schemas.
"""

from __future__ import annotations

import json
from typing import Any

from verifier.contracts.shapes import Node, flat, types

_INTEGER = "^(0|-?[1-9][0-9]*)$"
_COUNTING = "^(0|[1-9][0-9]*)$"
_POSITIVE = "^[1-9][0-9]*$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_MOST = 256


def textual(node: Node, *, writes: bool) -> Node:
    """The schema in texts; what cannot be written as text without loss stays as it is."""
    defs = node.get("$defs", {}) if isinstance(node, dict) else {}
    shape = flat(node, defs)
    if not isinstance(shape, dict):
        return shape
    for key in ("anyOf", "oneOf"):
        if key in shape:
            return {**shape, key: [textual(_with(branch, defs), writes=writes) for branch in shape[key]]}
    kinds = types(shape)
    if "enum" in shape:
        return {"enum": [_spelled(value) for value in shape["enum"]]}
    if "array" in kinds and "items" in shape and kinds == {"array"}:
        return {**shape, "items": textual(_with(shape["items"], defs), writes=writes)}
    if kinds & {"array", "object"}:
        return shape
    parts = [_scalar(shape, kind, writes) for kind in sorted(kinds) if not (kind == "integer" and "number" in kinds)]
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def _with(node: Node, defs: dict[str, Any]) -> Node:
    return {**node, "$defs": defs} if isinstance(node, dict) and defs else node


def _scalar(shape: dict[str, Any], kind: str, writes: bool) -> Node:
    if kind == "boolean":
        return {"enum": ["false", "true"]}
    if kind == "null":
        return {"enum": ["", "null"] if writes else ["null"]}
    if kind in ("integer", "number"):
        bounds = {key: shape[key] for key in _BOUNDS if key in shape}
        listed = _listed(bounds) if kind == "integer" else None
        if listed is not None:
            return {"enum": listed}
        return _counted(kind, bounds, writes)
    string = {
        key: item for key, item in shape.items() if key in ("pattern", "minLength", "maxLength", "format", "also")
    }
    return {"type": "string", **string}


def _counted(kind: str, bounds: dict[str, Any], writes: bool) -> Node:
    """Numbers as texts. The lower bounds 0 and 1 have patterns. Other bounds may only be dropped for a writer."""
    low = bounds.get("minimum", 0 if bounds.get("exclusiveMinimum", -1) >= 0 else -1)
    if kind == "number":
        return {"type": kind, **bounds} if bounds and not writes else {"type": "string", "pattern": _NUMBER}
    if writes:
        return {"type": "string", "pattern": _POSITIVE if low >= 1 else _COUNTING if low >= 0 else _INTEGER}
    if set(bounds) - {"minimum"} or bounds.get("minimum", 0) > 1:
        return {"type": kind, **bounds}
    pattern = _INTEGER if not bounds else _POSITIVE if low > 0 else _COUNTING
    return {"type": "string", "pattern": pattern}


def _listed(bounds: dict[str, Any]) -> list[str] | None:
    """The integers of a small window, as texts."""
    if set(bounds) - {"multipleOf"} < {"minimum", "maximum"} or "minimum" not in bounds or "maximum" not in bounds:
        return None
    low, high = bounds["minimum"], bounds["maximum"]
    if set(bounds) != {"minimum", "maximum"} or high - low > _MOST:
        return None
    return [str(value) for value in range(int(low), int(high) + 1) if low <= value <= high]


def _spelled(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return value
