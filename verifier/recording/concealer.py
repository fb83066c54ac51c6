"""Decides for one value after the other whether it is secret, and replaces it. The walkers bring the values."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from collections.abc import Set
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote_plus

from verifier.recording.redaction_log import RedactionLog
from verifier.recording.secret_map import PREFIX, SHORTEST_SEARCHED, SecretMap
from verifier.recording.secret_names import Telling, beside, header_is_secret, plain, telling
from verifier.recording.secret_shapes import hide_shapes, is_plain, is_random, is_uuid

_SIGN_UPS = 1000  # whose bodies are remembered
_MASKED = re.compile(r"[*\u2022]{3,}[\s\d*\u2022-]{0,30}")
_TRIVIAL = frozenset({"true", "false", "null", "none", "undefined"})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}")
# Cookies that say how a page looks. What they say matters for a replay.
_HARMLESS_COOKIES = frozenset(
    {"lang", "language", "locale", "theme", "currency", "country", "tz", "timezone", "consent"}
)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is secret besides the families of names and the shapes: names of headers, and of fields in bodies, forms
    and queries. Names in `keep` are not secret.

    Names are compared without case, `-` and `_`, so `access_token` also stands for `accessToken`.
    """

    headers: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def also(
        self, headers: tuple[str, ...] = (), fields: tuple[str, ...] = (), keep: tuple[str, ...] = ()
    ) -> Redaction:
        """These and more names."""
        return Redaction((*self.headers, *headers), (*self.fields, *fields), (*self.keep, *keep))


class Concealer:
    """Replaces secrets by placeholders, and counts what it does. `place` says where the present values stand."""

    def __init__(self, redaction: Redaction) -> None:
        self._headers = frozenset(map(plain, redaction.headers))
        self._fields = frozenset(map(plain, redaction.fields))
        self._keep = frozenset(map(plain, redaction.keep))
        self._sign_ups: deque[str] = deque(maxlen=_SIGN_UPS)  # the bodies of requests that have made an account
        self.secrets = SecretMap()
        self.log = RedactionLog()
        self.place = ""

    def sign_up(self, body: str) -> None:
        """Remember the body of a request that has made an account."""
        self._sign_ups.append(body)

    def telling(self, name: str) -> tuple[Telling, bool]:
        """What a name says about its value, and whether numbers are meant too."""
        own = plain(name)
        if own in self._keep:
            return Telling.NOTHING, False
        if own in self._fields or (self._fields and _last(name) in self._fields):
            return Telling.CERTAIN, True
        return telling(name)

    def is_secret(self, name: str, value: str, siblings: Set[str] = frozenset(), redirected: bool = False) -> bool:
        """Whether a value is secret because of its name, and of the names beside it (`plain`)."""
        if not value or value.lower() in _TRIVIAL or _MASKED.fullmatch(value):
            return False
        told, _ = self.telling(name)
        if told is Telling.CERTAIN:
            return True
        if told is Telling.LIKELY:
            if is_uuid(value) and plain(name).endswith("session"):  # the name that a client gives to its session
                self.log.leave(self.place, name)
                return False
            return not is_plain(value)
        if told is Telling.KEY:
            return is_random(value)
        return beside(name, siblings, redirected) and plain(name) not in self._keep

    def conceal(self, name: str, secret: str) -> str:
        """The placeholder of a secret."""
        hidden = self.secrets.placeholder(secret)
        if hidden != secret:
            self.log.hide(self.place, name)
        return hidden

    def number(self, name: str, value: object, digits: int) -> int:
        """A number in place of a secret one."""
        self.log.hide(self.place, name, number=True)
        most: int = 10 ** max(1, digits)
        return int(self.secrets.placeholder(f"number {value}").removeprefix(PREFIX), 16) % most

    def shapes(self, text: str, name: str) -> str:
        """A text with what is secret by its shape replaced."""
        return hide_shapes(text, lambda secret: self.conceal(name, secret))

    def note(self, name: str, text: str) -> None:
        """Count a value that is left, if it looks like a secret."""
        if len(text) >= 20 and PREFIX not in text and is_random(text) and name:
            self.log.leave(self.place, name)

    # ---- headers

    def is_secret_header(self, name: str, value: str) -> bool:
        own = plain(name)
        if own in self._keep:
            if not is_plain(value):
                self.log.leave(self.place, name)
            return False
        return own in self._headers or header_is_secret(name) or self.is_secret(name, value)

    def header(self, name: str, value: str) -> str:
        """The value of a secret header. The scheme of credentials stays, and so do the names of cookies."""
        own = plain(name)
        if own == "cookie":
            return "; ".join(self._cookie(part.strip()) for part in value.split(";"))
        if own == "setcookie":
            first, mark, rest = value.partition(";")
            return self._cookie(first.strip()) + mark + rest
        scheme, space, secret = value.partition(" ")
        if not space or "auth" not in own or not _SCHEME.fullmatch(scheme):
            return self.conceal(name, value)
        return f"{scheme} {self.basic(name, secret) if scheme.lower() == 'basic' else self.conceal(name, secret)}"

    def _cookie(self, pair: str) -> str:
        name, mark, value = pair.partition("=")
        if not mark:
            return self.conceal("cookie", pair)
        if name.lower() in _HARMLESS_COOKIES and is_plain(value) and len(value) <= 20:
            return pair
        return f"{name}={self.conceal(name, value)}"

    def basic(self, name: str, secret: str) -> str:
        """Basic credentials stay well-formed, so that a service that accepts any user still accepts them."""
        try:
            user, mark, password = base64.b64decode(secret.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return self.conceal(name, secret)
        known = user if self._signed_up(user) else self.secrets.placeholder(user)
        coded = base64.b64encode(f"{known}{mark}{self.conceal(name, password)}".encode()).decode()
        if len(secret) >= SHORTEST_SEARCHED and coded != secret.strip():
            self.secrets.add_form(secret.strip(), coded)
        return coded

    def _signed_up(self, user: str) -> bool:
        """Whether the recording itself made the account, so that its name is in the recording anyway."""
        forms = (json.dumps(user), json.dumps(user, ensure_ascii=False), f"={quote_plus(user)}&")
        return bool(user) and any(form in f"{body}&" for body in self._sign_ups for form in forms)


def _last(name: str) -> str:
    parts = re.findall(r"[^\[\].]+", name)
    return plain(parts[-1]) if parts else ""


def decoded(text: str) -> str:
    """One name or value of a form."""
    found = parse_qsl(f"x={text}", keep_blank_values=True)
    return found[0][1] if found else text
