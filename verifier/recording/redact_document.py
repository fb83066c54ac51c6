"""Secrets in bodies: forms, JSON (also in strings of JSON, in lines, cut short), and whatever else they hold."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Set
from itertools import repeat
from typing import Any
from urllib.parse import quote_plus

from verifier.recording.concealer import Concealer, decoded
from verifier.recording.redact_text import redact_text
from verifier.recording.redact_xml import looks_like_xml, redact_xml
from verifier.recording.secret_names import Telling, plain, words
from verifier.recording.secret_shapes import is_card, is_plain

# A member of an object in broken JSON, its value perhaps cut short. The length of a name is limited, so time is linear.
_MEMBER = re.compile(
    r'(?<!\\)("((?:[^"\\]|\\.){0,200}+)"\s*+:\s*+)("(?:[^"\\]|\\.)*+(?:"|\\?\Z)|-?\d[\d.eE+-]*+|[{\[])', re.DOTALL
)
# Members that name another member's value: {"name": "password", "value": "..."}.
_LABELS = frozenset({
    "name", "key", "field", "parameter", "param", "header", "attribute", "property", "id", "variable", "label", "k",
    "type", "path",
})  # fmt: skip
_LABEL = re.compile(r"[\w.$\[\]/-]{1,64}")
_LABELLED = ("value", "values", "val", "v")
# Names of objects in which each text is a secret.
_SECRETS = frozenset({"tokens", "secrets", "passwords", "apikeys", "otps", "pins"})
_TYPES = ("string", "object", "array", "number", "integer", "boolean", "null")
_NO_CARD = frozenset(
    {"id", "timestamp", "ean", "gtin", "sku", "isbn", "phone", "tracking", "time", "at", "ms", "version"}
)


class Nested(Exception):
    """A secret in broken JSON is an object or a list, whose end cannot be found."""


def redact_pairs(concealer: Concealer, text: str, redirected: bool = False, beside: Set[str] = frozenset()) -> str:
    """A query or form with its secret values replaced. The rest stays byte for byte. `beside` are names to add."""
    if not text:
        return text
    parts = text.split("&")
    siblings = beside | {plain(decoded(part.partition("=")[0])) for part in parts}
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


def redact_csv(concealer: Concealer, text: str) -> str:
    """A table with its names in the first line."""
    mark = max(",;\t", key=text.partition("\n")[0].count)
    try:
        names, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    except (ValueError, csv.Error):
        return redact_text(concealer, text)
    hidden = [[*map(redact_value, repeat(concealer), names, row), *row[len(names) :]] for row in rows]
    if hidden == rows:
        return redact_text(concealer, text)
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=mark, lineterminator="\r\n" if "\r\n" in text else "\n").writerows([names, *hidden])
    return out.getvalue()


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
            if len(value) == 2 and self._is_pair(*value) and not inside:
                return [value[0], self._concealer.conceal(value[0], value[1])]
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
        label = self._label(found)
        soft = name if self._concealer.telling(name)[0] is Telling.LIKELY and not name.lower().endswith("s") else ""
        redacted = {}
        for key, item in found.items():
            told = key
            if label and plain(key).endswith(_LABELLED):
                told = label
            elif plain(name) in _SECRETS and isinstance(item, str):
                told = name if self._concealer.telling(key)[0] < Telling.LIKELY else key
            elif soft and self._concealer.telling(key)[0] < Telling.CERTAIN:
                told = f"{soft}_{key}"
            whole = inside
            if isinstance(item, dict | list) and not inside and not _is_schema(item):
                whole = told if self._concealer.telling(told)[0] is Telling.CERTAIN else ""
            redacted[self._concealer.shapes(key, key)] = self.value(item, told, whole, siblings)
        return redacted

    def _label(self, found: dict[str, Any]) -> str:
        """What the object says that its value is, if that is a secret."""
        for key, item in found.items():
            own = plain(key)
            if isinstance(item, str) and (own in _LABELS or own.endswith("name")) and _LABEL.fullmatch(item):
                label = item.rpartition("/")[2]
                if self._concealer.telling(label)[0] > Telling.KEY:
                    return label
        return ""

    def _is_pair(self, name: object, value: object) -> bool:
        """Whether a list of two is a name and its secret, and not a list of two names."""
        if not isinstance(name, str) or not isinstance(value, str) or not _LABEL.fullmatch(name):
            return False
        return not is_plain(value) and self._concealer.telling(name)[0] is Telling.CERTAIN

    def _number(self, value: float, name: str, inside: str) -> float:
        told, numbers = self._concealer.telling(name)
        card = (
            isinstance(value, int) and value > 10**12 and is_card(str(value)) and not _NO_CARD & set(words(name)[-1:])
        )
        if not inside and not card and not (told is Telling.CERTAIN and numbers):
            return value
        digits = len(str(abs(int(value)))) if math.isfinite(value) else 1
        return self._concealer.number(inside or name, value, digits)


def _is_schema(value: object) -> bool:
    """Whether an object describes a value (JSON Schema) and is none itself."""
    return isinstance(value, dict) and (value.get("type") in _TYPES or "$ref" in value)


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
