"""What one response shows: its document, its text, and the places in them that carry a value of the session."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from verifier.correlation.text.json import as_text, read_json
from verifier.http.message import Response
from verifier.pointers import MISSING

_PLAIN = re.compile(r"[A-Za-z0-9_.\-~]+")


@dataclass(frozen=True, slots=True)
class OwnValue:
    """A value of the session by which a client knows its own entry.

    `text` is the recorded value, or that of a replay once `of` has filled it in from `slot`. A value that proves
    nothing by itself, such as 7, counts only as a whole and in a member called `member`; "" is any place.
    """

    text: str
    member: str = ""
    slot: int | None = None

    def of(self, values: Sequence[str]) -> OwnValue:
        """The value of one replay, given those of all slots."""
        return self if self.slot is None else OwnValue(values[self.slot], self.member)

    def stands_in(self, member: str, text: str) -> bool:
        return text == self.text and member == self.member if self.member else self.text in text


Path = tuple["str | OwnValue", ...]  # names of members; an own value selects the member or element that carries it


class ResponseView:
    """One response as a condition reads it. Each form of the body is made when it is first needed."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.body = response.body

    @cached_property
    def document(self) -> Any:
        """The body as a JSON document; MISSING if it is none."""
        return read_json(self.body)

    @cached_property
    def leaves(self) -> tuple[tuple[str, str, bool], ...]:
        """Each scalar of the document, and each name of a member: its member, its text, whether it is in a list.

        The names of members count as listed, because a mapping by identifier is a list of entries.
        """
        return tuple(_leaves(self.document, "", False))

    @cached_property
    def text(self) -> str:
        text = self.body.decode("utf-8", "replace")
        return html.unescape(text) if "&" in text and "<" in text else text

    def count(self, own: OwnValue, listed: bool) -> int:
        """How many places show a value; `listed` counts those in lists of a JSON document only."""
        if _PLAIN.fullmatch(own.text) and own.text.encode() not in self.body:
            return 0
        if self.document is MISSING:
            return len(re.findall(rf"(?<!\w){re.escape(own.text)}(?!\w)", self.text))
        return sum(1 for member, text, inside in self.leaves if (inside or not listed) and own.stands_in(member, text))


def _leaves(value: Any, member: str, listed: bool) -> Iterator[tuple[str, str, bool]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield "", name, True
            yield from _leaves(inner, name, listed)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, member, True)
    elif (text := as_text(value)) is not None:
        yield member, text, listed


def follow(document: Any, path: Path) -> Any:
    """The value at a path in a JSON document; MISSING where there is none."""
    value = document
    for token in path:
        if isinstance(value, dict):
            names = [token] if isinstance(token, str) else [name for name in value if token.stands_in("", name)]
            value = next((value[name] for name in names if name in value), MISSING)
        elif isinstance(value, list) and isinstance(token, OwnValue):
            value = next((entry for entry in value if carries(entry, token)), MISSING)
        else:
            return MISSING
    return value


def carries(entry: Any, own: OwnValue) -> bool:
    """Whether an element of a list has a value somewhere in it."""
    return any(own.stands_in(member, text) for member, text, _ in _leaves(entry, "", True))
