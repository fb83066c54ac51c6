"""Encoding the heads that a proxy forwards: it writes its own framing and drops the headers of one connection."""

from __future__ import annotations

from urllib.parse import urlsplit

from verifier.http.framing import Framing
from verifier.http.h1 import MessageHead
from verifier.http.headers import end_to_end
from verifier.http.message import Headers, header


def origin_form(target: str) -> str:
    """Path and query. Clients that use the recorder as a forward proxy send the absolute form."""
    if target.startswith("/") or "://" not in target:
        return target
    try:
        parts = urlsplit(target)
    except ValueError:  # the authority cannot be parsed
        return target
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def request_head(head: MessageHead, host: str) -> bytes:
    """Request line and headers. `host` is used if the client sent no Host."""
    headers = head.headers if header(head.headers, "host") else (("Host", host), *head.headers)
    return _head(f"{head.method} {head.target} HTTP/1.1", headers, head.framing, head.length, head.websocket)


def response_head(head: MessageHead, framing: Framing, keep_alive: bool) -> bytes:
    """Status line and headers."""
    length = head.length
    headers = end_to_end(head.headers)
    if framing == "none" and (described := header(head.headers, "content-length")) is not None:
        headers = (
            *headers,
            ("Content-Length", described),
        )  # of a body that is not sent
    if head.status == 101:
        return _head("HTTP/1.1 101 Switching Protocols", head.headers, "none", 0, True)
    if not keep_alive:
        headers = (*headers, ("Connection", "close"))
    return _head(f"HTTP/1.1 {head.status} ", headers, framing, length, False)


def _head(first: str, headers: Headers, framing: Framing, length: int, upgrading: bool) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    if upgrading:
        value = header(headers, "upgrade")
        if not any(name.lower() == "connection" for name, _ in headers):
            lines += ["Connection: Upgrade", f"Upgrade: {value or 'websocket'}"]
    elif framing == "length":
        lines.append(f"Content-Length: {length}")
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
