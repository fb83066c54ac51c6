"""Messages to bytes: framing headers are ours, hop-by-hop headers go, header injection is refused.

Text goes out as Latin-1, the inverse of how incoming bytes are read, so a forwarded header keeps its bytes; text
outside Latin-1 (a recording edited by hand) goes out as UTF-8. A recording repeats most of its headers, so lines are
remembered; what is remembered has been checked.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from verifier.history.message import Headers, Request, Response

# RFC 9110, section 7.6.1, and the framing headers that the wire writes itself. `Expect` goes too: the body follows at
# once, so there is nothing to wait for.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"proxy-connection", "proxy-authenticate", "proxy-authorization"}
)
FRAMING = frozenset(("content-length", "transfer-encoding", "expect", "http2-settings"))

_SPECIAL = frozenset(("host", "connection", "content-length"))  # what is written for them depends on the message
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[^\x00-\x20\x7f]+")
_BREAK = re.compile(r"[\r\n\0]")
_EXPECTS_BODY = frozenset(("POST", "PUT", "PATCH"))
_LINES_KEPT = 4096
_LONGEST_KEPT = 256  # characters of a header value; longer ones are mostly tokens

_BLOCKS_KEPT = 1024
_LONGEST_BLOCK = 4096  # bytes

Blocks = dict[Headers, bytes]  # what is written for a request's headers, for one authority; checked

_lines: dict[tuple[str, str], bytes] = {}
_starts: dict[str, bytes] = {}
_methods: set[str] = set()
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def encode_request(request: Request, authority: bytes, blocks: Blocks | None = None) -> bytes:
    """The whole request. `authority` is the Host when the request has none; `blocks` remembers from call to call.

    Raises ValueError when the method, the target or a header could be read as something else on the wire.
    """
    method, target, body = request.method, request.target, request.body
    if method not in _methods:
        _learn_method(method)
    # The first two questions are the quick ones; what is not printable may still be text beyond ASCII.
    if (" " in target or not target.isprintable() or not target) and _TARGET.fullmatch(target) is None:
        raise ValueError(f"the request target {target!r} is empty or has a space or a control character")
    block = None if blocks is None else blocks.get(request.headers)
    if block is None:
        block = _block(request.headers, authority, blocks)
    first = f"{method} {target} HTTP/1.1"
    start = first.encode() if target.isascii() else encoded(first)
    if body or method in _EXPECTS_BODY:
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (start, block, len(body), body)
    return start + block + b"\r\n\r\n"


def _block(headers: Headers, authority: bytes, blocks: Blocks | None) -> bytes:
    """The header lines of a request, each begun by a line break; Host comes first.

    Requests often differ from each other by their last header (a trace), so those before it are remembered too.
    """
    if blocks is None or not headers:
        return _written(headers, authority)
    before, last = headers[:-1], headers[-1]
    known, line = blocks.get(before), _line(last)
    if known is not None and line is not None:
        return known + line
    block = _written(headers, authority)
    if len(block) <= _LONGEST_BLOCK:
        if len(blocks) >= _BLOCKS_KEPT:
            blocks.clear()
        blocks[headers] = block
        # Where a Connection header names other headers, one more may be among them.
        if line is not None and not any(name.lower() == "connection" and _nominated(value) for name, value in before):
            blocks[before] = _written(before, authority)
    return block


def _written(headers: Headers, authority: bytes) -> bytes:
    host, hosted = b"\r\nHost: " + authority, False
    lines = []
    for pair in headers:
        line = _lines.get(pair)
        if line is None:
            line = _learn(pair)
        if line is not None:
            lines.append(line)
            continue
        special = pair[0].lower()
        if special == "host":
            host, hosted = host if hosted else _written_out(pair), True
        elif special == "connection" and (named := _nominated(pair[1])):
            return _written(_without(headers, named), authority)
    return host + b"".join(lines)


def encode_response(response: Response, method: str, keep_alive: bool) -> tuple[bytes, bytes]:
    """Head and body of an answer to a request of that method. Raises ValueError as `encode_request` does."""
    status = response.status
    if not 200 <= status <= 999:
        raise ValueError(f"status {status} cannot end an exchange")
    lines = [encoded(f"HTTP/1.1 {status} {_REASONS.get(status, '')}")]
    bodiless = method == "HEAD" or status in (204, 304)
    for pair in response.headers:
        line = _lines.get(pair)
        if line is None:
            line = _learn(pair)
        if line is not None:
            lines.append(line)
            continue
        special = pair[0].lower()
        # Without a body, Content-Length describes what a GET would have brought: it is content, not framing.
        if special == "host" or (special == "content-length" and bodiless and status != 204):
            lines.append(_written_out(pair))
        elif special == "connection" and (named := _nominated(pair[1])):
            return encode_response(
                Response(status, _without(response.headers, named), response.body), method, keep_alive
            )
    if not bodiless:
        lines.append(b"\r\nContent-Length: %d" % len(response.body))
    lines.append(b"\r\n\r\n" if keep_alive else b"\r\nConnection: close\r\n\r\n")
    return b"".join(lines), b"" if bodiless else response.body


def http2_headers(request: Request, scheme: str, authority: bytes) -> list[tuple[bytes, bytes]]:
    """The header block of a request (RFC 9113, section 8.3). Raises ValueError as `encode_request` does."""
    head, _, _ = encode_request(request, authority).partition(b"\r\n\r\n")
    _, *lines = head.split(b"\r\n")
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    host = next(value for name, value in pairs if name == b"host")
    pseudo = [
        (b":method", encoded(request.method)),
        (b":scheme", scheme.encode()),
        (b":authority", host),
        (b":path", encoded(request.target)),
    ]
    return pseudo + [pair for pair in pairs if pair[0] != b"host"]


def encoded(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _learn(pair: tuple[str, str]) -> bytes | None:
    """`_line`, remembered."""
    line = _line(pair)
    if line is not None and len(pair[1]) <= _LONGEST_KEPT:
        if len(_lines) >= _LINES_KEPT:
            _lines.clear()
        _lines[pair] = line
    return line


def _line(pair: tuple[str, str]) -> bytes | None:
    """The line for a header: empty if it stays behind, None if that depends on the message."""
    name, value = pair
    start = _starts.get(name)
    if start is None:
        start = _learn_name(name)
    if not start:
        return start
    line = start + _value(name, value)
    return None if name.lower() in _SPECIAL else line


def _written_out(pair: tuple[str, str]) -> bytes:
    return encoded(f"\r\n{pair[0]}: ") + _value(*pair)


def _value(name: str, value: str) -> bytes:
    # The first question is the quick one; what is not printable may still be text.
    if not value.isprintable() and _BREAK.search(value) is not None:
        raise ValueError(f"the header {name} holds a line break or a NUL: {value[:200]!r}")
    return encoded(value)


def _learn_name(name: str) -> bytes:
    """How the lines of a header begin; empty if it stays behind, as HTTP/2 pseudo-headers in a browser's HAR do."""
    lowered = name.lower()
    if lowered not in _SPECIAL and (lowered in HOP_BY_HOP or lowered in FRAMING or name.startswith(":")):
        start = b""
    elif _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a header name")
    else:
        start = encoded(f"\r\n{name}: ")
    if len(_starts) >= _LINES_KEPT:
        _starts.clear()
    _starts[name] = start
    return start


def _learn_method(method: str) -> None:
    if _TOKEN.fullmatch(method) is None or method == "CONNECT":
        raise ValueError(f"{method!r} is not a method that can be sent")
    if len(_methods) < _LINES_KEPT:
        _methods.add(method)


def _nominated(value: str) -> frozenset[str]:
    """Headers that a Connection header declares to be hop-by-hop."""
    names = frozenset(part.strip().lower() for part in value.split(","))
    return names - HOP_BY_HOP - FRAMING - {"close", "", "host"}


def _without(headers: Headers, names: frozenset[str]) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() not in names and pair[0].lower() != "connection")
