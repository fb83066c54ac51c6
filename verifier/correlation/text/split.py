"""Cutting a text into named parts with their encodings. This is the one place that knows encodings.

The same cuts take values out of responses and put values into requests. A part is a span of the text with a codec;
the decoded part may be cut again.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from verifier.correlation.text.classes import UUID
from verifier.correlation.text.json import json_text, looks_like_json
from verifier.correlation.text.names import stem
from verifier.correlation.text.parts import Encode, Part, plain

__all__ = ["SPLITTERS", "Encode", "Part", "json_text", "looks_like_json", "plain"]

# ---- URLs and forms

_URL = re.compile(r"(?:[a-z][a-z0-9+.\-]*://[^/?#\s]+)?(?=[/?])[^\s#<>\"]*(?:#\S*)?\Z", re.I)
# Characters that a path segment or a query value may carry as they are; kept where the recording did.
_BARE = "!$'()*,;:@~/?="


def looks_like_url(text: str) -> bool:
    return 1 < len(text) <= 8192 and ("/" in text or text[0] == "?") and _URL.match(text) is not None


def url(text: str) -> list[Part]:
    """Path segments, then query values, of an absolute URL or a target."""
    start = text.find("://")
    start = text.find("/", start + 3) if start >= 0 else 0
    if start < 0:
        start = len(text)
    fragment = text.find("#")
    end = fragment if fragment >= 0 else len(text)
    mark = text.find("?", start, end)
    parts = _segments(text, start, mark if mark >= 0 else end)
    if mark >= 0:
        statics = tuple(dict.fromkeys(stem(part.value) for part in reversed(parts) if not _has_digit(part.value)))
        parts += [_query_part(part, statics) for part in form(text[mark + 1 : end], mark + 1)]
    return parts


def _query_part(part: Part, containers: tuple[str, ...]) -> Part:
    return Part(f"?{part.selector}", part.start, part.end, part.value, part.encode, part.name, containers)


def _segments(text: str, start: int, end: int) -> list[Part]:
    parts: list[Part] = []
    before = ""
    position = start
    number = 0
    while position < end:
        if text[position] == "/":
            position += 1
            continue
        stop = text.find("/", position, end)
        stop = end if stop < 0 else stop
        raw = text[position:stop]
        value = unquote(raw)
        containers = (stem(before),) if before else ()
        parts.append(Part(f"/{number}", position, stop, value, _quoting(raw, plus=False), "id", containers))
        before, number, position = value, number + 1, stop
    return parts


def _has_digit(text: str) -> bool:
    return any(letter.isdigit() for letter in text)


def _quoting(raw: str, plus: bool) -> Encode:
    """Percent-encoding that leaves out the characters which the recording left out."""
    safe = "".join(letter for letter in _BARE if letter in raw)
    return partial(quote_plus if plus else quote, safe=safe, errors="replace")


def form(text: str, offset: int = 0) -> list[Part]:
    """The values of `a=1&b=2`, by name and number."""
    parts: list[Part] = []
    seen: dict[str, int] = {}
    position = 0
    for pair in text.split("&"):
        name, mark, raw = pair.partition("=")
        if mark:
            plain = unquote_plus(name)
            number = seen[plain] = seen.get(plain, -1) + 1
            start = offset + position + len(name) + 1
            encode = _quoting(raw, plus="%20" not in raw)
            key = re.split(r"[\[\].]+", plain.rstrip("]"))
            containers = tuple(stem(part) for part in reversed(key[:-1]) if part and not part.isdecimal())
            selector = f"{plain}={number}"
            parts.append(Part(selector, start, start + len(raw), unquote_plus(raw), encode, key[-1], containers))
        position += len(pair) + 1
    return parts


def cookie(text: str) -> list[Part]:
    """The pairs of a Cookie header, or the first pair of a Set-Cookie header."""
    parts: list[Part] = []
    position = 0
    for pair in text.split(";"):
        name, mark, raw = pair.partition("=")
        if mark:
            start = position + len(name) + 1
            parts.append(Part(name.strip(), start, start + len(raw), raw, plain, name.strip()))
        position += len(pair) + 1
    return parts


_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)", re.I)
_FIELD_NAME = re.compile(r"name=\"([^\"]*)\"")


def multipart(text: str, media_type: str) -> list[Part]:
    """The fields of multipart/form-data, without its files."""
    boundary = _BOUNDARY.search(media_type)
    if not boundary:
        return []
    parts: list[Part] = []
    mark = "--" + boundary[1].strip()
    position = text.find(mark)
    while position >= 0:
        start = position + len(mark)
        position = text.find(mark, start)
        head = text.find("\r\n\r\n", start, position if position >= 0 else len(text))
        if position < 0 or head < 0:
            continue
        name = _FIELD_NAME.search(text, start, head)
        if name and "filename" not in text[start:head]:
            end = max(head + 4, position - 2)
            parts.append(Part(name[1], head + 4, end, text[head + 4 : end], plain, name[1]))
    return parts


# ---- encodings of a whole text

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]+|[A-Za-z0-9_\-]+)={0,2}\Z")


def base64_text(text: str) -> list[Part]:
    """The text inside base64 or base64url, where it is printable and encodes back to the same."""
    if not 8 <= len(text) <= 65536 or len(text.rstrip("=")) % 4 == 1 or not _BASE64.match(text):
        return []
    altchars = b"-_" if "-" in text or "_" in text else b"+/"
    padded = text + "=" * (-len(text) % 4)
    try:
        value = base64.b64decode(padded, altchars, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return []
    encode = partial(_base64_encode, altchars=altchars, padded=len(text) % 4 == 0)
    if not value.isprintable() or encode(value) != text or not any(letter.isalnum() for letter in value):
        return []
    return [Part("base64", 0, len(text), value, encode)]


def _base64_encode(value: str, altchars: bytes, padded: bool) -> str:
    text = base64.b64encode(value.encode("utf-8", "replace"), altchars).decode()
    return text if padded else text.rstrip("=")


def percent(text: str) -> list[Part]:
    """The text inside percent-encoding, where it encodes back to the same."""
    if "%" not in text or re.search(r"%[0-9A-Fa-f]{2}", text) is None:
        return []
    value = unquote(text)
    for encode in (_quoting(text, plus=False), _quoting(text, plus=True)):
        if encode(value).lower() == text.lower() and value != text:
            return [Part("percent", 0, len(text), value, encode)]
    return []


# ---- words of a composed text

_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?\Z")


def is_composed(text: str) -> bool:
    """Whether a text may consist of words. A number is a whole, and so is a UUID."""
    return len(text) > 2 and not _DECIMAL.match(text) and not UUID.fullmatch(text)


USER_AND_PASSWORD = "user and password"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z\-]* +(\S+)\Z")
_COARSE = re.compile(r"[^\s,;=|/?&\"'<>()\[\]{}]+")
_NARROW = re.compile(r"[^\s,;:=|/?&\"'<>()\[\]{}]+")
_FINE = re.compile(UUID.pattern + r"|[A-Za-z0-9]+")


def scheme(text: str) -> list[Part]:
    """The credentials in `Bearer abc==`; those of `Basic`, a user and a password, have a name of their own."""
    found = _SCHEME.match(text)
    if not found:
        return []
    name = USER_AND_PASSWORD if text[: found.start(1)].strip().lower() == "basic" else ""
    return [Part("scheme", found.start(1), found.end(1), found[1], plain, name)]


def coarse(text: str) -> list[Part]:
    """What stands between separators, such as the value in an ETag's quotes."""
    return _numbered(_COARSE, text, "")


def narrow(text: str) -> list[Part]:
    """The same, cut at colons too: the last part of a URN."""
    return _numbered(_NARROW, text, "id") if ":" in text else []


def fine(text: str) -> list[Part]:
    """Letters and digits: `order`, `123` in `order-123`; a UUID stays whole."""
    return _numbered(_FINE, text, "id")


def _numbered(pattern: re.Pattern[str], text: str, name: str) -> list[Part]:
    parts: list[Part] = []
    before = ""
    for number, found in enumerate(pattern.finditer(text)):
        containers = (stem(before),) if before else ()
        parts.append(Part(str(number), found.start(), found.end(), found[0], plain, name or before, containers))
        before = found[0]
    return parts


Splitter = Callable[[str], list[Part]]
SPLITTERS: dict[str, Splitter] = {
    "url": url,
    "form": form,
    "cookie": cookie,
    "json": json_text,
    "base64": base64_text,
    "percent": percent,
    "scheme": scheme,
    "coarse": coarse,
    "narrow": narrow,
    "fine": fine,
}
# Selectors of these carry the number of parts: `2|5`.
COUNTED = {"coarse": _COARSE, "narrow": _NARROW, "fine": _FINE}
