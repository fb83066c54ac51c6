"""Placeholders for secrets: equal secrets get equal ones, and known secrets are found wherever they occur later."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from urllib.parse import quote, quote_plus

PREFIX = "redacted-"
# What `SecretMap` makes, or a name that somebody has put into a recording by hand.
PLACEHOLDER = re.compile(rf"{PREFIX}(?:[0-9a-f]{{24}}|[A-Za-z0-9_-]*[A-Za-z0-9])")
# Shorter secrets are not searched for: replacing every "1234" would ruin the recording.
SHORTEST_SEARCHED = 8
_MOST_SEARCHED = 2000  # forms of the latest secrets


class SecretMap:
    """Maps secrets to placeholders under a random key that is lost with the map."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._forms: dict[str, str] = {}  # what is searched for, and what replaces it
        self._pattern: re.Pattern[str] | None = None

    def placeholder(self, secret: str) -> str:
        """The placeholder of a secret. A placeholder stays as it is."""
        if not secret or secret.startswith(PREFIX):
            return secret
        digest = hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), key=self._key, digest_size=12).hexdigest()
        text = PREFIX + digest
        if len(secret) >= SHORTEST_SEARCHED and secret not in self._forms:
            self.add_form(secret, text)
            escaped = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
            quoted = (quote(secret, safe="", errors="surrogatepass"), quote_plus(secret, errors="surrogatepass"))
            for form in (*quoted, *escaped):
                self.add_form(form, text)
        return text

    def add_form(self, form: str, text: str) -> None:
        """From now on replace one form of a secret, such as its encoding, by `text`."""
        self._forms.setdefault(form, text)
        while len(self._forms) > _MOST_SEARCHED:
            del self._forms[next(iter(self._forms))]
        self._pattern = None

    def replace_in(self, text: str) -> str:
        """The text with every known secret replaced."""
        if not self._forms or not text:
            return text
        if self._pattern is None:
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern.sub(lambda found: self._forms[found[0]], text)
