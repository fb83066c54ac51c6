"""Heads as they are passed on: framing is the proxy's own, hop-by-hop headers stay behind."""

from __future__ import annotations

from urllib.parse import urlsplit

from verifier.http.encode import HOP_BY_HOP
from verifier.http.h1 import Framing, MessageHead
from verifier.http.message import Headers, header

_OWN = HOP_BY_HOP | {"content-length", "transfer-encoding", "expect", "http2-settings"}


def passed_on(headers: Headers) -> Headers:
    """The end-to-end headers (RFC 9110, section 7.6.1)."""
    named = {
        part.strip().lower() for name, value in headers if name.lower() == "connection" for part in value.split(",")
    }
    return tuple((name, value) for name, value in headers if name.lower() not in _OWN and name.lower() not in named)


def origin_form(target: str) -> str:
    """Path and query; clients that take the recorder for a forward proxy send the absolute form."""
    if target.startswith("/") or "://" not in target:
        return target
    try:
        parts = urlsplit(target)
    except ValueError:  # no authority that could be told from the path
        return target
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_websocket(head: MessageHead) -> bool:
    return head.upgrade and (header(head.headers, "upgrade") or "").strip().lower() == "websocket"


def request_head(head: MessageHead, host: str) -> bytes:
    """Request line and headers; `host` is used where the client sent none."""
    headers = head.headers if header(head.headers, "host") else (("Host", host), *head.headers)
    switching = is_websocket(head)
    return _head(f"{head.method} {head.target} HTTP/1.1", headers, head.framing, head.length, switching)


def answer_head(head: MessageHead, framing: Framing, keep_alive: bool) -> bytes:
    """Status line and headers."""
    length = head.length
    headers = passed_on(head.headers)
    if framing == "none" and (described := header(head.headers, "content-length")) is not None:
        headers = (*headers, ("Content-Length", described))  # of a HEAD or 304: content, not framing
    if head.status == 101:
        return _head("HTTP/1.1 101 Switching Protocols", head.headers, "none", 0, True)
    if not keep_alive:
        headers = (*headers, ("Connection", "close"))
    return _head(f"HTTP/1.1 {head.status} ", headers, framing, length, False)


def _head(first: str, headers: Headers, framing: Framing, length: int, switching: bool) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    if switching:
        value = header(headers, "upgrade")
        if not any(name.lower() == "connection" for name, _ in headers):
            lines += ["Connection: Upgrade", f"Upgrade: {value or 'websocket'}"]
    elif framing == "length":
        lines.append(f"Content-Length: {length}")
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
