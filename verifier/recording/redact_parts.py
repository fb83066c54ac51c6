"""Secrets in multipart bodies: in their fields, in the headers of their parts, and in parts of parts."""

from __future__ import annotations

import re
from collections.abc import Callable

from verifier.recording.concealer import Concealer
from verifier.recording.redact_target import redact_target
from verifier.recording.redact_text import redact_text

DEEPEST = 8  # parts of parts; a deeper one is dropped, because it could be nested without end
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;,\s]+))', re.IGNORECASE)
# Of a part: what ends its headers, its field's name (a header may be folded), its media type.
_GAP = re.compile(r"\r?\n\r?\n")
_PART = re.compile(
    r'^content-disposition:(?:[^\r\n]|\r?\n(?=[ \t]))*?[;\s]name=(?:"([^"\r\n]*)"|([^;\s]+))',
    re.IGNORECASE | re.MULTILINE,
)
_PART_TYPE = re.compile(r"^content-type:[ \t]*((?:[^\r\n]|\r?\n(?=[ \t]))*)", re.IGNORECASE | re.MULTILINE)
_HEADER = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(:[ \t]*)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)
_REQUEST = re.compile(r"\s*([A-Z]{3,10}) (\S+)(?= HTTP/)")

Body = Callable[[str, str, int], str]  # the text of a body, its media type, its depth


def redact_parts(concealer: Concealer, text: str, media_type: str, body: Body, depth: int) -> str:
    """A multipart body with its secret fields replaced, and the secrets in parts that are documents or texts."""
    boundary = _BOUNDARY.search(media_type)
    if not boundary:
        return redact_text(concealer, text)
    if depth > DEEPEST:
        return ""
    mark = f"--{boundary[1] or boundary[2]}"
    parts = text.split(mark)
    for number, part in enumerate(parts):
        gap = _GAP.search(part)
        if gap:
            head, content = part[: gap.end()], part[gap.end() :]
            value = content.removesuffix("\n").removesuffix("\r")
            parts[number] = (
                _headers(concealer, head) + _part(concealer, head, value, body, depth) + content[len(value) :]
            )
    return mark.join(parts)


def redact_message(concealer: Concealer, text: str, body: Body, depth: int) -> str:
    """An HTTP message inside a body (`application/http`), as batches carry them."""
    gap = _GAP.search(text)
    head, content = (text[: gap.end()], text[gap.end() :]) if gap else (text, "")
    request = _REQUEST.match(head)
    if request:
        place = concealer.place
        start, end = request.span(2)
        head = head[:start] + redact_target(concealer, request[2]) + head[end:]
        concealer.place = place
    kind = _PART_TYPE.search(head)
    return _headers(concealer, head) + body(content, kind[1] if kind else "text/plain", depth + 1)


def _headers(concealer: Concealer, head: str) -> str:
    return _HEADER.sub(lambda found: found[1] + found[2] + _header(concealer, found[1], found[3]), head)


def _header(concealer: Concealer, name: str, value: str) -> str:
    if concealer.is_secret_header(name, value):
        return concealer.header(name, value)
    return value if name.lower() in ("content-type", "content-disposition") else redact_text(concealer, value, name)


def _part(concealer: Concealer, head: str, value: str, body: Body, depth: int) -> str:
    named, kind = _PART.search(head), _PART_TYPE.search(head)
    name = (named[1] or named[2] or "") if named else ""
    media_type = kind[1] if kind else "text/plain"
    if name and concealer.is_secret(name, value):
        return concealer.conceal(name, value)
    return body(value, media_type, depth + 1)
