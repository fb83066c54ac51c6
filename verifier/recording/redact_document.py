"""Secrets in bodies: forms, JSON (also in strings of JSON, in lines, cut short), and whatever else they hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Set
from typing import Any
from urllib.parse import quote_plus

from verifier.recording.concealer import Concealer, decoded
from verifier.recording.redact_text import redact_text
from verifier.recording.redact_xml import looks_like_xml, redact_xml
from verifier.recording.secret_names import Telling, plain, words
from verifier.recording.secret_shapes import is_card

# A member of an object in broken JSON, its value perhaps cut short. The length of a name is limited, so time is linear.
_MEMBER = re.compile(
    r'(?<!\\)("((?:[^"\\]|\\.){0,200}+)"\s*+:\s*+)("(?:[^"\\]|\\.)*+(?:"|\\?\Z)|-?\d[\d.eE+-]*+|[{\[])', re.DOTALL
)
# Members that name another member's value: {"name": "password", "value": "..."}.
_LABELS = (
    "name",
    "key",
    "field",
    "parameter",
    "param",
    "header",
    "attribute",
    "property",
    "id",
    "variable",
    "label",
    "k",
)
_LABELLED = frozenset({"value", "values", "val", "content", "data", "text", "stringvalue", "v"})
_NO_CARD = frozenset(
    {"id", "timestamp", "ean", "gtin", "sku", "isbn", "phone", "tracking", "time", "at", "ms", "version"}
)


class Nested(Exception):
    """A secret in broken JSON is an object or a list, whose end cannot be found."""


def redact_pairs(concealer: Concealer, text: str, redirected: bool = False) -> str:
    """A query or form with its secret values replaced. The rest stays byte for byte."""
    if not text:
        return text
    parts = text.split("&")
    siblings = frozenset(plain(decoded(part.partition("=")[0])) for part in parts)
    for number, part in enumerate(parts):
        name, mark, value = part.partition("=")
        key = decoded(name)
        if not mark:
            parts[number] = redact_text(concealer, part)
        elif value:
            one = decoded(value)
            hidden = redact_value(concealer, key, one, siblings, redirected)
            parts[number] = part if hidden == one else f"{name}={quote_plus(hidden, errors='surrogatepass')}"
    return "&".join(parts)


def redact_value(
    concealer: Concealer, name: str, value: str, siblings: Set[str] = frozenset(), redirected: bool = False
) -> str:
    """The value of a parameter, a member or a part: secret by its name, or with secrets in it."""
    if concealer.is_secret(name, value, siblings, redirected):
        return concealer.conceal(name, value)
    return redact_string(concealer, value, name)


def redact_string(concealer: Concealer, text: str, name: str = "") -> str:
    """A string, which may itself be a document."""
    start = text.lstrip()[:1]
    if start in ("{", "[") and start:
        return redact_json(concealer, text.encode("utf-8", "surrogatepass"), name).decode("utf-8", "surrogatepass")
    if start == "<" and looks_like_xml(text):
        return redact_xml(concealer, text)
    found = redact_text(concealer, text, name)
    if found == text:
        concealer.note(name, text)
    return found


def redact_json(concealer: Concealer, body: bytes, name: str = "") -> bytes:
    """A JSON document, or several of them in lines. What is no JSON is redacted as a text."""
    try:
        value = json.loads(body, object_pairs_hook=each_once)
        redacted = _Walk(concealer).value(value, name)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "surrogateescape")
        lines = text.splitlines(keepends=True)
        if len(lines) > 1 and all(map(_is_json, lines)):
            encoded = (line.encode("utf-8", "surrogateescape") for line in lines)
            return b"".join(redact_json(concealer, line.rstrip()) + line[len(line.rstrip()) :] for line in encoded)
        return _broken(concealer, text).encode("utf-8", "surrogateescape")
    if redacted == value:
        return body
    return json.dumps(redacted, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _is_json(line: str) -> bool:
    try:
        json.loads(line, object_pairs_hook=each_once)
    except (ValueError, RecursionError):
        return not line.strip()
    return True


def _broken(concealer: Concealer, text: str) -> str:
    """Several documents in one, one cut short, or one nested too deeply: redacted as text.

    The end of a secret that is an object or a list cannot be found, so the whole body is dropped.
    """
    try:
        return redact_text(concealer, _MEMBER.sub(lambda found: _member(concealer, found), text))
    except Nested:
        return ""


def _member(concealer: Concealer, found: re.Match[str]) -> str:
    start, escaped, value = found.groups()
    name = _unescaped(escaped)
    told, numbers = concealer.telling(name)
    if value in ("{", "["):
        if told is Telling.CERTAIN:
            raise Nested
        return found[0]
    if not value.startswith('"'):
        return (
            f"{start}{concealer.number(name, value, len(value))}" if told is Telling.CERTAIN and numbers else found[0]
        )
    closed = len(value) > 1 and value.endswith('"')
    text = _unescaped(value[1 : -1 if closed else None])
    if not concealer.is_secret(name, text):
        return found[0]
    return f'{start}"{concealer.conceal(name, text)}' + '"' * closed


class _Walk:
    """Through one document. `inside` is the name of an enclosing value that is secret as a whole, else ""."""

    def __init__(self, concealer: Concealer) -> None:
        self._concealer = concealer

    def value(self, value: Any, name: str, inside: str = "", siblings: Set[str] = frozenset()) -> Any:
        if isinstance(value, dict):
            return self._object(value, name, inside)
        if isinstance(value, list):
            return [self.value(item, name, inside, siblings) for item in value]
        if isinstance(value, str):
            if inside:
                return self._concealer.conceal(inside, value)
            return redact_value(self._concealer, name, value, siblings)
        if isinstance(value, bool) or value is None:
            return value
        return self._number(value, name, inside)

    def _object(self, found: dict[str, Any], name: str, inside: str) -> dict[str, Any]:
        siblings = frozenset(map(plain, found))
        label = next((found[key] for key in _LABELS if isinstance(found.get(key), str)), "")
        soft = name if self._concealer.telling(name)[0] is Telling.LIKELY and not name.lower().endswith("s") else ""
        redacted = {}
        for key, item in found.items():
            told = key
            if label and plain(key) in _LABELLED:
                told = label
            elif soft and self._concealer.telling(key)[0] < Telling.CERTAIN:
                told = f"{soft}_{key}"
            whole = inside
            if isinstance(item, dict | list) and not inside:
                # A text that names nothing is no label, and `keys` of a document are not its secrets.
                whole = told if self._concealer.telling(told)[0] is Telling.CERTAIN else ""
            redacted[self._concealer.shapes(key, key)] = self.value(item, told, whole, siblings)
        return redacted

    def _number(self, value: float, name: str, inside: str) -> float:
        told, numbers = self._concealer.telling(name)
        card = (
            isinstance(value, int) and value > 10**12 and is_card(str(value)) and not _NO_CARD & set(words(name)[-1:])
        )
        if not inside and not card and not (told is Telling.CERTAIN and numbers):
            return value
        digits = len(str(abs(int(value)))) if math.isfinite(value) else 1
        return self._concealer.number(inside or name, value, digits)


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError for repeated names, of which all but the last value would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text
