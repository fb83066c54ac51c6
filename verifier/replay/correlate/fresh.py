"""New values for what a client makes up: the same shape, another content, drawn from the given randomness."""

from __future__ import annotations

import random
import re
import string

from verifier.replay.correlate.looks import EMAIL, UUID, is_random
from verifier.replay.correlate.moments import Moment

_HEX = "0123456789abcdef"
_SUFFIX = 10  # hexadecimal digits that make a readable value unique
_ENOUGH_BITS = 40.0
_TOKEN = re.compile(r"[A-Za-z0-9]+")


def renew(value: str, draw: random.Random, moment: Moment | None = None, shift: float = 0.0) -> str:
    """A value of the same shape: a moment is shifted by `shift` seconds, everything else is drawn anew."""
    if moment is not None:
        return moment.shifted(shift)
    if EMAIL.fullmatch(value):
        local, _, domain = value.rpartition("@")
        return f"{_unique(local, draw, '.')[-64:].lstrip('.')}@{domain}"
    return _unique(value, draw, "-")


def _unique(value: str, draw: random.Random, joint: str) -> str:
    """Random parts drawn anew; a readable value keeps its words and gets a suffix."""
    renewed, drawn = _reshape(value, draw)
    if drawn >= _ENOUGH_BITS or UUID.search(value):
        return renewed
    if value.isdecimal():
        # Stays a number, of as many digits where those are enough.
        return renewed if len(value) >= 9 else str(draw.randrange(10**9, 2**31 - 1))
    return f"{renewed}{joint}{''.join(draw.choices(_HEX, k=_SUFFIX))}"


def _reshape(value: str, draw: random.Random) -> tuple[str, float]:
    """The value with its UUIDs and random words replaced, and how many bits were drawn."""
    pieces: list[str] = []
    drawn = 0.0
    position = 0
    for found in re.finditer(UUID.pattern + "|" + _TOKEN.pattern, value):
        pieces.append(value[position : found.start()])
        token = found[0]
        if UUID.fullmatch(token):
            pieces.append(_uuid(token, draw))
            drawn += 122
        elif is_random(token) or (token.isdecimal() and len(token) == len(value)):
            pieces.append(_token(token, draw))
            drawn += 3.3 * len(token) if token.isdecimal() else 4.0 * len(token)
        else:
            pieces.append(token)
        position = found.end()
    pieces.append(value[position:])
    return "".join(pieces), drawn


def _uuid(value: str, draw: random.Random) -> str:
    """Version and variant stay, and so do the letters' case and the nil UUID's readers."""
    digits = "".join(draw.choices(_HEX, k=36))
    kept = {8, 13, 14, 18, 23}
    text = "".join(value[at] if at in kept else digits[at] for at in range(36))
    text = text[:19] + draw.choice("89ab") + text[20:] if value[19] in "89abAB" else text
    return text.upper() if any(letter in "ABCDEF" for letter in value) else text


def _token(value: str, draw: random.Random) -> str:
    """Digit for digit, letter for letter; a hexadecimal token stays one."""
    if re.fullmatch(r"[0-9a-f]+", value) and not value.isdecimal():
        return "".join(draw.choices(_HEX, k=len(value)))
    if re.fullmatch(r"[0-9A-F]+", value) and not value.isdecimal():
        return "".join(draw.choices(_HEX.upper(), k=len(value)))
    written = []
    for at, letter in enumerate(value):
        if letter.isdigit():
            written.append(draw.choice("123456789" if at == 0 and letter != "0" else string.digits))
        else:
            written.append(draw.choice(string.ascii_uppercase if letter.isupper() else string.ascii_lowercase))
    return "".join(written)
