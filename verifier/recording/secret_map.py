"""Placeholders for secrets: equal secrets get equal ones, and known secrets are found wherever they occur later."""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from verifier.recording.secret_names import telling

PREFIX = "redacted-"
# What `SecretMap` makes, or a name that somebody has put into a recording by hand.
PLACEHOLDER = re.compile(rf"{PREFIX}(?:[0-9a-f]{{24}}|[A-Za-z0-9_-]*[A-Za-z0-9])")
# Shorter secrets are not searched for: replacing every "1234" would ruin the recording.
SHORTEST_SEARCHED = 8
_MOST_SEARCHED = 20_000  # forms of the latest secrets
_FEW = 64  # forms that are searched one by one
# Names of people and dates are not searched for either: they occur in other places with another meaning.
_COMMON = re.compile(r"[A-Za-z]?[a-z]+(?: [A-Za-z]?[a-z]+){1,3}|\d{4}-\d\d(?:-\d\d)?|\d{1,8}")


class SecretMap:
    """Maps secrets to placeholders under a random key that is lost with the map. `size` counts those to search."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._forms: dict[str, str] = {}  # what is searched for, and what replaces it
        self._beginnings: dict[str, list[str]] = {}  # the forms by their first characters
        self.size = 0

    def placeholder(self, secret: str) -> str:
        """The placeholder of a secret. A placeholder stays as it is."""
        if not secret or secret.startswith(PREFIX):
            return secret
        digest = hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), key=self._key, digest_size=12).hexdigest()
        text = PREFIX + digest
        if secret not in self._forms and _searched(secret):
            self.size += 1
            for form in _forms(secret):
                self.add_form(form, text)
        return text

    def add_form(self, form: str, text: str) -> None:
        """From now on replace one form of a secret, such as its encoding, by `text`."""
        if form in self._forms or len(form) < SHORTEST_SEARCHED:
            return
        self._forms[form] = text
        self._beginnings.setdefault(form[:SHORTEST_SEARCHED], []).append(form)
        while len(self._forms) > _MOST_SEARCHED:
            oldest = next(iter(self._forms))
            del self._forms[oldest]
            same = self._beginnings[oldest[:SHORTEST_SEARCHED]]
            same.remove(oldest)
            if not same:
                del self._beginnings[oldest[:SHORTEST_SEARCHED]]

    def replace_in(self, text: str) -> str:
        """The text with every known secret replaced. Takes time in proportion to its length."""
        found = self._in(text) if self._forms and len(text) >= SHORTEST_SEARCHED else []
        if not found:
            return text
        pattern = "|".join(map(re.escape, sorted(found, key=len, reverse=True)))
        return re.sub(pattern, lambda match: self._forms[match[0]], text)

    def _in(self, text: str) -> list[str]:
        """The forms that are in a text."""
        if len(self._forms) <= _FEW:
            return [form for form in self._forms if form in text]
        pieces = {text[at : at + SHORTEST_SEARCHED] for at in range(len(text) - SHORTEST_SEARCHED + 1)}
        return [form for piece in pieces & self._beginnings.keys() for form in self._beginnings[piece] if form in text]


def _searched(secret: str) -> bool:
    if len(secret) < SHORTEST_SEARCHED or _COMMON.fullmatch(secret):
        return False
    return not (secret.isalpha() and telling(secret)[0])  # such as "password", which is the name of many fields


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, percent-encoded, in JSON, and in XML."""
    yield secret
    yield quote(secret, safe="", errors="surrogatepass")
    yield quote_plus(secret, errors="surrogatepass")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)
