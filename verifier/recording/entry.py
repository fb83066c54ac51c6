"""One HAR 1.2 entry becomes one exchange. Format: http://www.softwareishard.com/blog/har-12-spec/"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from verifier.http.headers import FRAMING
from verifier.http.message import Headers, Request, Response, header
from verifier.recording import fields
from verifier.recording.fields import EntryProblem, SkippedEntry
from verifier.recording.model import Exchange
from verifier.recording.sessions import ParsedExchange

LONGEST_EXCHANGE = 7 * 86400.0  # seconds; a longer one is a slip of units
_NO_BODY = "the answer's body was not recorded"


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry: `found.exchange.at` still counts from the epoch. `warning` may be ""."""

    found: ParsedExchange
    warning: str


def parse_entry(value: object, number: int) -> Entry:
    """`number` counts from 1. Raises EntryProblem, with a key relative to the entry, or SkippedEntry."""
    entry = _mapping(value, "")
    if entry.get("_webSocketMessages") or entry.get("_resourceType") == "websocket":
        raise SkippedEntry("a WebSocket, which is passed through but not replayed")
    request, response = _member(entry, "request"), _member(entry, "response")
    authority, target = fields.url(request.get("url"), "request.url")
    if request.get("_target") == "*":  # our own mark: no URL stands for the whole server
        target = "*"
    method = fields.method(request.get("method"), "request.method")
    status = fields.status(response.get("status"), "response.status")
    at = started(entry.get("startedDateTime"), "startedDateTime")
    sent_headers = fields.header_list(_pairs(request, "request.headers"), FRAMING)
    sent = Request(method, target, sent_headers, _request_body(request, sent_headers))
    content = _mapping(response.get("content") or {}, "response.content")
    raw = content.get("_raw") is True  # our own mark: a content coding that could not be undone
    drop = FRAMING if raw else FRAMING | {"content-encoding"}
    body, warning = _response_body(content)
    received = Response(status, fields.header_list(_pairs(response, "response.headers"), drop), body)
    exchange = Exchange(sent, received, authority, at, _took(entry.get("time")), number)
    client = next((entry[key] for key in ("_clientAddress", "clientIPAddress", "_client") if key in entry), "")
    found = ParsedExchange(
        exchange,
        session=_word(entry.get("_session"), "_session"),
        client=client if isinstance(client, str) else "",
        connection=_word(entry.get("connection"), "connection"),
        browser=any(key in entry for key in ("pageref", "_initiator", "_resourceType", "_priority")),
    )
    return Entry(found, warning)


def _mapping(value: object, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise EntryProblem(key, "is missing" if value is None else "must be an object")
    return value


def _member(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _mapping(entry.get(key), key)


def _word(value: object, key: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).isprintable():
        return str(value)
    raise EntryProblem(key, "must be a printable word")


def _pairs(message: Mapping[str, Any], key: str) -> Iterator[tuple[object, object, str]]:
    listed = message.get("headers")
    if not isinstance(listed, list):
        raise EntryProblem(key, "is missing" if listed is None else "must be a list")
    for number, item in enumerate(listed):
        if not isinstance(item, dict):
            raise EntryProblem(f"{key}[{number}]", "must be an object with name and value")
        yield item.get("name"), item.get("value"), f"{key}[{number}]"


def started(value: object, key: str) -> float:
    """ISO 8601, without an offset taken as UTC. Returns seconds since the epoch, whole microseconds."""
    if not isinstance(value, str):
        raise EntryProblem(key, "is missing" if value is None else "must be an ISO 8601 date and time")
    try:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = moment.timestamp()
    except (ValueError, OverflowError):
        raise EntryProblem(key, f"is no ISO 8601 date and time: {value[:40]!r}") from None
    if seconds < 0:
        raise EntryProblem(key, "lies before 1970")
    return seconds


def _took(value: object) -> float:
    """HAR gives milliseconds; -1 and nothing stand for "not known"."""
    if value is None:
        return 0.0
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise EntryProblem("time", "must be a number of milliseconds")
    if not abs(value) <= LONGEST_EXCHANGE * 1000:
        raise EntryProblem("time", f"is absurd: {str(value)[:20]} ms")
    return round(max(0.0, value) / 1000, 6)


def encode(text: str, media_type: object, key: str = "") -> bytes:
    """The bytes that were sent: in the charset that the media type names, else UTF-8. Raises EntryProblem."""
    name = str(media_type or "").lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        return text.encode(name or "utf-8")
    except (LookupError, UnicodeError, ValueError):
        pass
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise EntryProblem(key, "is not Unicode text") from None


def _decode64(text: str, key: str) -> bytes:
    try:
        compact = "".join(text.split())
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise EntryProblem(key, "is said to be base64 but does not decode") from None


def _body(holder: Mapping[str, Any], encoding: object, key: str) -> bytes:
    text = holder.get("text")
    if text is None:
        return b""
    if not isinstance(text, str):
        raise EntryProblem(f"{key}.text", "must be text")
    if encoding in (None, ""):
        return encode(text, holder.get("mimeType"), f"{key}.text")
    if not isinstance(encoding, str) or encoding.lower() != "base64":
        raise EntryProblem(f"{key}.encoding", f"is an unknown encoding: {str(encoding)[:40]!r}")
    return _decode64(text, f"{key}.text")


def _request_body(request: Mapping[str, Any], headers: Headers) -> bytes:
    if request.get("postData") is None:
        return b""
    data = _mapping(request["postData"], "request.postData")
    body = _body(data, data.get("_encoding", data.get("encoding")), "request.postData")
    media_type = data.get("mimeType") or header(headers, "content-type") or ""
    listed = data.get("params")
    if body or not listed or "urlencoded" not in str(media_type).lower():
        return body
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise EntryProblem("request.postData.params", "must be a list of objects")
    try:
        return urlencode([(str(item.get("name", "")), str(item.get("value", ""))) for item in listed]).encode()
    except UnicodeEncodeError:
        raise EntryProblem("request.postData.params", "is not Unicode text") from None


def _response_body(content: Mapping[str, Any]) -> tuple[bytes, str]:
    body = _body(content, content.get("encoding"), "response.content")
    size = content.get("size")
    missing = "text" not in content and isinstance(size, int | float) and size > 0
    return body, _NO_BODY if missing else ""
