"""Decodes the lines of operations so that what many of them have in common is one object.

Operations of a run name the same steps, replays and replicas, have nearly the same headers, and are answered with the
same bodies again and again. As objects of their own these take several times as much memory as the rest.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from verifier.history.model import Operation, Outcome, Source
from verifier.http.message import Headers, Request, Response

MOST = 1 << 16  # texts of headers, and bodies, that are kept to be found again
_NONE = Raw(b"[]")


class _Asked(Struct, frozen=True, gc=False):
    method: str
    target: str
    headers: Raw = _NONE
    body: bytes = b""


class _Came(Struct, frozen=True, gc=False):
    status: int
    headers: Raw = _NONE
    body: bytes = b""


class _Line(Struct, frozen=True, gc=False):
    """The fields of an `Operation`, in their order; headers are not decoded yet."""

    id: str
    step: str
    replay: str
    session: str
    index: int
    attempt: int
    source: Source
    name: str
    service: str
    version: str
    replica: str
    request: _Asked
    response: _Came | None
    outcome: Outcome
    started: float
    ended: float
    caller: str = ""
    caller_version: str = ""
    error: str = ""
    fault: str = ""
    parent: str = ""
    effect: Literal["", "applied", "suppressed"] = ""
    produced: tuple[tuple[str, str], ...] = ()


_line = msgspec.json.Decoder(_Line).decode
_headers = msgspec.json.Decoder(Headers).decode
_pair = msgspec.json.Decoder(tuple[str, str]).decode


class OperationLines:
    """The lines of one history. `decode` raises msgspec.DecodeError for a line that is no operation."""

    __slots__ = ("_bodies", "_headers", "_pairs", "_texts")

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._headers: dict[bytes, Headers] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._bodies: dict[bytes, bytes] = {}

    def decode(self, line: bytes) -> Operation:
        found, text = _line(line), self._texts.setdefault
        asked, came = found.request, found.response
        return Operation(
            found.id,
            text(found.step, found.step),
            text(found.replay, found.replay),
            text(found.session, found.session),
            found.index,
            found.attempt,
            found.source,
            text(found.name, found.name),
            text(found.service, found.service),
            text(found.version, found.version),
            text(found.replica, found.replica),
            Request(asked.method, asked.target, self._asked(bytes(asked.headers)), self._body(asked.body)),
            None if came is None else Response(came.status, self._shared(bytes(came.headers)), self._body(came.body)),
            found.outcome,
            found.started,
            found.ended,
            text(found.caller, found.caller),
            text(found.caller_version, found.caller_version),
            found.error,
            text(found.fault, found.fault),
            found.parent,
            found.effect,
            found.produced,
        )

    def _asked(self, raw: bytes) -> Headers:
        """Headers of which the last one tells requests apart, such as `traceparent`; all others are shared."""
        most, separator, last = raw.rpartition(b"],[")
        if not separator:
            return self._shared(raw)
        try:
            return (*self._shared(most + b"]]"), _pair(b"[" + last[:-1]))
        except msgspec.DecodeError:  # the separator is part of a text
            return self._shared(raw)

    def _shared(self, raw: bytes) -> Headers:
        found = self._headers.get(raw)
        if found is None:
            if len(self._headers) >= MOST:
                self._headers.clear()
            if len(self._pairs) >= MOST:
                self._pairs.clear()
            pairs = _headers(raw)
            found = self._headers[raw] = tuple(map(self._pairs.setdefault, pairs, pairs))
        return found

    def _body(self, body: bytes) -> bytes:
        if len(self._bodies) >= MOST:
            self._bodies.clear()
        return self._bodies.setdefault(body, body)
