"""Where the values of an answer come from, and how to take the same place out of another answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from verifier.correlation.analysis.model import MISSING, Origin, as_json, as_text, at_pointer, json_of
from verifier.correlation.execution.leaves import Leaves
from verifier.correlation.text import html, split, xml
from verifier.correlation.text.names import RequestPlace, stem
from verifier.correlation.text.picking import pick
from verifier.http.message import Request, Response, header

LONGEST = 4096  # characters; longer texts are contents, not references
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
    """A value in the answer of exchange `index`. `depth` counts the cuts that lead to it."""

    index: int
    origin: Origin
    place: RequestPlace
    text: str
    depth: int


def sources(index: int, request: Request, response: Response, wanted: AbstractSet[str]) -> Iterator[Source]:
    """Every place in an answer, whole or inside another, that holds one of the `wanted` texts."""
    for origin, place, text in _leaves(request, response):
        yield from _inside(index, origin, place, text, 0, wanted)


def _leaves(request: Request, response: Response) -> Iterator[tuple[Origin, RequestPlace, str]]:
    for name, value in response.headers:
        lower = name.lower()
        if lower == "set-cookie":
            for part in split.cookie(value)[:1]:
                yield (
                    Origin("$response.header.Set-Cookie", "cookie", part.name),
                    RequestPlace("cookie", part.name),
                    part.value,
                )
        elif lower not in _SILENT and not lower.startswith("access-control-"):
            yield Origin(f"$response.header.{name}", "header", lower), RequestPlace("header", name), value
    yield from _body_leaves(request, response)


def _body_leaves(request: Request, response: Response) -> Iterator[tuple[Origin, RequestPlace, str]]:
    body = response.body
    if not body:
        return
    if as_json(body) is not MISSING:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return
        around = collection(request.path)
        for part in split.json_text(text):
            place = RequestPlace("body", part.name, part.containers or around)
            yield Origin(f"$response.body#{part.selector}", "json", part.selector), place, part.value
    elif "html" in (header(response.headers, "content-type") or "").lower():
        for key, name, value in html.values(body):
            yield Origin(f"$response.body#/html/{key}", "html", key), RequestPlace("body", name), value
    elif (elements := _xml(response)) is not None:
        for key, name, around_it, value in elements:
            place = RequestPlace("body", name, (stem(around_it),) if around_it else ())
            yield Origin(f"$response.body#/xml/{key}", "xml", key), place, value
    elif len(body) <= LONGEST:
        yield Origin("$response.body", "text", ""), RequestPlace("body", ""), body.decode("utf-8", "replace").strip()


def _xml(response: Response) -> list[xml.Found] | None:
    media = (header(response.headers, "content-type") or "").lower()
    return xml.values(response.body) if "xml" in media else None


def collection(path: str) -> tuple[str, ...]:
    """The stem of what a path is about: its last segment that is no identifier."""
    names = [part.value for part in split.url(path) if not any(letter.isdigit() for letter in part.value)]
    return (stem(names[-1]),) if names else ()


def _inside(
    index: int, origin: Origin, place: RequestPlace, text: str, depth: int, wanted: AbstractSet[str]
) -> Iterator[Source]:
    if text in wanted:
        yield Source(index, origin, place, text, depth)
    if depth >= _DEEPEST or len(text) > _LONGEST_NESTED:
        return
    for splitter, parts in _cuts(text, wanted):
        for part in parts:
            if part.value == text:
                continue
            selector = f"{part.selector}|{len(parts)}" if splitter in split.COUNTED else part.selector
            inner = Origin(origin.expression, origin.place, origin.key, (*origin.steps, (splitter, selector)))
            named = RequestPlace(place.kind, part.name or place.name, part.containers or place.containers)
            if splitter == "fine":
                named = RequestPlace(place.kind, part.name, part.containers)
            if splitter in split.COUNTED:
                if part.value not in wanted:
                    continue
                # Words come last: another value may have separators where this one has none.
                yield Source(index, inner, named, part.value, depth + (2 if splitter == "fine" else 1))
            else:
                yield from _inside(index, inner, named, part.value, depth + 1, wanted)


def _cuts(text: str, wanted: AbstractSet[str]) -> Iterator[tuple[str, list[split.Part]]]:
    """Every way to look into a text, structures first; into words only where one of them is wanted."""
    if len(text) < 3:
        return
    if split.looks_like_json(text):
        yield "json", split.json_text(text)
        return
    if len(text) > LONGEST * 2:
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


class SourceResponse:
    """A replayed answer, decoded once, out of which values are taken by their origins.

    `keys` are JSON pointers that will be asked for, and `read` gets their values without decoding all of the body.
    """

    __slots__ = ("_html", "_json", "_keys", "_leaves", "_read", "_response", "_xml")

    def __init__(self, response: Response, keys: Sequence[str] = (), read: Leaves | None = None) -> None:
        self._response = response
        self._keys = keys
        self._read = read
        self._leaves: dict[str, Any] = {}
        self._json: Any = None
        self._html: dict[str, str] | None = None
        self._xml: dict[str, str] | None = None

    def extraction(self, origin: Origin) -> str | None:
        """The text at an origin, None where the answer has nothing there."""
        text = self._whole(origin)
        for splitter, selector in origin.steps:
            if text is None:
                return None
            text = pick(splitter, selector, text)
        return text

    def json(self) -> Any:
        if self._json is None:
            self._json = json_of(self._response.body)
        return self._json

    def _whole(self, origin: Origin) -> str | None:
        if origin.place == "json":
            return as_text(self._leaf(origin.key))
        if origin.place == "header":
            return self._header(origin.key)
        if origin.place == "cookie":
            return self._cookie(origin.key)
        if origin.place == "html":
            if self._html is None:
                self._html = {key: value for key, _, value in html.values(self._response.body)}
            return self._html.get(origin.key)
        if origin.place == "xml":
            if self._xml is None:
                self._xml = {xml.alone(key): value for key, _, _, value in xml.values(self._response.body) or ()}
            return self._xml.get(xml.alone(origin.key))
        return self._response.body[:LONGEST].decode("utf-8", "replace").strip() or None

    def _leaf(self, key: str) -> Any:
        if self._read is None:
            return at_pointer(self.json(), key)
        if not self._leaves:
            found = self._read(self._response.body)
            self._leaves = dict(zip(self._keys, found if len(self._keys) > 1 else (found,), strict=True))
        return self._leaves[key]

    def _header(self, key: str) -> str | None:
        for name, value in self._response.headers:
            if name.lower() == key:
                return value
        return None

    def _cookie(self, name: str) -> str | None:
        for key, value in self._response.headers:
            if len(key) == 10 and key.lower() == "set-cookie":
                for part in split.cookie(value)[:1]:
                    if part.name == name:
                        return part.value
        return None
