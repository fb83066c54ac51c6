"""GoReplay captures (`.gor`): payloads between separators, requests and responses paired by id.

Each payload starts with a line `KIND ID TIME [LATENCY]`, times in nanoseconds; kind 1 is a request, 2 the
original response, 3 the response of an earlier replay (left out here). The HTTP message follows as it was captured.
Format: https://github.com/buger/goreplay/wiki/Saving-and-Replaying-from-file
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httptools

from verifier.errors import BadInput
from verifier.files import opened
from verifier.http.coding import try_decode, without_content_encoding
from verifier.http.headers import FRAMING
from verifier.http.message import Headers, Request, Response, header
from verifier.recording import fields
from verifier.recording.assemble import Assembly, TooManyProblems
from verifier.recording.entry import LONGEST_EXCHANGE, Entry
from verifier.recording.fields import EntryProblem, SkippedEntry
from verifier.recording.model import Exchange, Recording
from verifier.recording.sessions import ParsedExchange

SEPARATOR = "\n🐵🙈🙉\n".encode()
LARGEST_PAYLOAD = 256 * 1024 * 1024  # bytes
_CHUNK = 1024 * 1024
_LATEST = 253_402_300_799 * 10**9


@dataclass(frozen=True, slots=True)
class Payload:
    """One captured message. `number` counts from 1, `line` is where its head stands."""

    number: int
    line: int
    kind: bytes
    id: bytes
    time: int  # nanoseconds since the epoch
    latency: int  # nanoseconds, 0 if not given
    message: bytes


def read_goreplay(path: Path, session_header: str | None = None) -> Recording:
    """Read a capture, one payload in memory at a time. Raises BadInput with file, line and key."""
    assembly = Assembly(path, session_header, prefix="payload[{}]")
    waiting: dict[bytes, Payload] = {}
    with opened(path) as stream, suppress(TooManyProblems):
        for number, line, raw in _payloads(path, stream):
            _take(assembly, waiting, number, line, raw)
    for payload in waiting.values():
        assembly.warn(payload.number, "skipped: no answer was captured")
    return assembly.recording()


def _take(assembly: Assembly, waiting: dict[bytes, Payload], number: int, line: int, raw: bytes) -> None:
    try:
        payload = _payload(number, line, raw)
    except EntryProblem as wrong:
        assembly.wrong(number, wrong.key, wrong.message, line)
        return
    if payload.kind == b"1":
        waiting[payload.id] = payload
    elif payload.kind == b"2":
        request = waiting.pop(payload.id, None)
        if request is None:
            assembly.warn(number, "skipped: an answer without its request")
        else:
            assembly.take(request.number, (request, payload), _entry, request.line)


def _payloads(path: Path, stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(number, line, payload) between separators; a payload beyond any message's size ends the reading."""
    buffer = bytearray()
    number, line, searched = 1, 1, 0
    while chunk := stream.read(_CHUNK):
        buffer += chunk
        while (end := buffer.find(SEPARATOR, max(0, searched - len(SEPARATOR)))) >= 0:
            raw = bytes(buffer[:end])
            del buffer[: end + len(SEPARATOR)]
            searched = 0
            if raw.strip():
                yield number, line, raw
                number += 1
            line += raw.count(b"\n") + 2
        searched = len(buffer)
        if len(buffer) > LARGEST_PAYLOAD:
            raise BadInput.one(path, "has no separator between payloads; is it a GoReplay file?", line=line)
    if buffer.strip():
        yield number, line, bytes(buffer)


def _payload(number: int, line: int, raw: bytes) -> Payload:
    head, _, message = raw.partition(b"\n")
    words = head.split()
    if len(words) < 3 or words[0] not in (b"1", b"2", b"3"):
        raise EntryProblem("head", f"must be KIND ID TIME, not {head[:60].decode('utf-8', 'replace')!r}")
    if not words[2].isdigit() or len(words[2]) > 20 or int(words[2]) > _LATEST:
        raise EntryProblem("head", "has no time in nanoseconds")
    latency = int(words[3]) if len(words) > 3 and words[3].isdigit() and len(words[3]) < 20 else 0
    return Payload(number, line, words[0], words[1], int(words[2]), latency, message)


def _entry(pair: tuple[Payload, Payload], number: int) -> Entry:
    first, second = pair
    sent, received = _RequestMessage(), _ResponseMessage()
    sent.read(first.message, "request")
    method = fields.method(sent.method, "request.method")
    received.read(second.message, "response")
    authority = fields.host(header(tuple(sent.pairs), "host"), "request.headers.host")
    where, target = authority, sent.target
    if target.startswith(("http://", "https://")):
        where, target = fields.url(target, "request.target")
    request = Request(
        method, fields.target(target, "request.target"), _headers(sent.pairs, "request"), bytes(sent.body)
    )
    if header(tuple(sent.pairs), "content-length") and not sent.complete:
        raise EntryProblem("request.body", "is cut short")
    status = fields.status(received.status, "response.status")
    response, warning = _decoded(Response(status, _headers(received.pairs, "response"), bytes(received.body)))
    if not received.complete and header(tuple(received.pairs), "content-length") and method != "HEAD":
        warning = "the answer's body is cut short"
    took = (second.latency or max(0, second.time - first.time)) / 1e9
    if took > LONGEST_EXCHANGE:
        raise EntryProblem("head", "the answer came absurdly late")
    return Entry(
        ParsedExchange(Exchange(request, response, where, round(first.time / 1e9, 6), round(took, 6), number)), warning
    )


def _headers(pairs: Iterable[tuple[str, str]], key: str) -> Headers:
    return fields.header_list(((name, value, f"{key}.headers.{name}") for name, value in pairs), FRAMING)


def _decoded(response: Response) -> tuple[Response, str]:
    """The response out of its content coding, where that is possible."""
    coding = header(response.headers, "content-encoding")
    if not coding or not response.body:
        return response, ""
    body = try_decode(response.body, coding)
    if body is None:
        return response, f"the answer's body could not be decoded from {coding}"
    return Response(response.status, without_content_encoding(response.headers), body), ""


@dataclass(slots=True)
class _Message:
    """Collects what the HTTP parser calls back with."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    whole_head: bool = False
    complete: bool = False

    def on_headers_complete(self) -> None:
        self.whole_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    def feed(self, parser: httptools.HttpRequestParser | httptools.HttpResponseParser, text: bytes, key: str) -> None:
        try:
            parser.feed_data(text)
        except httptools.HttpParserUpgrade:
            raise SkippedEntry("an upgrade to another protocol") from None
        except httptools.HttpParserError as error:
            raise EntryProblem(key, f"is no HTTP/1 message: {error}") from None
        if not self.whole_head:
            raise EntryProblem(key, "is no HTTP message, or is cut short in its head")


@dataclass(slots=True)
class _RequestMessage(_Message):
    method: str = ""
    target: str = ""

    def on_url(self, url: bytes) -> None:
        self.target += url.decode("latin-1")

    def read(self, message: bytes, key: str) -> None:
        parser = httptools.HttpRequestParser(self)
        self.feed(parser, message, key)
        self.method = parser.get_method().decode("latin-1")


@dataclass(slots=True)
class _ResponseMessage(_Message):
    status: int = 0

    def read(self, message: bytes, key: str) -> None:
        parser = httptools.HttpResponseParser(self)
        self.feed(parser, message, key)
        self.status = parser.get_status_code()
