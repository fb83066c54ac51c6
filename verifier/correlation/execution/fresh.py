"""New values for what a client makes up: the same shape with other content, drawn from the replay's key.

The shape of a value is found once: for each of its characters, the alphabet from which the new one is drawn. An
alphabet of one letter stays as it is. A replay then only draws.
"""

from __future__ import annotations

import hashlib
import re
import string

from verifier.correlation.text.classes import EMAIL, UUID, is_random

Shape = tuple[str, ...]  # the alphabet of each character

_HEX = "0123456789abcdef"
_NONZERO = "123456789"
_VARIANT = "89ab"  # of a UUID (RFC 9562, section 4.1)
_SUFFIX = 10  # hexadecimal digits that make a readable value unique
_ENOUGH_BITS = 40.0
_LONGEST_LOCAL = 64  # characters before the @ (RFC 5321, section 4.5.3.1.1)
_EXTENSION = re.compile(r"(?:\.[A-Za-z][A-Za-z0-9]{0,4}){1,2}\Z")
_TOKEN = re.compile(r"[A-Za-z0-9]+")
_UUID_OR_TOKEN = re.compile(f"{UUID.pattern}|{_TOKEN.pattern}")
_UUID_KEPT = {8, 13, 14, 18, 23}


def draw(key: str, size: int) -> bytes:
    """`size` random bytes that depend on the key alone.

    They come from BLAKE2b (RFC 7693), which is faster, or from SHAKE128 (FIPS 202) where more are needed.
    """
    if 0 < size <= hashlib.blake2b.MAX_DIGEST_SIZE:
        return hashlib.blake2b(key.encode(), digest_size=size).digest()
    return hashlib.shake_128(key.encode()).digest(size)


def table(alphabet: str) -> bytes:
    """A table for `bytes.translate` from random bytes to letters; probabilities differ by at most 1/256."""
    return bytes(ord(alphabet[value % len(alphabet)]) for value in range(256))


def shape(value: str) -> Shape:
    """The shape of a renewed value. Not for moments, which are shifted instead."""
    if EMAIL.fullmatch(value):
        local, _, domain = value.rpartition("@")
        cells = _unique(local, ".")[-_LONGEST_LOCAL:]
        while cells and cells[0] == ".":
            del cells[0]
        return (*cells, "@", *domain)
    # Services look at the extension of a file name, so it stays at the end.
    extension = _EXTENSION.search(value)
    stop = extension.start() if extension and extension.start() else len(value)
    return (*_unique(value[:stop], "-"), *value[stop:])


def _unique(value: str, joint: str) -> list[str]:
    """Random parts are drawn again; a readable value keeps its words and gets a suffix."""
    cells, drawn = _reshape(value)
    if drawn >= _ENOUGH_BITS or UUID.search(value):
        return cells
    if value.isdecimal():
        # It stays a number: of the same length where that has enough digits, otherwise below 2**31.
        return cells if len(value) >= 9 else ["1", *[string.digits] * 9]
    return [*cells, joint, *[_HEX] * _SUFFIX]


def _reshape(value: str) -> tuple[list[str], float]:
    """The value with alphabets for its UUIDs and random words, and the number of bits that these draw."""
    cells: list[str] = []
    drawn = 0.0
    position = 0
    for found in _UUID_OR_TOKEN.finditer(value):
        cells += value[position : found.start()]
        token = found[0]
        if UUID.fullmatch(token):
            cells += _uuid(token)
            drawn += 122
        elif is_random(token) or (token.isdecimal() and len(token) == len(value)):
            cells += _token(token)
            drawn += 3.3 * len(token) if token.isdecimal() else 4.0 * len(token)
        else:
            cells += token
        position = found.end()
    cells += value[position:]
    return cells, drawn


def _uuid(value: str) -> list[str]:
    """Version and variant stay, and so does the letters' case."""
    cells = [letter if at in _UUID_KEPT else _HEX for at, letter in enumerate(value)]
    if value[19] in "89abAB":
        cells[19] = _VARIANT
    return [cell.upper() for cell in cells] if any(letter in "ABCDEF" for letter in value) else cells


def _token(value: str) -> list[str]:
    """Digit for digit, letter for letter; a hexadecimal token stays one."""
    if not value.isdecimal():
        if re.fullmatch(r"[0-9a-f]+", value):
            return [_HEX] * len(value)
        if re.fullmatch(r"[0-9A-F]+", value):
            return [_HEX.upper()] * len(value)
    return [_alphabet(letter, at) for at, letter in enumerate(value)]


def _alphabet(letter: str, at: int) -> str:
    if letter.isdigit():
        return _NONZERO if at == 0 and letter != "0" else string.digits
    return string.ascii_uppercase if letter.isupper() else string.ascii_lowercase
