"""String schemas as languages: texts that a writer sends and a reader rejects, and names that match a pattern."""

from __future__ import annotations

import re
from typing import Any

from verifier.contracts.regex_inclusion import Strings, Unsupported, counterexample, example
from verifier.contracts.shapes import searches

__all__ = ["Unsupported", "key_for", "named_by", "refused"]
_KNOWN = {"type", "pattern", "minLength", "maxLength", "format", "also", "default", "readOnly", "writeOnly"}
# Supersets of the values of a format, to prove that a pattern matches all of them (RFC 4122, RFC 3339, RFC 2673).
_FORMAT_PATTERNS = {
    "uuid": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "date-time": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    "ipv4": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$",
}


def refused(w: dict[str, Any], r: dict[str, Any]) -> str | None:
    """A text that the writer's flat string schema permits and the reader's rejects, or None.

    Callers must validate the text, because the format of the writer is only approximated here. Raises Unsupported if
    the reader demands more than patterns and lengths.
    """
    patterns = _patterns(r)
    if set(r) - _KNOWN or patterns is None or r.get("format") not in (None, w.get("format")):
        raise Unsupported("not only patterns and lengths")
    mine = [*(_patterns(w) or ())]
    if w.get("format") in _FORMAT_PATTERNS:
        mine.append(_FORMAT_PATTERNS[w["format"]])
    writer = Strings(tuple(mine), int(w.get("minLength", 0)), w.get("maxLength"))
    return counterexample(writer, Strings(tuple(patterns), int(r.get("minLength", 0)), r.get("maxLength")))


def _patterns(node: dict[str, Any]) -> list[str] | None:
    found = [node["pattern"]] if "pattern" in node else []
    for part in node.get("also", ()):
        if set(part) != {"pattern"}:
            return None
        found.append(part["pattern"])
    return found


def named_by(r: dict[str, Any], w: dict[str, Any], pattern: str) -> bool:
    """Whether the reader names a property that the writer only describes by a name pattern."""
    return any(searches(pattern, name) and name not in w.get("properties", ()) for name in r.get("properties", ()))


def key_for(pattern: str) -> str:
    """A property name that matches a pattern, if one can be found."""
    try:
        return example(Strings((pattern,), 1)) or "extra"
    except Unsupported:
        return re.sub(r"[^\w-]", "", pattern) or "extra"
