"""The values that a message carries, each with its place: what links a partner's call to the request that caused it.

A place is `path/2`, `query NAME`, `header NAME`, `body#/pointer` (entries of lists are written `*`) or `body`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from verifier.contracts.expressions import body_json
from verifier.http.message import Headers, Request, Response, header
from verifier.pointers import MISSING, below, escape

Carried = tuple[str, str]  # place, text

# Headers about the connection, the body or the trace. They are as unique as an id and say nothing about the work.
_TECHNICAL = frozenset(
    {"age", "cache-control", "connection", "content-encoding", "content-length", "content-type", "cookie", "date"}
    | {"accept", "accept-encoding", "accept-language", "etag", "expires", "host", "keep-alive", "last-modified"}
    | {"server", "set-cookie", "te", "traceparent", "tracestate", "transfer-encoding", "user-agent", "vary", "via"}
)
_LONGEST = 2000  # characters of a text that is taken apart
_WORD = re.compile(r"[\w.~-]+")
_SEPARATOR = re.compile(r"[_.~-]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?|1\d{9}(\d{3})?(\.\d+)?")
_GENERATED = re.compile(r"\d+|(?=.*\d)[0-9A-Fa-f-]{16,}")


def of_request(request: Request) -> Iterator[Carried]:
    """Every value of a request."""
    for number, segment in enumerate(request.path.strip("/").split("/")):
        yield f"path/{number}", unquote(segment)
    for name, value in parse_qsl(request.target.partition("?")[2]):
        yield f"query {name}", value
    yield from _of_message(request.headers, request.body)


def of_response(response: Response) -> Iterator[Carried]:
    """Every value of a response that is not in a list: lists also tell what others have made."""
    for place, text in _of_message(response.headers, response.body):
        if "/*" not in place:
            yield place, text


def _of_message(headers: Headers, body: bytes) -> Iterator[Carried]:
    for name, value in headers:
        place = _header_place(name)
        if place is not None:
            yield place, value
    document = body_json(body)
    if document is not MISSING:
        yield from _leaves(document, "body#")
    elif (header(headers, "content-type") or "").startswith("application/x-www-form-urlencoded"):
        for name, value in parse_qsl(body[:_LONGEST].decode("utf-8", "replace")):
            yield f"body#/{escape(name)}", value
    elif body:
        yield "body", body[:_LONGEST].decode("utf-8", "replace")


@lru_cache(maxsize=1024)
def _header_place(name: str) -> str | None:
    return None if name.lower() in _TECHNICAL else f"header {name.lower()}"


def _leaves(value: Any, place: str) -> Iterator[Carried]:
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str):
                yield below(place, name), item
            else:
                yield from _leaves(item, below(place, name))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{place}/*")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield place, str(value)


def telling(text: str) -> bool:
    """Whether a text is long enough to be nobody else's by chance. A time is not: several things happen at once."""
    return len(text) >= (9 if text.isdigit() else 6) and _TIME.fullmatch(text) is None


def words(text: str, wanted: Container[str] | None = None) -> Iterator[str]:
    """The telling texts that a text consists of, itself included. `wanted`: only these of them."""
    if wanted is not None:
        if text in wanted:
            yield text
        if len(text) > _LONGEST or _WORD.fullmatch(text) is None:
            yield from (word for word in _WORD.findall(text[:_LONGEST]) if word != text and word in wanted)
        return
    if telling(text):
        yield text
    for word in _WORD.findall(text[:_LONGEST]):
        if word != text and telling(word):
            yield word


def contained(text: str) -> Iterator[str]:
    """The words of a text, and each without what is put before or after it with a separator: `evt_17ab…`."""
    for word in words(text):
        yield word
        separators = list(_SEPARATOR.finditer(word))
        for found in separators[:12]:
            for part in (word[: found.start()], word[found.end() :]):
                if telling(part):
                    yield part


def generated(segment: str) -> bool:
    """Whether a segment of a path looks like an id: a number, or long and hexadecimal."""
    return _GENERATED.fullmatch(segment) is not None
