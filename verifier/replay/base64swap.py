"""Finding and replacing a text inside base64, whatever surrounds it there.

Three bytes become four characters, so a text inside longer data has one of three appearances, by its offset modulo 3;
the characters that it shares with its neighbours are left out of what is searched for.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

_URLSAFE = str.maketrans("-_", "+/")
_RUN = re.compile(r"[A-Za-z0-9+/_-]*")
_SHORTEST = 4  # characters to search for: fewer stand in any base64 text by accident


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
    """Replaces texts inside base64 and base64url (RFC 4648).

    What reads as such a text but does not decode stays as it is; with `spoil` it is replaced all the same: better
    spoilt than told.
    """

    __slots__ = ("_pattern", "_skips", "_spoil", "_swaps")

    def __init__(self, swaps: Sequence[tuple[str, str]], spoil: bool) -> None:
        self._spoil = spoil
        self._swaps = [(old.encode(), new.encode()) for old, new in swaps]
        self._skips: list[tuple[int, str]] = []
        alternatives = []
        for old, new in swaps:
            for core, skip in cores(old):
                self._skips.append((skip, new))
                alternatives.append("(" + re.escape(core).replace(r"\+", "[+-]").replace("/", "[/_]") + ")")
        self._pattern = re.compile("|".join(alternatives) or r"(?!)")

    def swap(self, text: str) -> str:
        """The text with every occurrence replaced."""
        position = 0
        while (found := self._pattern.search(text, position)) is not None:
            skip, instead = self._skips[(found.lastindex or 1) - 1]
            start = found.start() - skip
            changed = self._recoded(text, start, found.end()) if start >= position else None
            if changed is None and not self._spoil:
                position = found.end()
            elif changed is None:
                text = text[: found.start()] + instead + text[found.end() :]
                position = found.start() + len(instead)
            else:
                text = text[:start] + changed[0] + text[changed[1] :]
                position = start + len(changed[0])
        return text

    def _recoded(self, text: str, start: int, least: int) -> tuple[str, int] | None:
        """What stands from `start` on, with replacements, and where it ended; None where it does not decode."""
        run = _RUN.match(text, start)
        end = run.end() if run else start
        for stop in (end, least - (least - start) % 4 + (4 if (least - start) % 4 else 0)):
            piece = text[start : min(stop, end)]
            try:
                data = base64.b64decode(piece.translate(_URLSAFE) + "=" * (-len(piece) % 4), validate=True)
            except binascii.Error:
                continue
            swapped = data
            for old, new in self._swaps:
                swapped = swapped.replace(old, new)
            if swapped != data:
                return self._written(text, start, start + len(piece), swapped)
        return None

    def _written(self, text: str, start: int, stop: int, data: bytes) -> tuple[str, int]:
        """In the alphabet and the padding of what it replaces."""
        after = stop
        while after < len(text) and text[after] == "=" and after - stop < 2:
            after += 1
        padded = after > stop or (stop - start) % 4 == 0
        altchars = b"-_" if re.search(r"[-_]", text[start:stop]) else b"+/"
        coded = base64.b64encode(data, altchars).decode()
        return (coded if padded else coded.rstrip("=")), after
