"""Messages to bytes: framing headers are ours, hop-by-hop headers go, header injection is refused.

Text goes out as Latin-1, the inverse of how incoming bytes are read, so a forwarded header keeps its bytes; text
outside Latin-1 (a recording edited by hand) goes out as UTF-8.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from verifier.history.message import Headers, Request, Response

# RFC 9110, section 7.6.1, and the framing headers that the wire writes itself. `Expect` goes too: the body follows at
# once, so there is nothing to wait for.
HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
    )
)
FRAMING = frozenset(("content-length", "transfer-encoding", "expect", "http2-settings"))

_PLAIN, _DROP, _HOST, _CONNECTION, _LENGTH = range(5)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[^\x00-\x20\x7f]+")
_EXPECTS_BODY = frozenset(("POST", "PUT", "PATCH"))
_NAMES_KEPT = 4096

_kinds: dict[str, int] = {}
_methods: set[str] = set()
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def encode_request(request: Request, authority: str) -> bytes:
    """The whole request. `authority` is the Host when the request has none.

    Raises ValueError when the method, the target or a header could be read as something else on the wire.
    """
    method, target, body = request.method, request.target, request.body
    if method not in _methods:
        _learn_method(method)
    if _TARGET.fullmatch(target) is None:
        raise ValueError(f"the request target {target!r} is empty or has a space or a control character")
    lines = [f"{method} {target} HTTP/1.1"]
    headers = request.headers
    hosted = False
    for name, value in headers:
        kind = _kinds.get(name)
        if kind is None:
            kind = _learn(name)
        if kind == _PLAIN:
            lines.append(f"{name}: {value}")
        elif kind == _HOST:
            if not hosted:
                lines.append(f"{name}: {value}")
            hosted = True
        elif kind == _CONNECTION and (named := _nominated(value)):
            return encode_request(Request(method, target, _without(headers, named), body), authority)
    if not hosted:
        lines.insert(1, f"Host: {authority}")
    if body or method in _EXPECTS_BODY:
        lines.append(f"Content-Length: {len(body)}")
    head = _joined(lines)
    return head + body if body else head


def encode_response(response: Response, method: str, keep_alive: bool) -> tuple[bytes, bytes]:
    """Head and body of an answer to a request of that method. Raises ValueError as `encode_request` does."""
    status = response.status
    if not 200 <= status <= 999:
        raise ValueError(f"status {status} cannot end an exchange")
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}"]
    bodiless = method == "HEAD" or status in (204, 304)
    headers = response.headers
    for name, value in headers:
        kind = _kinds.get(name)
        if kind is None:
            kind = _learn(name)
        # Without a body, Content-Length describes what a GET would have brought: it is content, not framing.
        if kind in (_PLAIN, _HOST) or (kind == _LENGTH and bodiless and status != 204):
            lines.append(f"{name}: {value}")
        elif kind == _CONNECTION and (named := _nominated(value)):
            return encode_response(Response(status, _without(headers, named), response.body), method, keep_alive)
    if not bodiless:
        lines.append(f"Content-Length: {len(response.body)}")
    if not keep_alive:
        lines.append("Connection: close")
    return _joined(lines), b"" if bodiless else response.body


def _joined(lines: list[str]) -> bytes:
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        bad = next(line for line in lines if "\r" in line or "\n" in line or "\0" in line)
        raise ValueError(f"a header holds a line break or a NUL: {bad[:200]!r}")
    text += "\r\n\r\n"
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n"


def _learn(name: str) -> int:
    """What to do with a header of that name as written; remembered, because a recording uses few names."""
    lowered = name.lower()
    if lowered == "connection":
        kind = _CONNECTION
    elif lowered == "content-length":
        kind = _LENGTH
    elif lowered in HOP_BY_HOP or lowered in FRAMING or name.startswith(":"):
        kind = _DROP  # a name with a colon in front is an HTTP/2 pseudo-header, which browsers write into a HAR
    elif _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a header name")
    else:
        kind = _HOST if lowered == "host" else _PLAIN
    if len(_kinds) >= _NAMES_KEPT:
        _kinds.clear()
    _kinds[name] = kind
    return kind


def _learn_method(method: str) -> None:
    if _TOKEN.fullmatch(method) is None or method == "CONNECT":
        raise ValueError(f"{method!r} is not a method that can be sent")
    if len(_methods) < _NAMES_KEPT:
        _methods.add(method)


def _nominated(value: str) -> frozenset[str]:
    """Headers that a Connection header declares to be hop-by-hop."""
    names = frozenset(part.strip().lower() for part in value.split(","))
    return names - HOP_BY_HOP - FRAMING - {"close", "", "host"}


def _without(headers: Headers, names: frozenset[str]) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() not in names and pair[0].lower() != "connection")
