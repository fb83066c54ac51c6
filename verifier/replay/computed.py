"""Values that a client computes from others, such as a signature of the body: computed anew for each request.

The matrix says where such a value stands and how it is made (`ComputedRule`). It is computed from the request as it is
sent, with the secrets of real accounts, and written in the form of the recorded one: hexadecimal or base64, and with
whatever surrounds it (`sha256=…`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus

from verifier.history.model import Operation
from verifier.http.message import Request, header
from verifier.matrix.computed import FUNCTIONS, PARTS
from verifier.matrix.traffic_rules import ComputedRule
from verifier.pointers import MISSING, value_at
from verifier.replay.credentials import Credentials

_SIZES = {name: hashlib.new(name).digest_size for name in FUNCTIONS}
_TELLING = re.compile(r"sig|hmac|digest|hash|checksum|md5|sha\d", re.I)


@dataclass(frozen=True, slots=True)
class Computed:
    """The rules of a run. `credentials` holds their keys."""

    rules: tuple[ComputedRule, ...]
    credentials: Credentials | None

    def fill(self, request: Request) -> Request:
        """The request with all values that rules compute, in the order of the rules; the same one without any."""
        for rule in self.rules:
            if rule.applies(request.method, request.path):
                request = self._filled(rule, request)
        return request

    def _filled(self, rule: ComputedRule, request: Request) -> Request:
        if rule.kind == "header":
            wanted = rule.name.lower()
            if header(request.headers, wanted) is None:
                return request
            digest = self._digest(rule, request)
            headers = tuple(
                (name, swapped(value, digest) if name.lower() == wanted else value) for name, value in request.headers
            )
            return Request(request.method, request.target, headers, request.body)
        if rule.kind == "query":
            path, mark, query = request.target.partition("?")
            pairs = query.split("&")
            if not any(unquote_plus(pair.partition("=")[0]) == rule.name for pair in pairs):
                return request
            digest = self._digest(rule, request)
            for at, pair in enumerate(pairs):
                name, _, value = pair.partition("=")
                if unquote_plus(name) == rule.name:
                    pairs[at] = f"{name}={quote(swapped(unquote_plus(value), digest), safe='')}"
            return Request(request.method, path + mark + "&".join(pairs), request.headers, request.body)
        old = value_at(_document(request.body), rule.name)
        if not isinstance(old, str) or not old:
            return request
        new = json.dumps(swapped(old, self._digest(rule, request))).encode()
        body = request.body.replace(json.dumps(old).encode(), new)
        return Request(request.method, request.target, request.headers, body)

    def _digest(self, rule: ComputedRule, request: Request) -> bytes:
        sent = request if self.credentials is None else self.credentials.insert(request)
        text = PARTS.sub(lambda found: _part(sent, found[1], found[2] or ""), rule.over)
        data = text.encode("utf-8", "surrogateescape")
        if not rule.keyed:
            return hashlib.new(rule.function, data).digest()
        if self.credentials is None:
            raise ValueError("a key is computed with, but there are no credentials")
        key = self.credentials.insert(Request("", "/", (), rule.key.encode())).body  # in place of its placeholder
        return hmac.digest(key, data, rule.function)


def _part(request: Request, part: str, name: str) -> str:
    """What a template names, bytes that are no UTF-8 as surrogates."""
    path, _, query = request.target.partition("?")
    if part == "header":
        return header(request.headers, name) or ""
    if part == "query" and name:
        return dict(parse_qsl(query, keep_blank_values=True)).get(name, "")
    if part == "body" and name:
        value = value_at(_document(request.body), name)
        return value if isinstance(value, str) else "" if value is MISSING else json.dumps(value)
    whole = {"method": request.method, "target": request.target, "path": path, "query": query}
    return whole[part] if part in whole else request.body.decode("utf-8", "surrogateescape")


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


def swapped(value: str, digest: bytes) -> str:
    """A recorded value with a new digest in the place and the form of the old one; all of it where none is seen."""
    size = len(digest)
    for form in (rf"(?<![0-9a-fA-F])[0-9a-fA-F]{{{2 * size}}}(?![0-9a-fA-F])", _base64_form(size)):
        found = re.search(form, value)
        if found is not None:
            new = _in_form(found[0], digest)
            return value[: found.start()] + new + value[found.end() :]
    return digest.hex()


def _base64_form(size: int) -> str:
    letters = -(-size * 8 // 6)
    return rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{letters}}}(?![A-Za-z0-9+/_-])={{0,2}}"


def _in_form(old: str, digest: bytes) -> str:
    if len(old) == 2 * len(digest):
        return digest.hex().upper() if old.isupper() else digest.hex()
    coded = b64encode(digest).decode()
    if "-" in old or "_" in old:
        coded = coded.replace("+", "-").replace("/", "_")
    return coded if old.endswith("=") or not coded.endswith("=") else coded.rstrip("=")


# ---- what no rule computes


def digest_message(operation: Operation, rules: Sequence[ComputedRule]) -> str:
    """The message about a refused request that carries what looks like a digest and no rule computes; "" for others.

    It goes by the name of the place and by the length of the value, so it can be wrong: it is a hint.
    """
    response, request = operation.response, operation.request
    if response is None or response.status not in (400, 401, 403):
        return ""
    for kind, name, value in _places(request):
        ruled = any(rule.kind == kind and rule.name.lower() == name.lower() for rule in rules)
        function = _looks_like(value) if _TELLING.search(name) and not ruled else ""
        if function:
            return (
                f"was answered {response.status}, and its {kind} {name} looks like a digest that the client computes, "
                f"so that the recorded one does not fit another request; say how, under rules of the recording: "
                f"computed: [{{{kind}: {name}, {function}: body}}], or {function}-hmac and a key: {{env: NAME}}"
            )
    return ""


def _places(request: Request) -> list[tuple[str, str, str]]:
    query = request.target.partition("?")[2]
    document = _document(request.body)
    members = document.items() if isinstance(document, dict) else ()
    return [
        *(("header", name, value) for name, value in request.headers if name.lower() != "cookie"),
        *(("query", name, value) for name, value in parse_qsl(query)),
        *(("body", f"/{name}", value) for name, value in members if isinstance(value, str)),
    ]


def _looks_like(value: str) -> str:
    """The function whose digest a value may hold; "" for none."""
    for name in ("sha256", "sha1", "md5", "sha512"):
        size = _SIZES[name]
        if re.search(rf"(?<![0-9a-fA-F])[0-9a-fA-F]{{{2 * size}}}(?![0-9a-fA-F])", value):
            return name
        if re.search(_base64_form(size) + r"\Z", value) and re.search(r"\d", value) and re.search("[A-Z]", value):
            return name
    return ""
