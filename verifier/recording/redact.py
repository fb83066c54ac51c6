"""Redaction that keeps correlation possible: within one file, equal secrets become equal placeholders.

A placeholder is a keyed hash (BLAKE2b, RFC 7693) under a random key that is lost with the writer, so it can neither
be reversed nor compared between files. A secret seen once is also replaced wherever it occurs in later exchanges: in
targets, in other headers, in bodies. Addresses inside headers and bodies (Location, links to a next page) are redacted
like the requests that will follow them.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from verifier.http.message import Headers, Request, Response, header
from verifier.recording.model import Exchange
from verifier.recording.secret_map import PREFIX, SHORTEST_SEARCHED, SecretMap
from verifier.recording.signup import signs_up

_HEADERS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token")
_FIELDS = ("password", "passwd", "secret", "client_secret", "token", "access_token", "refresh_token", "id_token",
           "session_token", "csrf_token", "api_key")  # fmt: skip
# A parameter of an address inside a text.
_PARAMETER = re.compile(r"(?<=[?&;])([\w.\-\[\]%]+)=([^&#\s\"'<>]+)")
# What may precede a JSON document: white space, and the byte order marks and zeros of its encodings.
_BEFORE = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"
# A member of an object in broken JSON, its value perhaps cut short. The length of a name is limited, so time is linear.
_MEMBER = re.compile(
    r'(?<!\\)("((?:[^"\\]|\\.){0,200}+)"\s*+:\s*+)("(?:[^"\\]|\\.)*+(?:"|\\?\Z)|-?\d[\d.eE+-]*+|[{\[])', re.DOTALL
)
_SIGN_UPS = 1000  # whose bodies are remembered
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;,\s]+))', re.IGNORECASE)
# Of a part: what ends its headers, its field's name (a header may be folded), its media type.
_GAP = re.compile(r"\r?\n\r?\n")
_PART = re.compile(
    r'^content-disposition:(?:[^\r\n]|\r?\n(?=[ \t]))*?[;\s]name=(?:"([^"\r\n]*)"|([^;\s]+))',
    re.IGNORECASE | re.MULTILINE,
)
_PART_TYPE = re.compile(r"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is secret: header names, and names of fields in JSON bodies, forms and queries.

    Names are compared without case, `-` and `_`, so `access_token` also stands for `accessToken`.
    """

    headers: tuple[str, ...] = _HEADERS
    fields: tuple[str, ...] = _FIELDS

    def also(self, headers: tuple[str, ...] = (), fields: tuple[str, ...] = ()) -> Redaction:
        """These and more names."""
        return Redaction((*self.headers, *headers), (*self.fields, *fields))


