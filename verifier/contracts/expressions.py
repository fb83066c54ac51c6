"""OpenAPI runtime expressions, which point at values of an exchange (OpenAPI 3.1, section 4.8.20.3).

`$method`, `$url`, `$statusCode`, `$request.header.NAME`, `$request.query.NAME`, `$request.path.NAME`,
`$request.body#/pointer`, and the same for `$response`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, quote

from verifier.contracts.shared_json import SHORT, decode
from verifier.http.message import Request, Response, header
from verifier.paths import path_values
from verifier.pointers import MISSING, value_at


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. `side`: request, response or ""; `part`: method, url, status, header, query, path, body."""

    text: str
    side: str
    part: str
    name: str

    @property
    def names_path(self) -> bool:
        """Whether the value depends on the template of the path."""
        return self.part == "path"

    def value(self, request: Request, response: Response | None, template: str = "") -> str | None:
        """The value as text, or None if there is none. `template` names path parameters (`/orders/{id}`)."""
        if self.part == "method":
            return request.method
        if self.part == "url":
            return request.target
        if self.part == "status":
            return str(response.status) if response else None
        if self.side == "response" and response is None:
            return None
        message = response if self.side == "response" and response is not None else request
        if self.part == "header":
            return header(message.headers, self.name)
        if self.part == "body":
            return as_text(value_at(body_json(message.body), self.name))
        if self.part == "query":
            query = parse_qs(request.target.partition("#")[0].partition("?")[2], keep_blank_values=True)
            return next(iter(query.get(self.name, [])), None)
        return path_values(template, request.path).get(self.name)


def parse(text: str) -> Expression:
    """Parse an expression. Raises ValueError with a sentence if it is not one."""
    if text in ("$method", "$url", "$statusCode"):
        part = "status" if text == "$statusCode" else text[1:]
        return Expression(text, "", part, "")
    side, dot, rest = text[1:].partition(".")
    if not text.startswith("$") or side not in ("request", "response") or not dot:
        raise ValueError(f"{text!r} is not a runtime expression such as $request.header.Idempotency-Key")
    if rest == "body" or rest.startswith("body#"):
        pointer = rest[5:]
        if pointer and not pointer.startswith("/"):
            raise ValueError(f"the JSON pointer in {text!r} must begin with /")
        return Expression(text, side, "body", pointer)
    part, dot, name = rest.partition(".")
    allowed = ("header", "query", "path") if side == "request" else ("header",)
    if part not in allowed or not name:
        raise ValueError(f"{text!r} must name a body or one of {', '.join(allowed)}")
    return Expression(text, side, part, name)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to ask: an expression, a fixed path, or a path with expressions in braces (OpenAPI 3.1, section 4.8.20.4).

    `parts` are literal texts and expressions, in order.
    """

    text: str
    parts: tuple[str | Expression, ...]

    @property
    def names_path(self) -> bool:
        """Whether the value depends on the template of the path."""
        return any(isinstance(part, Expression) and part.names_path for part in self.parts)

    def value(self, request: Request, response: Response | None, template: str = "") -> str | None:
        """The address, None where one of its values is missing. A value inside a path is percent-encoded."""
        found = [part if isinstance(part, str) else part.value(request, response, template) for part in self.parts]
        if any(part is None for part in found):
            return None
        whole = len(self.parts) == 1
        return "".join(
            text if whole or isinstance(part, str) else quote(text, safe="")
            for part, text in zip(self.parts, found, strict=True)
            if text is not None
        )


def parse_address(text: str) -> Address:
    """Raises ValueError with a sentence for anything that is not an address."""
    if text.startswith("$"):
        return Address(text, (parse(text),))
    if not text.startswith(("/", "http://", "https://")):
        raise ValueError(f"{text!r} is neither a runtime expression nor a path such as /jobs/{{$response.body#/id}}")
    pieces = re.split(r"\{(\$[^{}]*)\}", text)
    parts = [parse(piece) if at % 2 else piece for at, piece in enumerate(pieces)]
    return Address(text, tuple(part for part in parts if part != ""))


def body_json(body: bytes) -> Any:
    """The body as JSON, or MISSING if it is not JSON. The result is shared, so callers must not change it."""
    if not body:
        return MISSING
    return _short(body) if len(body) < SHORT else _long(body)


def _decoded(body: bytes) -> Any:
    try:
        return decode(body)
    except (ValueError, RecursionError):
        return MISSING


# Whoever looks at a history looks at the same bodies again and again. The bounds are of memory.
_short = lru_cache(maxsize=1 << 15)(_decoded)
_long = lru_cache(maxsize=4096)(_decoded)


def as_text(value: Any) -> str | None:
    if value is MISSING or value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
