"""Text of others made safe to print: recorded traffic, keys of files, names of files."""

from __future__ import annotations

import unicodedata

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
MOST_SHOWN = 200  # characters of a value of others in a message


def printable(text: str) -> str:
    """The text with every control, format and private-use character escaped, except newlines.

    Whatever comes from outside is untrusted. An escape sequence must not reach a terminal, and a right-to-left override
    must not reach a reader.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def one_line(text: str) -> str:
    """Printable, with newlines as spaces."""
    return printable(" ".join(text.split("\n")))


def abridged(text: str, most: int = MOST_SHOWN) -> str:
    """The text, or its start and its end with the number of characters between them."""
    half = most // 2
    return text if len(text) <= most + 40 else f"{text[:half]}… ({len(text) - 2 * half} more) …{text[-half:]}"


def quoted(value: object) -> str:
    """A value of others as it stands in a message: of bounded length, whatever the value is."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return repr(abridged(value))
    if isinstance(value, int) and value.bit_length() > 3000:
        return f"a number of {int(value.bit_length() * 0.30103)} digits"  # `str` refuses to write it
    return abridged(repr(value))


def _shown(character: str) -> str:
    point = ord(character)
    category = unicodedata.category(character)
    if character == "\n" or (category not in _ESCAPED and point & 0xFFFE != 0xFFFE):
        return character
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
