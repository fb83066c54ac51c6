"""Classes of values: unique enough to be followed alone, random, a short identifier, a UUID, an e-mail address."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache

UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+\-]+(;.*)?\Z")
_HEX = re.compile(r"[0-9a-f]+\Z|[0-9A-F]+\Z")
_PLAIN_WORD = re.compile(r"[A-Z]?[a-z]+\Z|[A-Z]+\Z")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_DATE = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\Z|(?:[0-2]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d\d\Z"
)
_BLANK = re.compile(r"\s")
_CUT = re.compile(r"[^A-Za-z0-9]+")
_WORDY = frozenset({"true", "false", "null", "none", "undefined", "nan"})
_UNIQUE_BITS = 28.0  # two unrelated values are equal by accident once in 250 million


@lru_cache(maxsize=65536)
def information(value: str) -> float:
    """Shannon's estimate of the information in a value, its plain words counted as one choice in a thousand."""
    total = 0.0
    for token in _CUT.split(value):
        if not token:
            continue
        if _PLAIN_WORD.match(token) and len(token) < 14:
            total += min(10.0, 2.0 * len(token)) if token.lower() not in _WORDY else 1.0
        else:
            total += _token_bits(token)
    return total


def _token_bits(token: str) -> float:
    size = len(token)
    if _is_hex_word(token):
        return 4.0 * size
    counts = Counter(token)
    entropy = -sum(count / size * math.log2(count / size) for count in counts.values())
    if token.isdecimal():
        # A person or a default chooses round numbers: 1000000 says little.
        kept = token.rstrip("0")
        return min(math.log2(10) * len(kept or "0"), size * max(entropy, 0.5))
    alphabet = 4.0 if _HEX.match(token) else 5.2
    return size * min(alphabet, max(entropy, 0.5) + 1.0)


@lru_cache(maxsize=65536)
def is_unique(value: str) -> bool:
    """Whether equal values in two places are hardly an accident, whatever the fields are called."""
    if len(value) < 6 or not any(letter.isdigit() for letter in value):
        return _is_long_token(value)
    if UUID.fullmatch(value) or EMAIL.fullmatch(value):
        return True
    if MEDIA_TYPE.match(value):
        return False
    return information(value) >= _UNIQUE_BITS


def _is_long_token(value: str) -> bool:
    """Letters alone must be many, and change their case as words in camel case do not."""
    if EMAIL.fullmatch(value):
        return True
    if len(value) < 16 or " " in value or MEDIA_TYPE.match(value):
        return False
    words = _CAMEL.findall(value)
    letters = sum(map(len, words))
    return letters >= 14 and len(words) >= 4 and letters < 4.5 * len(words)


@lru_cache(maxsize=65536)
def is_random(value: str) -> bool:
    """Whether the value was drawn at random: a UUID, or a long token without readable structure."""
    if UUID.fullmatch(value):
        return True
    if not value.isascii() or len(value) > 512 or _BLANK.search(value):
        return False  # several words or lines are a text, in which single words may be random
    tokens = _CUT.split(value)
    return any(map(_is_random_token, tokens)) or (len(tokens) > 1 and any(map(_is_hex_ending, tokens[1:])))


def _is_hex_word(token: str) -> bool:
    """Eight or more hexadecimal digits, letters among them: drawn, even where some digits come twice."""
    mixed = len(token) >= 8 and _HEX.match(token) and not token.isalpha() and not token.isdecimal()
    return bool(mixed) and len(set(token)) >= 4


def _is_hex_ending(token: str) -> bool:
    """Eight hexadecimal digits after a name: now and then they are letters alone or digits alone (`model-40761225`).

    Dates, rising digits and round numbers are a person's choice.
    """
    if len(token) != 8 or not _HEX.match(token) or len(set(token)) < 4:
        return False
    if not token.isdecimal():
        return True
    rising = token in "0123456789012345678" or token in "98765432109876543210"
    return not (rising or token.endswith("000") or token.startswith("00") or _DATE.match(token))


def _is_random_token(token: str) -> bool:
    digits = sum(letter.isdigit() for letter in token)
    if len(token) >= 12 and 0 < digits < len(token):
        return _token_bits(token) >= 36
    if len(token) >= 8 and 0 < digits < len(token) and _HEX.match(token):
        return True
    # Digits alone: longer than any clock's, and not round.
    return (digits == len(token) >= 18 and _token_bits(token) >= 50) or (
        len(token) >= 16 and digits == 0 and _is_long_token(token)
    )


def is_short_id(value: str) -> bool:
    """A short identifier: digits, perhaps with a few letters (7, A7, ord_12). Words and decimals are none."""
    return 0 < len(value) <= 64 and any(letter.isdigit() for letter in value) and " " not in value
