"""Writes HAR 1.2 as the exchanges come, redacted before anything reaches the disk."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

from verifier import __version__
from verifier.http.coding import try_decode, without_content_encoding
from verifier.http.message import Headers, Request, Response, header
from verifier.recording.entry import encode
from verifier.recording.late_secrets import replace_late
from verifier.recording.model import Exchange
from verifier.recording.placeholders import ClientPlaceholder, Placeholders
from verifier.recording.redact import Redaction, Redactor
from verifier.recording.redaction_log import RedactionLog

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HarWriter:
    """A HAR file that appears at `path` when it is closed, and not at all when the recording fails.

    `redact=None` writes everything as it is. `began` is the wall-clock time (seconds since the epoch) from which
    the exchanges' `at` counts. A body in a content coding is written decoded, as browsers do.
    """

    def __init__(self, path: Path, redact: Redaction | None = Redaction(), began: float = 0.0) -> None:  # noqa: B008
        self._path = path
        self._redactor = Redactor(redact) if redact is not None else None
        self._placeholders = Placeholders()
        self._began = _EPOCH + timedelta(microseconds=round(began * 1_000_000))
        self._count = 0
        self._known: list[int] = []  # how many secrets were known when each entry was written
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        self._part = Path(name)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        creator = json.dumps({"name": "mixed-version-verifier", "version": __version__})
        self._file.write(f'{{"log": {{"version": "1.2", "creator": {creator}, "entries": [')

    def add(self, exchange: Exchange, session: str) -> None:
        """Append one exchange of the session."""
        exchange = self._decoded(exchange)
        if self._redactor is not None:
            exchange = self._redactor.exchange(exchange)
            self._placeholders.add(exchange)
        entry = self._entry(exchange, session)
        self._file.write((",\n" if self._count else "\n") + json.dumps(entry, ensure_ascii=False))
        self._count += 1
        if self._redactor is not None:
            self._known.append(self._redactor.known)

    @property
    def log(self) -> RedactionLog:
        """What was redacted so far, and what looked like a secret and was left."""
        return self._redactor.log if self._redactor is not None else RedactionLog()

    @property
    def credentials(self) -> tuple[ClientPlaceholder, ...]:
        """The placeholders so far whose secrets the client knew and no recorded response issued; final once closed."""
        return self._placeholders.credentials()

    def close(self) -> None:
        """Finish the file and put it in place, in one step."""
        if self._file.closed:
            return
        try:
            self._finish()
        except BaseException:
            self.abort()
            raise

    def _finish(self) -> None:
        self._file.write("\n]}}\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._redactor is not None:
            self._placeholders = replace_late(self._part, self._known, self._redactor) or self._placeholders
        self._part.replace(self._path)

    def abort(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):  # what cannot be flushed is not wanted any more
            self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> HarWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _decoded(self, exchange: Exchange) -> Exchange:
        """The bodies out of their content codings; one that cannot be read cannot be redacted, so it goes."""
        request, response = exchange.request, exchange.response
        if self._redactor is not None:
            request = Request(request.method, request.target, *self._decode_body(request.headers, request.body))
        response = Response(response.status, *self._decode_body(response.headers, response.body))
        return replace(exchange, request=request, response=response)

    def _decode_body(self, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        coding = header(headers, "content-encoding")
        if not coding or not body:
            return headers, body
        plain = try_decode(body, coding)
        if plain is None:
            return headers, b"" if self._redactor is not None else body
        return without_content_encoding(headers), plain

    def _entry(self, exchange: Exchange, session: str) -> dict[str, Any]:
        request, response = exchange.request, exchange.response
        milliseconds = round(exchange.took * 1000, 3)
        sent: dict[str, Any] = {
            "method": request.method,
            "url": f"http://{exchange.host}{request.target}",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _headers(request.headers),
            "queryString": _query(request.target),
            "headersSize": -1,
            "bodySize": len(request.body),
        }
        if request.target == "*":
            sent |= {"url": f"http://{exchange.host}/", "_target": "*"}
        if request.body:
            media_type = header(request.headers, "content-type") or ""
            text, encoding = _text(request.body, media_type)
            sent["postData"] = {"mimeType": media_type, "params": [], "text": text}
            sent["postData"] |= {"_encoding": encoding} if encoding else {}
        return {
            "startedDateTime": (self._began + timedelta(seconds=exchange.at)).isoformat(timespec="microseconds"),
            "time": milliseconds,
            "_session": session,
            "request": sent,
            "response": {
                "status": response.status,
                "statusText": "",
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": _headers(response.headers),
                "content": _content(response),
                "redirectURL": header(response.headers, "location") or "",
                "headersSize": -1,
                "bodySize": len(response.body),
            },
            "cache": {},
            "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        }


def _content(response: Response) -> dict[str, Any]:
    media_type = header(response.headers, "content-type") or ""
    text, encoding = _text(response.body, media_type)
    content: dict[str, Any] = {"size": len(response.body), "mimeType": media_type, "text": text}
    if encoding:
        content["encoding"] = encoding
    if header(response.headers, "content-encoding"):
        content["_raw"] = True
    return content


def _text(body: bytes, media_type: str) -> tuple[str, str]:
    """The body as HAR carries it: text where it is UTF-8 and readers find the same bytes in it, else base64."""
    with suppress(UnicodeDecodeError):
        text = body.decode("utf-8")
        if encode(text, media_type) == body:
            return text, ""
    return base64.b64encode(body).decode(), "base64"


def _headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _query(target: str) -> list[dict[str, str]]:
    query = target.partition("#")[0].partition("?")[2]
    pairs = parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="replace")
    return [{"name": name, "value": value} for name, value in pairs]
