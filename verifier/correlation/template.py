"""Request templates: the parts of a recorded request that stay, and the holes that every replay fills."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.correlation.text.parts import Encode

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Hole:
    """A part of a text that a replay writes: the value of a slot, or an inner template, encoded."""

    encode: Encode
    slot: int
    inner: Template | None = None


Template = tuple["str | Hole", ...]


def template_slots(template: Template) -> set[int]:
    """The slots whose values a template needs."""
    found: set[int] = set()
    for piece in template:
        if isinstance(piece, Hole):
            found |= {piece.slot} if piece.inner is None else template_slots(piece.inner)
    return found


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request as templates; None for a part that never changes. The cookie jar writes the Cookie header.

    `headers` pairs positions in the recorded headers with the templates of their values.
    """

    target: Template | None
    headers: tuple[tuple[int, Template], ...]
    body: Template | None
    charset: str
    uses: frozenset[int]

    @property
    def subject(self) -> set[int]:
        """The slots in the target and the body: the things that the request is about."""
        return template_slots(self.target or ()) | template_slots(self.body or ())


def one_line(value: str) -> str:
    """The value without control characters, so that no response can smuggle a second header into a request."""
    return _CONTROL.sub("", value) if _CONTROL.search(value) else value
