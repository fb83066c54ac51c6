"""Recordings as JSON lines: one exchange per line, for traffic that comes from somewhere else.

    {"at": "2026-01-02T03:04:05.678Z", "took": 0.012, "session": "alice", "host": "orders:8080",
     "request": {"method": "POST", "target": "/orders", "headers": {"Content-Type": "application/json"},
                 "body": "{}"},
     "response": {"status": 201, "headers": [["Location", "/orders/1"]], "body_base64": "e30="}}

`at` is ISO 8601 or seconds since the epoch; `took` is seconds (default 0); `session`, `client` and both `headers`
may be missing. Instead of `host` and `target` a request may have an absolute `url`. Headers are an object or a
list of pairs. A body is text (`body`), base64 (`body_base64`) or any JSON value (`body_json`), out of its content
coding. Empty lines are allowed; other keys are ignored.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from verifier.files import opened
from verifier.http.headers import FRAMING
from verifier.http.message import Headers, Request, Response
from verifier.recording import fields
from verifier.recording.assemble import Assembly, TooManyProblems
from verifier.recording.entry import LONGEST_EXCHANGE, Entry, started
from verifier.recording.fields import EntryProblem
from verifier.recording.model import Exchange, Recording
from verifier.recording.sessions import ParsedExchange

LONGEST_LINE = 256 * 1024 * 1024  # bytes
_LATEST = 253_402_300_799.0  # the end of the year 9999


def read_jsonl(path: Path, session_header: str | None = None) -> Recording:
    """Read JSON lines, one line in memory at a time. Raises BadInput with file, line and key."""
    assembly = Assembly(path, session_header, prefix="")
    with opened(path) as stream, suppress(TooManyProblems):
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                assembly.take(number, text, parse_line, number)
    return assembly.recording()


def parse_line(line: bytes, number: int) -> Entry:
    """One line as an entry. Raises EntryProblem or SkippedEntry."""
    try:
        value = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EntryProblem("", f"is not JSON: {error}") from None
    value = _mapping(value, "")
    sent, received = _mapping(value.get("request"), "request"), _mapping(value.get("response"), "response")
    method = fields.method(sent.get("method"), "request.method")
    if "url" in sent:
        host, target = fields.url(sent["url"], "request.url")
    else:
        host = fields.host(value.get("host"), "host")
        target = fields.target(sent.get("target"), "request.target")
    request = Request(method, target, _headers(sent, "request", FRAMING), _body(sent, "request"))
    status = fields.status(received.get("status"), "response.status")
    drop = FRAMING | {"content-encoding"}
    response = Response(status, _headers(received, "response", drop), _body(received, "response"))
    exchange = Exchange(request, response, host, _at(value.get("at")), _took(value.get("took")), number)
    return Entry(ParsedExchange(exchange, _word(value, "session"), _word(value, "client")), "")


def _mapping(value: object, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EntryProblem(key, "is missing" if value is None else "must be an object")
    return value


def _word(value: dict[str, Any], key: str) -> str:
    word = value.get(key, "")
    if isinstance(word, str) and (word.isprintable() or not word):
        return word
    raise EntryProblem(key, "must be a printable word")


def _headers(message: dict[str, Any], key: str, drop: frozenset[str]) -> Headers:
    listed = message.get("headers", [])
    pairs = list(listed.items()) if isinstance(listed, dict) else listed
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise EntryProblem(f"{key}.headers", "must be an object, or a list of pairs")
    return fields.header_list(((name, text, f"{key}.headers.{name}") for name, text in pairs), drop)


def _body(message: dict[str, Any], key: str) -> bytes:
    given = [name for name in ("body", "body_base64", "body_json") if name in message]
    if len(given) > 1:
        raise EntryProblem(f"{key}.{given[1]}", f"stands beside {given[0]}: a message has one body")
    if not given:
        return b""
    value = message[given[0]]
    if given[0] == "body_json":
        return msgspec.json.encode(value)
    if not isinstance(value, str):
        raise EntryProblem(f"{key}.{given[0]}", "must be text")
    if given[0] == "body":
        return value.encode("utf-8")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise EntryProblem(f"{key}.{given[0]}", "does not decode") from None


def _at(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= _LATEST:
            raise EntryProblem("at", "must be seconds since the epoch")
        return round(float(value), 6)
    return started(value, "at")


def _took(value: object) -> float:
    if value is None:
        return 0.0
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= LONGEST_EXCHANGE:
        raise EntryProblem("took", "must be a number of seconds")
    return round(float(value), 6)
