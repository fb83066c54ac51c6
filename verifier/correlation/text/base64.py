"""Finding and replacing a text inside base64, whatever surrounds it there.

Three bytes become four characters, so a text inside longer data is written in one of three ways, by its offset modulo
3. Characters that also depend on neighbouring bytes are left out of the search.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

_URLSAFE = str.maketrans("-_", "+/")
_RUN = re.compile(r"[A-Za-z0-9+/_-]*")
_SHORTEST = 4  # characters to search for: fewer occur in any base64 text by accident


def cores(text: str) -> list[tuple[str, int]]:
    """The characters that stand for `text` alone, at each offset, with how many of its four-character group precede."""
    found = []
    for offset in range(3):
        data = b"\0" * offset + text.encode()
        coded = base64.b64encode(data).decode()
        first, last = -(-offset * 8 // 6), len(data) * 8 // 6
        if last - first >= _SHORTEST:
            found.append((coded[first:last], first))
    return found


class Base64Swap:
    """Replaces texts inside base64 and base64url (RFC 4648), and inside base64 in base64.

    What matches but does not decode stays as it is. With `spoil` it is replaced all the same: a damaged text is better
    than a secret that shows.
    """

    __slots__ = ("_pattern", "_skips", "_spoil", "_swaps")

    def __init__(self, swaps: Sequence[tuple[str, str]], spoil: bool) -> None:
        self._spoil = spoil
        self._swaps = [(old.encode(), new.encode()) for old, new in swaps]
        self._skips: list[tuple[int, str]] = []
        alternatives = []
        for old, new in swaps:
            once = cores(old)
            twice = [found for core, _ in once for found in cores(core)]
            for core, skip in (*once, *twice):
                self._skips.append((skip, new))
                alternatives.append("(" + re.escape(core).replace(r"\+", "[+-]").replace("/", "[/_]") + ")")
        self._pattern = re.compile("|".join(alternatives) or r"(?!)")

    def swap(self, text: str) -> str:
        """The text with every occurrence replaced."""
        position = 0
        while (found := self._pattern.search(text, position)) is not None:
            skip, instead = self._skips[(found.lastindex or 1) - 1]
            start = found.start() - skip
            changed = self._recoded(text, position, start, found.end()) if start >= position else None
            if changed is not None:
                text, position = changed
            elif self._spoil:
                text = text[: found.start()] + instead + text[found.end() :]
                position = found.start() + len(instead)
            else:
                position = found.end()
        return text

    def _recoded(self, text: str, position: int, start: int, least: int) -> tuple[str, int] | None:
        """The text with the base64 around `start` recoded, and where that ends; None where it does not decode."""
        # What stands before, in whole groups, comes out as it was; inside base64 in base64 it is needed.
        widest = start
        while widest - 4 >= position and _RUN.fullmatch(text, widest - 4, widest):
            widest -= 4
        run = _RUN.match(text, start)
        end = run.end() if run else start
        least = min(end, least + -(least - start) % 4)
        for begin, stop in ((widest, end), (start, end), (start, least)):
            swapped = self._decoded(text[begin:stop])
            if swapped is not None:
                written, after = _written(text, begin, stop, swapped)
                return text[:begin] + written + text[after:], begin + len(written)
        return None

    def _decoded(self, piece: str) -> bytes | None:
        """The data inside, with replacements; None where there is none, or nothing to replace in it."""
        if re.search(r"[-_]", piece) and re.search(r"[+/]", piece):
            return None  # two alphabets belong to two texts side by side
        try:
            data = base64.b64decode(piece.translate(_URLSAFE) + "=" * (-len(piece) % 4), validate=True)
        except binascii.Error:
            return None
        swapped = data
        for old, new in self._swaps:
            swapped = swapped.replace(old, new)
        swapped = self.swap(swapped.decode("latin-1")).encode("latin-1")
        return swapped if swapped != data else None


def _written(text: str, start: int, stop: int, data: bytes) -> tuple[str, int]:
    """In the alphabet and the padding of what it replaces; and where that ended."""
    after = stop
    while after < len(text) and text[after] == "=" and after - stop < 2:
        after += 1
    padded = after > stop or (stop - start) % 4 == 0
    altchars = b"-_" if re.search(r"[-_]", text[start:stop]) else b"+/"
    coded = base64.b64encode(data, altchars).decode()
    return (coded if padded else coded.rstrip("=")), after
