"""A part of a text: its span, its decoded value, and how another value is encoded in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
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


# Text of the characters that nothing encodes: the unreserved ones of RFC 3986, section 2.3.
unreserved = re.compile(r"[A-Za-z0-9_.\-~]+").fullmatch


def bits(numbers: Iterable[int]) -> int:
    """A set of small numbers, one bit each."""
    return sum(1 << number for number in set(numbers))


def needs_encoding(values: list[str]) -> int:
    """The values with other than unreserved characters, one bit each."""
    if all(values) and unreserved("".join(values)):  # the usual case, asked at once
        return 0
    return bits(at for at, value in enumerate(values) if not unreserved(value))
