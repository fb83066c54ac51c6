"""The values of one session by which its client may know its own entry in what others write to as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from verifier.correlation.response_view import OwnValue, ResponseView
from verifier.correlation.text import split
from verifier.correlation.text.classes import is_random, is_short_id, is_unique
from verifier.correlation.text.json import as_text, cached_json
from verifier.correlation.text.names import is_identifier, is_key, names_itself
from verifier.correlation.text.times import moment
from verifier.history.outcome import SAFE
from verifier.http.message import Request, Response, header
from verifier.pointers import MISSING
from verifier.recording.model import Exchange

_LONGEST = 4096  # characters of a text that may be a value
_LONGEST_COMPOSED = 512  # characters of a text that is cut into words
_LARGEST_TEXT = 1 << 18  # bytes of a body that is no JSON document and is cut into words
NOT_VALUES = frozenset({"", "true", "false", "null", "none"})
_NAMES = frozenset({"title", "subject", "label", "email", "login", "username"})
# Headers that say who asks and how, and nothing of what is asked for.
_SILENT = frozenset({
    "accept", "accept-charset", "accept-encoding", "accept-language", "authorization", "cache-control", "connection",
    "content-length", "content-type", "cookie", "host", "if-match", "if-modified-since", "if-none-match",
    "if-unmodified-since", "origin", "pragma", "referer", "traceparent", "tracestate", "user-agent",
})  # fmt: skip


def words(text: str) -> Iterator[str]:
    """A text and the words in it, as a longer text may carry a value."""
    yield text
    if len(text) <= _LONGEST_COMPOSED and split.is_composed(text):
        for pattern in split.COUNTED.values():
            yield from pattern.findall(text)


def is_telling(text: str) -> bool:
    """Whether a text is a value of its own wherever it stands. A moment is none: others happen at the same time."""
    return 6 <= len(text) <= _LONGEST and (is_unique(text) or is_random(text)) and moment(text) is None


def identifies(member: str, text: str) -> bool:
    """Whether a text in a response is the identifier of a thing."""
    return is_telling(text) or (is_identifier(member) and any(letter.isdigit() for letter in text))


def scalars(document: object) -> Iterator[tuple[str, str]]:
    """Each scalar of a JSON document with the name of its member."""
    stack: list[tuple[str, object]] = [("", document)]
    while stack:
        member, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.items())
        elif isinstance(value, list):
            stack.extend((member, inner) for inner in value)
        elif (text := as_text(value)) is not None:
            yield member, text


def request_values(request: Request) -> Iterator[tuple[str, str]]:
    """What a request says: the texts in its target, its body and the headers that are about the request."""
    for part in split.url(request.target):
        yield part.name, part.value
    for name, value in request.headers:
        if name.lower() not in _SILENT:
            yield name, value
    document = cached_json(request.body) if request.body else MISSING
    media = (header(request.headers, "content-type") or "").lower()
    if document is not MISSING:
        yield from scalars(document)
    elif len(request.body) <= _LARGEST_TEXT:
        text = request.body.decode("utf-8", "replace")
        parts = split.form(text) if "urlencoded" in media else split.multipart(text, media)
        yield from ((part.name, part.value) for part in parts)
        if not parts:
            yield from (("", word) for word in _words_of_a_body(text))


def response_values(response: Response) -> Iterator[tuple[str, str]]:
    """What a response says: the scalars of its document, or the words of its text, and where it points to."""
    for name, value in response.headers:
        if name.lower().endswith("location"):
            yield from ((part.name, part.value) for part in split.url(value))
    document = cached_json(response.body) if response.body else MISSING
    if document is not MISSING:
        yield from scalars(document)
    elif len(response.body) <= _LARGEST_TEXT:
        yield from (("", word) for word in _words_of_a_body(response.body.decode("utf-8", "replace")))


def _words_of_a_body(text: str) -> Iterator[str]:
    for pattern in split.COUNTED.values():
        yield from pattern.findall(text)


@dataclass(slots=True)
class OwnValues:
    """The values that a session has shown so far, each with the first exchange that had it.

    `telling` are known wherever they stand. `named` are short: by text, the names of the members that had them in a
    write; they are known by such a name alone.
    """

    telling: dict[str, int] = field(default_factory=dict)
    named: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, index: int, exchange: Exchange) -> None:
        """Take in an exchange; indices must not fall."""
        write = exchange.request.method not in SAFE
        for said, values in ((True, request_values(exchange.request)), (False, response_values(exchange.response))):
            for member, text in values:
                for word in words(text):
                    if word not in self.telling and is_telling(word):
                        self.telling[word] = index
                if write and text not in self.telling and _is_named(member, text, said):
                    self.named.setdefault(text, {}).setdefault(member, index)

    def among(self, shown: ResponseView) -> dict[OwnValue, int]:
        """The values that a response shows, in any member of its own document or text, with their first exchange."""
        found: dict[OwnValue, int] = {}
        if shown.document is MISSING:
            texts: Iterable[tuple[str, str]] = (
                (("", word) for word in _words_of_a_body(shown.text)) if len(shown.body) <= _LARGEST_TEXT else ()
            )
        else:
            texts = ((member, text) for member, text, _ in shown.leaves)
        for member, text in texts:
            for word in words(text):
                if word in self.telling:
                    found.setdefault(OwnValue(word), self.telling[word])
            for name, index in self.named.get(text, {}).items() if member else ():
                if member == name or (is_identifier(member) and is_identifier(name)):
                    found.setdefault(OwnValue(text, member), index)
        return found


def _is_named(member: str, text: str, said: bool) -> bool:
    """Whether a member names its thing: an identifier that a write was told, or a name that its client gave."""
    if text.lower() in NOT_VALUES or not member or len(text) > 64:
        return False
    if is_identifier(member) and is_short_id(text):
        return True
    named = names_itself(member) or is_key(member) or member.lower() in _NAMES
    return said and named and len(text) >= 3 and not text.isdecimal()
