"""Requests as templates: what stays as recorded, and the holes that a replay fills.

One walk serves twice. Collecting, it asks about every text inside a request and nothing is filled; compiling, the
answers become holes. So a value is found by exactly the cuts by which it is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from verifier.correlation.analysis.sources import collection
from verifier.correlation.response_reader import LONGEST_TEXT
from verifier.correlation.template import Hole, RequestTemplate, Template, one_line, template_slots
from verifier.correlation.text import split
from verifier.correlation.text.names import RequestPlace
from verifier.http.message import Request, header
from verifier.recording.redact import PLACEHOLDER, PREFIX

# How a text was cut out: a whole value; a token or a run of words of a composed one. "made" and "word" ask again
# about a whole value and a word in which nothing was found: has the client made it up?
Grain = Literal["whole", "coarse", "fine", "made", "word"]
Resolve = Callable[[str, RequestPlace, Grain], int | None]

_DEEPEST = 6
_LARGEST_BODY = 1024 * 1024  # bytes; a larger one is an upload
_LONGEST_RUN = 8  # words of a composed text that may belong together
_WIDEST_EDGE = 3
# Headers that describe the client or the connection.
_SILENT = frozenset({
    "host", "user-agent", "accept", "accept-encoding", "accept-language", "accept-charset", "connection",
    "content-type", "content-length", "content-encoding", "transfer-encoding", "cache-control", "pragma", "dnt", "te",
    "upgrade", "upgrade-insecure-requests", "priority", "origin", "expect", "keep-alive", "cookie", "range",
})  # fmt: skip


def make_template(request: Request, resolve: Resolve) -> RequestTemplate:
    """Walk the whole request, asking `resolve` about every text in it."""
    target = _into(request.target, split.url(request.target), "$request", resolve)
    headers = []
    for number, (name, value) in enumerate(request.headers):
        if name.lower() not in _SILENT and not name.lower().startswith(("sec-", "access-control-")):
            template = look(value, RequestPlace("header", name, (), f"$request.header.{name}"), resolve, 0)
            if template:
                headers.append((number, (Hole(one_line, -1, template),)))
    charset, body = _body(request, resolve)
    uses = set().union(*(template_slots(part) for part in (target or (), body or (), *(item for _, item in headers))))
    return RequestTemplate(target, tuple(headers), body, charset, frozenset(uses))


def _into(text: str, parts: list[split.Part], base: str, resolve: Resolve) -> Template | None:
    """The parts of a target, each looked into."""
    holes = []
    for part in parts:
        if part.selector.startswith("/"):
            place = RequestPlace("path", "id", part.containers, f"{base}.path.{part.selector[1:]}")
        else:
            place = RequestPlace("query", part.name, part.containers, f"{base}.query.{part.name}")
        inner = look(part.value, place, resolve, 1)
        if inner:
            holes.append((part, inner))
    return _assemble(text, holes)


def _assemble(text: str, holes: Sequence[tuple[split.Part, Template]]) -> Template | None:
    if not holes:
        return None
    pieces: list[str | Hole] = []
    position = 0
    for part, inner in holes:
        pieces.append(text[position : part.start])
        only = inner[0] if len(inner) == 1 else None
        direct = isinstance(only, Hole) and only.inner is None and only.encode is split.plain
        pieces.append(replace(only, encode=part.encode) if direct and only else Hole(part.encode, -1, inner))  # type: ignore[type-var]
        position = part.end
    pieces.append(text[position:])
    return tuple(piece for piece in pieces if piece != "")


def _body(request: Request, resolve: Resolve) -> tuple[str, Template | None]:
    if not request.body or len(request.body) > _LARGEST_BODY:
        return "utf-8", None
    charset = "utf-8"
    try:
        text = request.body.decode(charset)
    except UnicodeDecodeError:
        charset = "latin-1"
        text = request.body.decode(charset)
    media_type = header(request.headers, "content-type") or ""
    around = collection(request.path)
    if split.looks_like_json(text):
        parts = split.json_text(text)
        named = [(part, RequestPlace("body", part.name, part.containers or around, _pointer(part))) for part in parts]
    elif "urlencoded" in media_type.lower():
        named = [
            (part, RequestPlace("body", part.name, part.containers or around, _field(part)))
            for part in split.form(text)
        ]
    elif "multipart/" in media_type.lower():
        named = [
            (part, RequestPlace("body", part.name, around, _field(part))) for part in split.multipart(text, media_type)
        ]
    else:
        return charset, look(text, RequestPlace("body", "", around, "$request.body"), resolve, 0)
    looked = [(part, look(part.value, place, resolve, 1)) for part, place in named]
    return charset, _assemble(text, [(part, inner) for part, inner in looked if inner])


def _pointer(part: split.Part) -> str:
    return f"$request.body#{part.selector}"


def _field(part: split.Part) -> str:
    return f"$request.body#/{part.name}"


def look(text: str, place: RequestPlace, resolve: Resolve, depth: int) -> Template | None:
    """The template of one text: filled as a whole, or in parts, or None."""
    if not text:
        return None
    if len(text) <= LONGEST_TEXT:
        found = _single(resolve(text, place, "whole"))
        if found:
            return found
    if depth >= _DEEPEST or len(text) < 3:
        return _single(resolve(text, place, "made"))
    for splitter in ("json", "url", "base64", "percent", "scheme"):
        found = _structured(splitter, text, place, resolve, depth)
        if found:
            return found
    holes = _words(text, place, resolve)
    made = _single(resolve(text, place, "made")) if not holes and len(text) <= LONGEST_TEXT else None
    return made or _assemble(text, _with_made_words(text, place, resolve, holes))


def _single(slot: int | None) -> Template | None:
    return None if slot is None else (Hole(split.plain, slot),)


def _structured(splitter: str, text: str, place: RequestPlace, resolve: Resolve, depth: int) -> Template | None:
    if splitter == "json" and not split.looks_like_json(text):
        return None
    if splitter == "url" and not split.looks_like_url(text):
        return None
    if splitter not in ("json", "url") and len(text) > LONGEST_TEXT * 2:
        return None
    holes = []
    for part in split.SPLITTERS[splitter](text):
        if part.value == text:
            continue
        kind = "path" if splitter == "url" and part.selector.startswith("/") else place.kind
        inner_place = RequestPlace(kind, part.name or place.name, part.containers or place.containers, place.via)
        inner = look(part.value, inner_place, resolve, depth + 1)
        if inner:
            holes.append((part, inner))
    return _assemble(text, holes)


Holes = list[tuple[split.Part, Template]]


def _words(text: str, place: RequestPlace, resolve: Resolve) -> Holes:
    """The words of a composed text: what stands between separators first, then runs of words, longest first."""
    if len(text) > LONGEST_TEXT * 16 or not split.is_composed(text):
        return []
    holes: Holes = []
    for part in split.coarse(text):
        whole = part.value == text
        slot = None if whole else resolve(part.value, RequestPlace("token", part.name, (), place.via), "coarse")
        if slot is not None:
            holes.append((part, (Hole(split.plain, slot),)))
        else:
            holes += _runs(part, place, resolve)
    return holes


def _with_made_words(text: str, place: RequestPlace, resolve: Resolve, holes: Holes) -> Holes:
    """The holes of a composed text, and beside them the words that the client made up."""
    if len(text) > LONGEST_TEXT * 16 or not split.is_composed(text):
        return holes
    taken = [(part.start, part.end) for part, _ in holes]
    if PREFIX in text:  # a placeholder is one thing, and nobody's invention
        taken += [found.span() for found in PLACEHOLDER.finditer(text)]
    found: Holes = []
    for part in split.fine(text):
        if any(start < part.end and part.start < end for start, end in taken):
            continue
        slot = resolve(part.value, RequestPlace("token", "id", part.containers, place.via), "word")
        if slot is not None:
            found.append((part, (Hole(split.plain, slot),)))
    return sorted([*holes, *found], key=lambda hole: hole[0].start)


def _runs(coarse: split.Part, place: RequestPlace, resolve: Resolve) -> Holes:
    words = split.fine(coarse.value)
    if len(words) == 1 and words[0].value == coarse.value:
        return []
    holes: Holes = []
    first = 0
    while first < len(words):
        found = None
        for last in range(min(first + _LONGEST_RUN, len(words)) - 1, first - 1, -1):
            found = _run(coarse, words, first, last, place, resolve)
            if found:
                holes.append(found)
                first = last
                break
        first += 1
    return holes


def _run(
    coarse: split.Part, words: list[split.Part], first: int, last: int, place: RequestPlace, resolve: Resolve
) -> tuple[split.Part, Template] | None:
    """Words `first` to `last`; dashes and underscores at the edges may belong to a token (base64url) or not."""
    text = coarse.value
    lowest = words[first - 1].end if first else 0
    highest = words[last + 1].start if last + 1 < len(words) else len(text)
    named = RequestPlace("token", "id", words[first].containers, place.via)
    for start in _edges(text, words[first].start, lowest, -1):
        for end in _edges(text, words[last].end, highest, 1):
            if end - start == len(text):
                continue
            slot = resolve(text[start:end], named, "fine")
            if slot is not None:
                part = split.Part("", coarse.start + start, coarse.start + end, text[start:end], split.plain)
                return part, (Hole(split.plain, slot),)
    return None


def _edges(text: str, edge: int, limit: int, step: int) -> list[int]:
    """Where a run may end: out over the dashes and underscores beside a word (at most three), widest first."""
    edges = [edge]
    while edge != limit and len(edges) <= _WIDEST_EDGE and text[edge if step > 0 else edge - 1] in "-_":
        edge += step
        edges.append(edge)
    return edges[::-1]
