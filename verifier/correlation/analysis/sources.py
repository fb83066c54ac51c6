"""The values of a response: every place in it, at any depth of encoding, that holds a wanted text."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from verifier.correlation.model import Locator
from verifier.correlation.response_reader import LONGEST_TEXT
from verifier.correlation.text import html, split, xml
from verifier.correlation.text.json import cached_json
from verifier.correlation.text.names import MessageField, stem
from verifier.http.message import Request, Response, header
from verifier.pointers import MISSING

_LONGEST_COMPOSED = 512
_LONGEST_NESTED = 1_000_000
_DEEPEST = 5
# Headers about the message or the connection, whose values no client sends back.
_SILENT = frozenset({
    "accept-ranges", "age", "allow", "alt-svc", "cache-control", "connection", "content-disposition",
    "content-encoding", "content-language", "content-length", "content-security-policy", "content-type", "date",
    "expires", "keep-alive", "nel", "pragma", "referrer-policy", "report-to", "retry-after", "server",
    "strict-transport-security", "transfer-encoding", "upgrade", "vary", "via", "x-content-type-options",
    "x-frame-options", "x-powered-by", "x-xss-protection",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A value in the response of exchange `index`. `depth` counts the cuts that lead to it."""

    index: int
    locator: Locator
    field: MessageField
    text: str
    depth: int


def sources(index: int, request: Request, response: Response, wanted: AbstractSet[str]) -> Iterator[Source]:
    """Every place in a response, whole or inside of another one, that holds one of the `wanted` texts."""
    for locator, field, text in _whole_values(request, response):
        yield from _nested(index, locator, field, text, 0, wanted)


def _whole_values(request: Request, response: Response) -> Iterator[tuple[Locator, MessageField, str]]:
    for name, value in response.headers:
        lower = name.lower()
        if lower == "set-cookie":
            for part in split.cookie(value)[:1]:
                yield (
                    Locator("$response.header.Set-Cookie", "cookie", part.name),
                    MessageField("cookie", part.name),
                    part.value,
                )
        elif lower not in _SILENT and not lower.startswith("access-control-"):
            yield Locator(f"$response.header.{name}", "header", lower), MessageField("header", name), value
    yield from _body_values(request, response)


def _body_values(request: Request, response: Response) -> Iterator[tuple[Locator, MessageField, str]]:
    body = response.body
    if not body:
        return
    if cached_json(body) is not MISSING:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return
        around = collection(request.path)
        for part in split.json_text(text):
            field = MessageField("body", part.name, part.containers or around)
            yield Locator(f"$response.body#{part.selector}", "json", part.selector), field, part.value
    elif "html" in (header(response.headers, "content-type") or "").lower():
        for key, name, value in html.values(body):
            yield Locator(f"$response.body#/html/{key}", "html", key), MessageField("body", name), value
    elif (elements := _xml(response)) is not None:
        for key, name, around_it, value in elements:
            field = MessageField("body", name, (stem(around_it),) if around_it else ())
            yield Locator(f"$response.body#/xml/{key}", "xml", key), field, value
    elif len(body) <= LONGEST_TEXT:
        yield Locator("$response.body", "text", ""), MessageField("body", ""), body.decode("utf-8", "replace").strip()


def _xml(response: Response) -> list[xml.Found] | None:
    media = (header(response.headers, "content-type") or "").lower()
    return xml.values(response.body) if "xml" in media else None


def collection(path: str) -> tuple[str, ...]:
    """The stem of the collection that a path names: its last segment without digits."""
    names = [part.value for part in split.url(path) if not any(letter.isdigit() for letter in part.value)]
    return (stem(names[-1]),) if names else ()


def _nested(
    index: int, locator: Locator, field: MessageField, text: str, depth: int, wanted: AbstractSet[str]
) -> Iterator[Source]:
    if text in wanted:
        yield Source(index, locator, field, text, depth)
    if depth >= _DEEPEST or len(text) > _LONGEST_NESTED:
        return
    for splitter, parts in _cuts(text, wanted):
        for part in parts:
            if part.value == text:
                continue
            selector = f"{part.selector}|{len(parts)}" if splitter in split.COUNTED else part.selector
            inner = Locator(locator.expression, locator.part, locator.key, (*locator.cuts, (splitter, selector)))
            named = MessageField(field.kind, part.name or field.name, part.containers or field.containers)
            if splitter == "fine":
                named = MessageField(field.kind, part.name, part.containers)
            if splitter in split.COUNTED:
                if part.value not in wanted:
                    continue
                # Words come last: another value may have separators where this one has none.
                yield Source(index, inner, named, part.value, depth + (2 if splitter == "fine" else 1))
            else:
                yield from _nested(index, inner, named, part.value, depth + 1, wanted)


def _cuts(text: str, wanted: AbstractSet[str]) -> Iterator[tuple[str, list[split.Part]]]:
    """Every way to look into a text, structures first; into words only where one of them is wanted."""
    if len(text) < 3:
        return
    if split.looks_like_json(text):
        yield "json", split.json_text(text)
        return
    if len(text) > LONGEST_TEXT * 2:
        return
    if split.looks_like_url(text):
        yield "url", split.url(text)
        return
    for splitter in ("base64", "percent", "scheme"):
        parts = split.SPLITTERS[splitter](text)
        if parts:
            yield splitter, parts
    if len(text) <= _LONGEST_COMPOSED and split.is_composed(text):
        if "=" in text and " " not in text:
            yield "form", split.form(text)
        for splitter, pattern in split.COUNTED.items():
            if not wanted.isdisjoint(pattern.findall(text)):
                yield splitter, split.SPLITTERS[splitter](text)
