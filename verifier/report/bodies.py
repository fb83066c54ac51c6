"""Bodies and headers of messages for display: JSON is indented, long text is truncated, secrets are omitted."""

from __future__ import annotations

import json
from dataclasses import dataclass

from verifier.http.message import Headers, header
from verifier.report.phrasing import counted, shortened

MOST = 1500  # characters of a body
HEADERS = 25
SECRET = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token"}
)
LARGEST_PARSED = 1 << 18  # bytes; larger bodies are shown unformatted


@dataclass(frozen=True, slots=True)
class Message:
    headers: Headers
    body: str


def message(headers: Headers, body: bytes) -> Message:
    """Headers without secrets, at most HEADERS of them, and the body as text of at most about MOST characters."""
    shown = tuple((name, "(not shown)" if name.lower() in SECRET else value) for name, value in headers)
    more = len(shown) - HEADERS
    if more > 0:
        shown = (*shown[:HEADERS], ("…", f"and {more} more"))
    return Message(shown, _body(body, header(headers, "content-encoding") or ""))


def excerpt(headers: Headers, body: bytes, most: int) -> str:
    """The beginning of a body in one line."""
    return shortened(" ".join(_body(body, header(headers, "content-encoding") or "").split()), most)


def _body(body: bytes, coding: str) -> str:
    if not body:
        return ""
    if coding not in ("", "identity"):
        return f"({counted(len(body), 'byte')}, {coding})"
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return f"({counted(len(body), 'byte')} of binary data)"
    text = _pretty(text) if len(body) <= LARGEST_PARSED else text
    text = text.replace("\r\n", "\n").expandtabs(4)
    more = len(text) - MOST
    return f"{text[:MOST]}\n… {counted(more, 'more character')}" if more > 0 else text


def _pretty(text: str) -> str:
    """JSON is indented; all other text is unchanged. So is JSON with duplicate keys, which parsing would drop."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
        return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict | list) else text
    except (ValueError, RecursionError):
        return text


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found
