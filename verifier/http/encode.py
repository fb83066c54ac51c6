"""Encoding messages: framing headers are written anew, hop-by-hop headers are dropped, header injection is refused.

Text is encoded as Latin-1, the inverse of how incoming bytes are decoded, so a forwarded header keeps its bytes. Text
outside Latin-1 (a recording edited by hand) is encoded as UTF-8. A recording repeats most of its headers, so encoded
lines are cached. What is cached has been checked.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from verifier.http.headers import PER_CONNECTION, TOKEN, nominated
from verifier.http.message import Headers, Request, Response

_SPECIAL = frozenset(("host", "connection", "content-length"))  # their lines depend on the message
_TARGET = re.compile(r"[^\x00-\x20\x7f]+")
_BREAK = re.compile(r"[\r\n\0]")
_EXPECTS_BODY = frozenset(("POST", "PUT", "PATCH"))
_LINES_KEPT = 4096
_VALUES_KEPT = 256  # of one header
_LONGEST_KEPT = 256  # characters of a header value; longer ones are mostly tokens

_BLOCKS_KEPT = 1024
_LONGEST_BLOCK = 4096  # bytes

Blocks = dict[Headers, bytes]  # the encoded headers of requests to one authority, by headers

_lines: dict[tuple[str, str], bytes] = {}
_values: dict[str, int] = {}  # by name, how many lines are cached
_starts: dict[str, bytes] = {}
_methods: set[str] = set()
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def encode_request(request: Request, authority: bytes, blocks: Blocks | None = None) -> bytes:
    """The whole request. `authority` is the Host when the request has none; `blocks` is a cache for later calls.

    Raises ValueError when the method, the target or a header could be read as something else on the wire.
    """
    method, target, body = request.method, request.target, request.body
    if method not in _methods:
        _check_method(method)
    # The first two checks are the quick ones. Text that is not printable may still be beyond ASCII.
    if (" " in target or not target.isprintable() or not target) and _TARGET.fullmatch(target) is None:
        raise ValueError(f"the request target {target!r} is empty or has a space or a control character")
    headers = request.headers
    # The trace differs in each request and comes last. The headers before it are often the same.
    traced = bool(headers) and headers[-1][0] == "traceparent" and blocks is not None
    block = None if blocks is None else blocks.get(headers[:-1] if traced else headers)
    if block is None:
        block = _encode_block(headers, authority, blocks, traced)
    elif traced:
        value = headers[-1][1]
        trace = value.encode() if value.isascii() and value.isprintable() else _value("traceparent", value)
        block = b"%b\r\ntraceparent: %b" % (block, trace)
    first = f"{method} {target} HTTP/1.1"
    start = first.encode() if target.isascii() else encoded(first)
    if body or method in _EXPECTS_BODY:
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (start, block, len(body), body)
    return start + block + b"\r\n\r\n"


def _encode_block(headers: Headers, authority: bytes, blocks: Blocks | None, traced: bool) -> bytes:
    """The header lines of a request, each after a line break, Host first.

    They are cached without the trace, and only if every line was seen before: values that are always new would fill the
    cache.
    """
    shared = headers[:-1] if traced else headers
    block, known, named = _encode_lines(shared, authority)
    if named:  # the trace may be among the headers that Connection names
        return _encode_lines(headers, authority)[0]
    if known and blocks is not None and len(block) <= _LONGEST_BLOCK:
        if len(blocks) >= _BLOCKS_KEPT:
            blocks.clear()
        blocks[shared] = block
    return block + (_line(headers[-1]) or b"") if traced else block


def _encode_lines(headers: Headers, authority: bytes) -> tuple[bytes, bool, bool]:
    """The lines; whether all were cached; whether a Connection header names others, which are then left out."""
    host, hosted, known = b"\r\nHost: " + authority, False, True
    lines = []
    for pair in headers:
        line = _lines.get(pair)
        if line is None:
            line = _remember_line(pair)
            known = known and line is None
        if line is not None:
            lines.append(line)
            continue
        special = pair[0].lower()
        if special == "host":
            host, hosted = host if hosted else _encode_pair(pair), True
        elif special == "connection" and (named := nominated(pair[1])):
            return _encode_lines(_without(headers, named), authority)[0], False, True
    return host + b"".join(lines), known, False


def encode_response(response: Response, method: str, keep_alive: bool) -> tuple[bytes, bytes]:
    """Head and body of a response to a request of that method. Raises ValueError as `encode_request` does."""
    status = response.status
    if not 200 <= status <= 999:
        raise ValueError(f"status {status} cannot end an exchange")
    lines = [encoded(f"HTTP/1.1 {status} {_REASONS.get(status, '')}")]
    bodiless = method == "HEAD" or status in (204, 304)
    for pair in response.headers:
        line = _lines.get(pair)
        if line is None:
            line = _remember_line(pair)
        if line is not None:
            lines.append(line)
            continue
        special = pair[0].lower()
        # Without a body, Content-Length describes what a GET would return, so it is kept.
        if special == "host" or (special == "content-length" and bodiless and status != 204):
            lines.append(_encode_pair(pair))
        elif special == "connection" and (named := nominated(pair[1])):
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


def _remember_line(pair: tuple[str, str]) -> bytes | None:
    """`_line` with a cache, which does not take ever more values of one header."""
    line = _line(pair)
    name, value = pair
    if line is not None and len(value) <= _LONGEST_KEPT:
        count = _values.get(name, 0)
        if count < _VALUES_KEPT:
            if len(_lines) >= _LINES_KEPT:
                _lines.clear()
                _values.clear()
            _lines[pair] = line
            _values[name] = count + 1
    return line


def _line(pair: tuple[str, str]) -> bytes | None:
    """The line for a header: empty if it is dropped, None if that depends on the message."""
    name, value = pair
    start = _starts.get(name)
    if start is None:
        start = _line_start(name)
    if start is None:
        _value(name, value)
        return None
    return start + _value(name, value) if start else start


def _encode_pair(pair: tuple[str, str]) -> bytes:
    return encoded(f"\r\n{pair[0]}: ") + _value(*pair)


def _value(name: str, value: str) -> bytes:
    # The first check is the quick one. Text that is not printable may still be valid.
    if not value.isprintable() and _BREAK.search(value) is not None:
        raise ValueError(f"the header {name} holds a line break or a NUL: {value[:200]!r}")
    return encoded(value)


def _line_start(name: str) -> bytes | None:
    """How the lines of a header begin. Empty if it is dropped, as are HTTP/2 pseudo-headers in a browser's HAR."""
    lowered = name.lower()
    if lowered in _SPECIAL:
        return None
    if lowered in PER_CONNECTION or name.startswith(":"):
        start = b""
    elif TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a header name")
    else:
        start = encoded(f"\r\n{name}: ")
    if len(_starts) >= _LINES_KEPT:
        _starts.clear()
    _starts[name] = start
    return start


def _check_method(method: str) -> None:
    if TOKEN.fullmatch(method) is None or method == "CONNECT":
        raise ValueError(f"{method!r} is not a method that can be sent")
    if len(_methods) < _LINES_KEPT:
        _methods.add(method)


def _without(headers: Headers, names: frozenset[str]) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() not in names and pair[0].lower() != "connection")
