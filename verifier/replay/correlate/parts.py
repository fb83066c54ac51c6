"""A part of a text: where it stands, what it decodes to, how another value is written in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Encode = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Part:
    """`text[start:end]` decodes to `value`; `encode` writes another value in the same way.

    `selector` finds the same part in another text cut by the same splitter.
    """

    selector: str
    start: int
    end: int
    value: str
    encode: Encode
    name: str = ""
    containers: tuple[str, ...] = ()


def plain(value: str) -> str:
    return value