class Redactor:
    """Redacts exchanges one after the other."""

    def __init__(self, redaction: Redaction) -> None:
        self._headers = frozenset(map(_plain, (*_HEADERS[:4], *redaction.headers)))
        self._fields = frozenset(map(_plain, redaction.fields))
        self._secrets = SecretMap()
        self._sign_ups: deque[str] = deque(maxlen=_SIGN_UPS)  # the bodies of requests that have made an account

    def exchange(self, exchange: Exchange) -> Exchange:
        request, response = exchange.request, exchange.response
        if signs_up(request.method, request.target, response.status):
            self._sign_ups.append(_text(request.body))
        # Secret fields and headers come first, because they say what to search for in the rest.
        headers = self._sent_headers(request.headers)
        body = self._body(request.body, header(request.headers, "content-type") or "")
        path, mark, query = request.target.partition("?")
        target = path + mark + self._pairs(query)
        response_headers = self._sent_headers(response.headers)
        response_body = self._body(response.body, header(response.headers, "content-type") or "")
        target, headers, body = self._replaced(target, headers, body)
        _, response_headers, response_body = self._replaced("", response_headers, response_body)
        return replace(
            exchange,
            request=Request(request.method, target, headers, body),
            response=Response(response.status, response_headers, response_body),
        )

    def placeholder(self, secret: str) -> str:
        """The placeholder of a secret."""
        return self._secrets.placeholder(secret)

    def _replaced(self, target: str, headers: Headers, body: bytes) -> tuple[str, Headers, bytes]:
        """A message with every secret replaced that is known by now."""
        replace_in = self._secrets.replace_in
        found = tuple((name, replace_in(value)) for name, value in headers)
        return replace_in(target), found, _bytes(replace_in(_text(body)))

    def _sent_headers(self, headers: Headers) -> Headers:
        return tuple((name, self._header(name, value)) for name, value in headers)

    def _header(self, name: str, value: str) -> str:
        plain = _plain(name)
        if plain not in self._headers:
            return self._links(value)
        if plain == "cookie":
            return "; ".join(self._cookie(part.strip()) for part in value.split(";"))
        if plain == "setcookie":
            first, mark, rest = value.partition(";")
            return self._cookie(first.strip()) + mark + rest
        scheme, space, secret = value.partition(" ")
        if not space:
            return self._secrets.placeholder(value)
        return f"{scheme} {self._basic(secret) if scheme.lower() == 'basic' else self._secrets.placeholder(secret)}"

    def _cookie(self, pair: str) -> str:
        name, mark, value = pair.partition("=")
        return f"{name}={self._secrets.placeholder(value)}" if mark else self._secrets.placeholder(pair)

    def _basic(self, secret: str) -> str:
        """Basic credentials stay well-formed, so that a service that accepts any user still accepts them."""
        try:
            user, mark, password = base64.b64decode(secret.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return self._secrets.placeholder(secret)
        name = user if self._signed_up(user) else self._secrets.placeholder(user)
        pair = f"{name}{mark}{self._secrets.placeholder(password)}"
        coded = base64.b64encode(pair.encode()).decode()
        if len(secret) >= SHORTEST_SEARCHED:
            self._secrets.add_form(secret.strip(), coded)
        return coded

    def _signed_up(self, user: str) -> bool:
        """Whether the recording itself made the account, so that its name is in the recording anyway."""
        forms = (json.dumps(user), json.dumps(user, ensure_ascii=False), f"={quote_plus(user)}&")
        return bool(user) and any(form in f"{body}&" for body in self._sign_ups for form in forms)

    def _body(self, body: bytes, media_type: str) -> bytes:
        if not body:
            return body
        kind = media_type.lower()
        if "urlencoded" in kind:
            return _bytes(self._pairs(_text(body)))
        if body.lstrip(_BEFORE)[:1] in (b"{", b"["):  # whatever its media type says
            return self._document(body)
        if kind.startswith("multipart/"):
            return _bytes(self._parts(_text(body), media_type))
        return _bytes(self._links(_text(body))) if kind.startswith("text/") else body

    def _document(self, body: bytes) -> bytes:
        try:
            value = json.loads(body, object_pairs_hook=each_once)
            redacted = self._json(value, secret=False)
        except (ValueError, RecursionError):
            return self._broken_json(_text(body))
        if redacted == value:
            return body
        return json.dumps(redacted, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    def _broken_json(self, text: str) -> bytes:
        """Several documents in one, one cut short, or one nested too deeply: redacted as text.

        The end of a secret that is an object or a list cannot be found, so the whole body is dropped.
        """
        try:
            return _bytes(self._links(_MEMBER.sub(self._member, text)))
        except _Nested:
            return b""

    def _member(self, found: re.Match[str]) -> str:
        start, name, value = found.groups()
        if not self._secret(_unescaped(name)):
            return found[0]
        if value in ("{", "["):
            raise _Nested
        if not value.startswith('"'):
            return f"{start}{self._number(value, len(value))}"
        closed = len(value) > 1 and value.endswith('"')
        return f'{start}"{self._secrets.placeholder(_unescaped(value[1 : -1 if closed else None]))}' + '"' * closed

    def _parts(self, text: str, media_type: str) -> str:
        """A multipart body with its secret fields replaced, and the secrets in parts that are documents or texts."""
        boundary = _BOUNDARY.search(media_type)
        if not boundary:
            return text
        mark = f"--{boundary[1] or boundary[2]}"
        parts = text.split(mark)
        for number, part in enumerate(parts):
            gap = _GAP.search(part)
            if gap:
                head, content = part[: gap.end()], part[gap.end() :]
                value = content.removesuffix("\n").removesuffix("\r")
                parts[number] = head + self._part(head, value) + content[len(value) :]
        return mark.join(parts)

    def _part(self, head: str, value: str) -> str:
        name, kind = _PART.search(head), _PART_TYPE.search(head)
        if name and self._secret(name[1] or name[2] or ""):
            return self._secrets.placeholder(value)
        media_type = kind[1] if kind else "text/plain"
        # Parts of parts are left alone, because they could be nested without end.
        return value if media_type.lower().startswith("multipart/") else _text(self._body(_bytes(value), media_type))

    def _json(self, value: Any, secret: bool) -> Any:
        if isinstance(value, dict):
            return {name: self._json(item, secret or self._secret(name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._json(item, secret) for item in value]
        if isinstance(value, str):
            return self._secrets.placeholder(value) if secret else self._string(value)
        if not secret or isinstance(value, bool) or value is None:
            return value
        return self._number(value, len(str(abs(int(value)))) if math.isfinite(value) else 1)

    def _string(self, text: str) -> str:
        """A string of a document, which may itself be a document."""
        if text.lstrip()[:1] not in ("{", "["):
            return self._links(text)
        return self._document(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _number(self, value: object, digits: int) -> int:
        most: int = 10 ** max(1, digits)
        return int(self._secrets.placeholder(f"number {value}").removeprefix(PREFIX), 16) % most

    def _secret(self, name: str) -> bool:
        """Whether a field is secret by its name, or by its last part: `user[password]`, `user.password`."""
        if _plain(name) in self._fields:
            return True
        parts = re.findall(r"[^\[\].]+", name) if "[" in name or "." in name else ()
        return len(parts) > 0 and _plain(parts[-1]) in self._fields

    def _pairs(self, text: str) -> str:
        """A query or form with its secret values replaced. The rest stays byte for byte."""
        parts = text.split("&")
        for number, part in enumerate(parts):
            name, mark, value = part.partition("=")
            if mark and value and self._secret(_one(name)):
                parts[number] = f"{name}={quote_plus(self._secrets.placeholder(_one(value)))}"
        return "&".join(parts)

    def _links(self, text: str) -> str:
        """A text with the secret parameters of the addresses in it replaced."""
        return _PARAMETER.sub(self._parameter, text) if "?" in text else text

    def _parameter(self, found: re.Match[str]) -> str:
        name, value = found.groups()
        return f"{name}={quote_plus(self._secrets.placeholder(_one(value)))}" if self._secret(_one(name)) else found[0]


class _Nested(Exception):
    """A secret in broken JSON is an object or a list."""


def _text(body: bytes) -> str:
    """Any body as text; the inverse of `_bytes`."""
    return body.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError for repeated names, of which all but the last value would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _one(text: str) -> str:
    found = parse_qsl(f"x={text}", keep_blank_values=True)
    return found[0][1] if found else text
