"""Patterns that find a text in whatever escapes it is written: percent-encoded, in JSON, in HTML, escaped again."""

from __future__ import annotations

import html
import re

# An escape may be escaped again, once or twice: "%" as "%25", "&" as "&amp;", a backslash as two.
_PERCENT = "(?:25){0,2}"
_AMPERSAND = "&(?:amp;){0,2}"
_BACKSLASH = rf"(?:\\|%{_PERCENT}5c|&#92;)"


def any_encoding(secret: str) -> str:
    """A pattern for a secret in which each character may be written in any of the usual escapes."""
    return "".join(map(_run, re.findall(r"\\{2,}|.", secret, re.DOTALL)))


def _run(letters: str) -> str:
    """A run of backslashes as one: alone, each may match one to four, and the combinations would multiply."""
    if len(letters) == 1:
        return _one_character(letters)
    size = len(letters)
    escaped = "|".join(f"(?:{form}){{{size},{4 * size}}}" for form in (rf"%{_PERCENT}5c", *_entities("\\")))
    return rf"(?:(?i:{escaped}|(?:{_BACKSLASH}{{1,2}}u005c){{{size}}})|\\{{{size},{4 * size}}})"


def _one_character(letter: str) -> str:
    if letter.isascii() and letter.isalnum():
        return letter
    raw, units = letter.encode(), letter.encode("utf-16-be")
    plain = {letter, raw.decode("latin-1")} | ({"+"} if letter == " " else set())
    # Hexadecimal digits may be in either case.
    escaped = (
        *_entities(letter),
        "".join(rf"{_BACKSLASH}{{1,2}}u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)),
        "".join(f"%{_PERCENT}{byte:02x}" for byte in raw),
        *((f"%{_PERCENT}2b",) if letter == " " else ()),
    )
    as_is = "|".join(map(re.escape, sorted(plain, key=len, reverse=True)))
    return f"(?:(?i:{_BACKSLASH}{{0,3}}(?:{'|'.join(escaped)}))|(?i:{_BACKSLASH}){{0,3}}(?:{as_is}))"


def _entities(letter: str) -> tuple[str, ...]:
    """Patterns for the entities of a character."""
    named = html.escape(letter)
    names = (f"{_AMPERSAND}{re.escape(named[1:])}",) if named != letter else ()
    return (*names, f"{_AMPERSAND}#0*{ord(letter)};", f"{_AMPERSAND}#x0*{ord(letter):x};")
