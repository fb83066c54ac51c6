"""Making request templates: one walk over all texts of a request, which asks for each of them what fills it.

The walk serves two passes. In the first, the caller only notes the texts; in the second, it names the slots that fill
them, and these become holes. So the cuts that find a value are exactly those that replace it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from verifier.correlation.analysis.sources import collection
from verifier.correlation.response_reader import LONGEST_TEXT
from verifier.correlation.template import Hole, RequestTemplate, Template, one_line, template_slots
from verifier.correlation.text import split
from verifier.correlation.text.names import MessageField
from verifier.http.message import Request, header
from verifier.recording.secret_map import PLACEHOLDER, PREFIX

# How a text was cut out: a whole value, a token of a composed value, or a run of words in one. "made" and "word" ask
# again about a whole value and a word in which no hole was found: did the client make it up?
Grain = Literal["whole", "coarse", "fine", "made", "word"]
Resolve = Callable[[str, MessageField, Grain], int | None]

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
    target = _target_template(request.target, split.url(request.target), "$request", resolve)
    headers = []
    for number, (name, value) in enumerate(request.headers):
        if name.lower() not in _SILENT and not name.lower().startswith(("sec-", "access-control-")):
            template = text_template(value, MessageField("header", name, (), f"$request.header.{name}"), resolve, 0)
            if template:
                headers.append((number, (Hole(one_line, -1, template),)))
    charset, body = _body_template(request, resolve)
    uses = set().union(*(template_slots(part) for part in (target or (), body or (), *(item for _, item in headers))))
    return RequestTemplate(target, tuple(headers), body, charset, frozenset(uses))


def _target_template(text: str, parts: list[split.Part], base: str, resolve: Resolve) -> Template | None:
    """The template of a target from the templates of its parts."""
    holes = []
    for part in parts:
        if part.selector.startswith("/"):
            field = MessageField("path", "id", part.containers, f"{base}.path.{part.selector[1:]}")
        else:
            field = MessageField("query", part.name, part.containers, f"{base}.query.{part.name}")
        inner = text_template(part.value, field, resolve, 1)
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


def _body_template(request: Request, resolve: Resolve) -> tuple[str, Template | None]:
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
        named = [(part, MessageField("body", part.name, part.containers or around, _pointer(part))) for part in parts]
    elif "urlencoded" in media_type.lower():
        named = [
            (part, MessageField("body", part.name, part.containers or around, _field(part)))
            for part in split.form(text)
        ]
    elif "multipart/" in media_type.lower():
        named = [
            (part, MessageField("body", part.name, around, _field(part))) for part in split.multipart(text, media_type)
        ]
    else:
        return charset, text_template(text, MessageField("body", "", around, "$request.body"), resolve, 0)
    looked = [(part, text_template(part.value, field, resolve, 1)) for part, field in named]
    return charset, _assemble(text, [(part, inner) for part, inner in looked if inner])


def _pointer(part: split.Part) -> str:
    return f"$request.body#{part.selector}"


def _field(part: split.Part) -> str:
    return f"$request.body#/{part.name}"


def text_template(text: str, field: MessageField, resolve: Resolve, depth: int) -> Template | None:
    """The template of one text: filled as a whole, or in parts, or None."""
    if not text:
        return None
    if len(text) <= LONGEST_TEXT:
        found = _single(resolve(text, field, "whole"))
        if found:
            return found
    if depth >= _DEEPEST or len(text) < 3:
        return _single(resolve(text, field, "made"))
    for splitter in ("json", "url", "base64", "percent", "scheme"):
        found = _structured(splitter, text, field, resolve, depth)
        if found:
            return found
    holes = _words(text, field, resolve)
    made = _single(resolve(text, field, "made")) if not holes and len(text) <= LONGEST_TEXT else None
    return made or _assemble(text, _with_made_up_words(text, field, resolve, holes))


def _single(slot: int | None) -> Template | None:
    return None if slot is None else (Hole(split.plain, slot),)


def _structured(splitter: str, text: str, field: MessageField, resolve: Resolve, depth: int) -> Template | None:
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
        kind = "path" if splitter == "url" and part.selector.startswith("/") else field.kind
        inner_field = MessageField(kind, part.name or field.name, part.containers or field.containers, field.via)
        inner = text_template(part.value, inner_field, resolve, depth + 1)
        if inner:
            holes.append((part, inner))
    return _assemble(text, holes)


Holes = list[tuple[split.Part, Template]]


def _words(text: str, field: MessageField, resolve: Resolve) -> Holes:
    """The holes of a composed text: what stands between separators is asked about first, then runs of words in it."""
    if len(text) > LONGEST_TEXT * 16 or not split.is_composed(text):
        return []
    holes: Holes = []
    for part in split.coarse(text):
        whole = part.value == text
        slot = None if whole else resolve(part.value, MessageField("token", part.name, (), field.via), "coarse")
        if slot is not None:
            holes.append((part, (Hole(split.plain, slot),)))
        else:
            holes += _runs(part, field, resolve)
    return holes


def _with_made_up_words(text: str, field: MessageField, resolve: Resolve, holes: Holes) -> Holes:
    """The holes of a composed text, with those for words that the client made up."""
    if len(text) > LONGEST_TEXT * 16 or not split.is_composed(text):
        return holes
    taken = [(part.start, part.end) for part, _ in holes]
    if PREFIX in text:  # a placeholder is a whole, and no client made it up
        taken += [found.span() for found in PLACEHOLDER.finditer(text)]
    found: Holes = []
    for part in split.fine(text):
        if any(start < part.end and part.start < end for start, end in taken):
            continue
        slot = resolve(part.value, MessageField("token", "id", part.containers, field.via), "word")
        if slot is not None:
            found.append((part, (Hole(split.plain, slot),)))
    return sorted([*holes, *found], key=lambda hole: hole[0].start)


def _runs(coarse: split.Part, field: MessageField, resolve: Resolve) -> Holes:
    words = split.fine(coarse.value)
    if len(words) == 1 and words[0].value == coarse.value:
        return []
    holes: Holes = []
    first = 0
    while first < len(words):
        found = None
        for last in range(min(first + _LONGEST_RUN, len(words)) - 1, first - 1, -1):
            found = _run(coarse, words, first, last, field, resolve)
            if found:
                holes.append(found)
                first = last
                break
        first += 1
    return holes


def _run(
    coarse: split.Part, words: list[split.Part], first: int, last: int, field: MessageField, resolve: Resolve
) -> tuple[split.Part, Template] | None:
    """Words `first` to `last`; dashes and underscores at the edges may belong to a token (base64url) or not."""
    text = coarse.value
    lowest = words[first - 1].end if first else 0
    highest = words[last + 1].start if last + 1 < len(words) else len(text)
    named = MessageField("token", "id", words[first].containers, field.via)
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
