"""What every recording format must agree on: methods, targets, headers and statuses that can be sent again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from verifier.http.headers import TOKEN
from verifier.http.message import Headers

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_TAB = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/?#@\[\]:]+)(:\d+)?\Z")
# Everything that may stand in a target as it is; "%" because it is encoded already.
_SAFE = "%/?:@!$&'()*+,;=-._~[]|{}^`\"<>\\"


class EntryProblem(Exception):
    """One thing wrong with one entry: `key` is relative to the entry. Becomes a BadInput with file and line."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


class SkippedEntry(Exception):
    """An entry that is no exchange that can be replayed, such as an aborted one; the text says why."""


def method(value: object, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise EntryProblem(key, "is missing" if value is None else "must be an HTTP method")
    if not TOKEN.fullmatch(value) or len(value) > 64:
        raise EntryProblem(key, f"is no HTTP method: {value[:40]!r}")
    if value.upper() == "CONNECT":
        raise SkippedEntry("a CONNECT tunnel")
    return value.upper() if value.islower() else value


def status(value: object, key: str) -> int:
    """A final status. 0 is how browsers write an aborted exchange."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        raise EntryProblem(key, "is missing")
    if not isinstance(value, int) or isinstance(value, bool):
        raise EntryProblem(key, "must be a status code")
    if value == 0:
        raise SkippedEntry("aborted: it has no answer")
    if not 100 <= value <= 599:
        raise EntryProblem(key, f"is no status code: {str(value)[:20]}")
    if value == 101:
        raise SkippedEntry("a switch of protocols (WebSocket), which is passed through but not replayed")
    if value < 200:
        raise SkippedEntry(f"an interim answer ({value})")
    return value


def url(value: object, key: str) -> tuple[str, str]:
    """An absolute URL as (authority, target). Anything but http and https is skipped."""
    if not isinstance(value, str) or not value:
        raise EntryProblem(key, "is missing" if value is None else "must be a URL")
    if _CONTROL.search(value):
        raise EntryProblem(key, "contains a control character")
    try:
        parts = urlsplit(value)
        scheme = parts.scheme.lower()
        if scheme in ("ws", "wss"):
            raise SkippedEntry("a WebSocket, which is passed through but not replayed")
        if scheme not in ("http", "https"):
            if scheme and not value.startswith("/") and "://" not in value:
                raise SkippedEntry(f"not HTTP ({scheme}:)")
            raise EntryProblem(key, f"must be an absolute http or https URL, not {value[:80]!r}")
        authority = host(parts.netloc.rpartition("@")[2], key)
        return authority, target(parts.path + (f"?{parts.query}" if parts.query else ""), key)
    except ValueError as error:
        raise EntryProblem(key, f"is no URL: {error}") from None


def host(value: object, key: str) -> str:
    """An authority without user information: `orders:8080`."""
    if not isinstance(value, str) or not value:
        raise EntryProblem(key, "names no host")
    found = _HOST.match(value)
    if _CONTROL.search(value) or not found or (found[2] and int(found[2][1:8]) > 65535):
        raise EntryProblem(key, f"is no host and port: {value[:80]!r}")
    return value.lower()


def target(value: object, key: str) -> str:
    """A target in origin form, percent-encoded; a fragment is dropped, as clients do."""
    if not isinstance(value, str):
        raise EntryProblem(key, "is missing" if value is None else "must be a path")
    if _CONTROL.search(value):
        raise EntryProblem(key, "contains a control character")
    value = value.partition("#")[0]
    if value and not value.startswith(("/", "?", "*")):
        raise EntryProblem(key, f"must be a path, not {value[:80]!r}")
    if not value.startswith(("/", "*")):
        value = "/" + value
    try:
        return quote(value, safe=_SAFE)
    except UnicodeEncodeError:
        raise EntryProblem(key, "is not Unicode text") from None


def header_list(pairs: Iterable[tuple[object, object, str]], drop: frozenset[str]) -> Headers:
    """Headers from (name, value, key) triples, without pseudo headers and without the names in `drop`."""
    found = []
    for name, value, key in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise EntryProblem(key, "must have a name and a value, both text")
        if name.startswith(":") and TOKEN.fullmatch(name[1:]):
            continue
        if not TOKEN.fullmatch(name):
            raise EntryProblem(key, f"is no header name: {name[:40]!r}")
        if name.lower() not in drop:
            found.append((name, header_value(value, key)))
    return tuple(found)


def header_value(value: str, key: str) -> str:
    """A value that Latin-1 can carry; other text becomes its UTF-8 bytes, as clients send it."""
    if _CONTROL_BUT_TAB.search(value):
        raise EntryProblem(key, "contains a control character (header injection?)")
    try:
        value.encode("latin-1")
        return value.strip(" \t")
    except UnicodeEncodeError:
        pass
    try:
        return value.encode("utf-8").decode("latin-1").strip(" \t")
    except UnicodeEncodeError:
        raise EntryProblem(key, "is not Unicode text") from None
