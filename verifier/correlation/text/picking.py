"""Taking one part out of a text: the same as cutting all of it, without naming what is not wanted."""

from __future__ import annotations

from urllib.parse import unquote

from verifier.correlation.text import split


def pick(splitter: str, selector: str, text: str) -> str | None:
    """The value of one part, as `split.pick` finds it; segments of a URL and words of a text are found directly."""
    if splitter in split.COUNTED:
        return _word(splitter, selector, text)
    if splitter == "url" and selector.startswith("/"):
        return _segment(int(selector[1:]), text)
    return split.pick(splitter, selector, text)


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
