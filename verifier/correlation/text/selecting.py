"""Selecting one part of a text by its selector, without naming the parts that are not wanted."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from verifier.correlation.text import split


def select_all(cuts: Iterable[tuple[str, str]], text: str | None) -> str | None:
    """The part that several cuts lead to, each (splitter, selector); None where one of them finds nothing."""
    for splitter, selector in cuts:
        if text is None:
            return None
        text = select(splitter, selector, text)
    return text


def select(splitter: str, selector: str, text: str) -> str | None:
    """The value of one part; None where the text has no such part.

    A counting splitter must find as many parts as the selector says: `2|5` is the third of five.
    """
    if splitter in split.COUNTED:
        return _word(splitter, selector, text)
    if splitter == "url" and selector.startswith("/"):
        return _segment(int(selector[1:]), text)
    if splitter == "json" and not split.looks_like_json(text):
        return None
    return next((part.value for part in split.SPLITTERS[splitter](text) if part.selector == selector), None)


def _word(splitter: str, selector: str, text: str) -> str | None:
    if splitter == "narrow" and ":" not in text:
        return None
    number, _, total = selector.partition("|")
    words: list[str] = split.COUNTED[splitter].findall(text)
    if total and len(words) != int(total):
        return None
    return words[int(number)] if int(number) < len(words) else None


def _segment(number: int, text: str) -> str | None:
    scheme = text.find("://")
    start = text.find("/", scheme + 3) if scheme >= 0 else 0
    if start < 0:
        return None
    path = text[start:].partition("#")[0].partition("?")[0] if "#" not in text[:start] else ""
    segments = [segment for segment in path.split("/") if segment]
    return unquote(segments[number]) if number < len(segments) else None
