"""Redaction that keeps correlation possible: within one file, equal secrets become equal placeholders.

A placeholder is a keyed hash (BLAKE2b, RFC 7693) under a random key that is lost with the writer, so it can neither
be reversed nor compared between files. A secret seen once is also replaced wherever it occurs in later exchanges: in
targets, in other headers, in bodies. Addresses inside headers and bodies (Location, links to a next page) are redacted
like the requests that will follow them.

What is secret is decided by `concealer.py` with `secret_names.py` and `secret_shapes.py`; the other modules know where
values stand.
"""

from __future__ import annotations

import json
from dataclasses import replace

from verifier.http.eventstream import with_data
from verifier.http.message import Headers, Request, Response, header
from verifier.recording.concealer import Concealer, Redaction
from verifier.recording.model import Exchange
from verifier.recording.redact_document import each_once, redact_csv, redact_json, redact_pairs, redact_string
from verifier.recording.redact_parts import redact_message, redact_parts
from verifier.recording.redact_target import redact_target
from verifier.recording.redact_text import redact_text
from verifier.recording.redact_xml import looks_like_xml, redact_xml
from verifier.recording.redaction_log import RedactionLog
from verifier.recording.signup import signs_up

__all__ = ["Redaction", "Redactor", "each_once"]

# What may precede a JSON document: white space, and the byte order marks and zeros of its encodings.
_BEFORE = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"


class Redactor:
    """Redacts exchanges one after the other."""

    def __init__(self, redaction: Redaction) -> None:
        self._concealer = Concealer(redaction)

    @property
    def log(self) -> RedactionLog:
        """What was redacted so far, and what was left."""
        return self._concealer.log

    @property
    def known(self) -> int:
        """How many secrets are searched for."""
        return self._concealer.secrets.size

    def exchange(self, exchange: Exchange) -> Exchange:
        request, response = exchange.request, exchange.response
        if signs_up(request.method, request.target, response.status):
            self._concealer.sign_up(_text(request.body))
        # Secret fields and headers come first, because they say what to search for in the rest.
        headers = self._sent_headers(request.headers, "request header")
        body = self.body(request.body, header(request.headers, "content-type") or "", "request body")
        target = redact_target(self._concealer, request.target)
        response_headers = self._sent_headers(response.headers, "response header")
        media_type = header(response.headers, "content-type") or ""
        response_body = self.body(response.body, media_type, "response body")
        target, headers, body = self._replaced(target, headers, body)
        _, response_headers, response_body = self._replaced("", response_headers, response_body)
        return replace(
            exchange,
            request=Request(request.method, target, headers, body),
            response=Response(response.status, response_headers, response_body),
        )

    def placeholder(self, secret: str) -> str:
        """The placeholder of a secret."""
        return self._concealer.secrets.placeholder(secret)

    def replace_in(self, text: str) -> str:
        """A text with every secret replaced that is known by now."""
        return self._concealer.secrets.replace_in(text)

    def body(self, body: bytes, media_type: str, place: str) -> bytes:
        """A body with its secrets replaced."""
        self._concealer.place = place
        return _bytes(self._body(_text(body), media_type, 0)) if body else body

    def _replaced(self, target: str, headers: Headers, body: bytes) -> tuple[str, Headers, bytes]:
        """A message with every secret replaced that is known by now."""
        found = tuple((name, self.replace_in(value)) for name, value in headers)
        return self.replace_in(target), found, _bytes(self.replace_in(_text(body)))

    def _sent_headers(self, headers: Headers, place: str) -> Headers:
        self._concealer.place = place
        return tuple((name, self._header(name, value)) for name, value in headers)

    def _header(self, name: str, value: str) -> str:
        if self._concealer.is_secret_header(name, value):
            return self._concealer.header(name, value)
        return redact_string(self._concealer, value, name)

    def _body(self, text: str, media_type: str, depth: int) -> str:
        kind = media_type.lower()
        concealer = self._concealer
        document = _bytes(text).lstrip(_BEFORE)[:1] in (b"{", b"[")
        if "urlencoded" in kind and not (document and _is_json(text)):
            return redact_pairs(concealer, text)
        if document:  # whatever its media type says
            return _text(redact_json(concealer, _bytes(text)))
        if kind.startswith("text/event-stream"):
            return _text(with_data(_bytes(text), lambda data: _bytes(self._body(_text(data), "text/plain", depth))))
        if kind.startswith("multipart/"):
            return redact_parts(concealer, text, media_type, self._body, depth)
        if kind.startswith("application/http"):
            return redact_message(concealer, text, self._body, depth)
        if kind.startswith("text/csv"):
            return redact_csv(concealer, text)
        if looks_like_xml(text):
            return redact_xml(concealer, text)
        return text if "\0" in text else redact_text(concealer, text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text(body: bytes) -> str:
    """Any body as text; the inverse of `_bytes`."""
    return body.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
