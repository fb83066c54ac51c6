"""What an analysis finds, as plain values: reports for the operator, polling, and the places of answers' values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec

from verifier.http.message import Response
from verifier.pointers import names
from verifier.recording.redact import PREFIX


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator settles by hand.

    `flows`: pairs of runtime expressions (from, to); either may be preceded by an operation such as
    `POST /orders`, without which it stands for every exchange. `keep` and `fresh`: values, or expressions of
    requests, that are never changed, or are renewed in every replay.
    """

    flows: tuple[tuple[str, str], ...] = ()
    keep: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Something that cannot be decided from the recording alone; `rule` is what settles it, as YAML.

    It belongs under the traffic's `rules`, unless it is its `credentials`.
    """

    kind: Literal["unmatched", "ambiguous"]
    message: str
    rule: str

    def __str__(self) -> str:
        return f"{self.message}; settle it with {'' if self.rule.startswith('credentials:') else 'rules: '}{self.rule}"


@dataclass(frozen=True, slots=True)
class Poll:
    """A read that was repeated until it showed something.

    `interval` is the mean recorded distance in seconds, `count` how often it was sent. `until` pairs JSON pointers
    into the answer with the values that ended the polling, as text; `status` is the status of the last answer.
    """

    interval: float
    count: int
    until: tuple[tuple[str, str], ...]
    status: int

    def done(self, response: Response) -> bool:
        """Whether an answer shows what the recorded polling ended with."""
        if response.status != self.status:
            return False
        if not self.until:
            return True
        value = as_json(response.body)
        return all(as_text(at_pointer(value, pointer)) == final for pointer, final in self.until)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in an answer a value stands: a runtime expression, then the selectors into what it points at.

    `place` is what the first cut of the message was ("json", "header", "cookie", "html", "xml", "text") and
    `key` its selector: a JSON pointer, a header's or cookie's name, an element. `steps` are (splitter, selector) pairs.
    """

    expression: str
    place: str
    key: str
    steps: tuple[tuple[str, str], ...] = ()

    @property
    def listed(self) -> bool:
        """Whether the value stands in a list, where its position may mean nothing."""
        return self.place in ("json", "xml") and any(part.isdecimal() for part in self.key.split("/"))


class _Missing:
    __slots__ = ()


MISSING = _Missing()


_decode = msgspec.json.Decoder().decode


def json_of(body: bytes) -> Any:
    """The body as JSON, MISSING when it is none."""
    if body[:1] not in b'{["' and not body[:1].isspace():
        return MISSING
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What `json` accepts beyond the standard counts: NaN, lone surrogates, huge numbers, UTF-16.
        return _leniently(body)


def _leniently(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


@lru_cache(maxsize=64)
def as_json(body: bytes) -> Any:
    """The same, remembered for who asks again; shared: not to be changed."""
    return json_of(body)


def at_pointer(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901), MISSING where there is none."""
    for name in names(pointer):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value


def as_text(value: Any) -> str | None:
    """A scalar as it is written in a message; None for anything else and for null."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
    return None


def shown(text: str) -> str:
    """A recorded value in a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def unissued(text: str, via: str) -> Report:
    """A value that was issued to the client before the recording began."""
    message = f"{via} is {shown(text)}, which no earlier answer carries and which the client did not make up"
    if text.startswith(PREFIX):
        rule = f"credentials: {{{text}: {{env: NAME}}}}, or with rules: keep: [{text}] where nothing checks it"
        return Report("unmatched", message, rule)
    rule = f"keep: [{shown(text)}] if it exists before the run, else flows: [{{from: $response..., to: {via}}}]"
    if via.lower().startswith(("$request.header.", "$request.cookie.")):
        rule += (
            f"; for a secret, write {PREFIX}NAME into the recording and declare credentials: "
            f"{{{PREFIX}NAME: {{env: NAME}}}}"
        )
    return Report("unmatched", message, rule)
