"""Event streams in recordings: secrets leave every event, however its lines end and whether it has ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verifier.http.message import Request, Response
from verifier.recording.model import Exchange
from verifier.recording.proxy.entries import ObservedExchange, RecordingFile
from verifier.recording.redact import Redaction

STREAM = (("Content-Type", "text/event-stream"),)


def written(path: Path, body: bytes, kind: str) -> str:
    exchange = Exchange(Request("GET", "/events"), Response(200, STREAM, body), "shop", 0.0, 1.0)
    file = RecordingFile(path, Redaction(), None, 0.0)
    file.put(ObservedExchange(exchange, kind=kind))
    file.close()
    text: str = json.loads(path.read_text())["log"]["entries"][0]["response"]["content"]["text"]
    return text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "data: {"])
def test_secrets_leave_events_and_nothing_else_does(tmp_path: Path, end: str, last: str) -> None:
    lines = ["event: signed-in", 'data: {"id": 7,', 'data: "password": "hunter2hunter2"}', "", "data: plain words", ""]
    if last:
        lines += [last, 'data: "password": "hunter2hunter2"}']
    text = written(tmp_path / "events.har", (end.join(lines) + end).encode(), "eventsource")
    assert "hunter2" not in text
    assert text.count("redacted-") == (2 if last else 1)
    for kept in ("event: signed-in" + end, "data: plain words" + end + end):
        assert kept in text


def test_what_cannot_be_replayed_is_told(tmp_path: Path) -> None:
    upload, refused = Request("POST", "/upload?key=secret", (), b""), Request("GET", "/old")
    file = RecordingFile(tmp_path / "x.har", Redaction(), None, 0.0)
    for request, status, note, kind in (
        (Request("GET", "/fine"), 200, "", ""),
        (Request("GET", "/events"), 200, "an event stream that was still open: stopped", "eventsource"),
        (upload, 0, "not recorded: over the limit", ""),
        (refused, 0, "", ""),
        (Request("GET", "/socket"), 101, "", "websocket"),
    ):
        file.put(ObservedExchange(Exchange(request, Response(status), "shop", 0.0, 1.0), note=note, kind=kind))
    file.close()
    assert file.left_out == [
        "POST /upload: not recorded: over the limit", "GET /old: no answer", "GET /socket: websocket"
    ]  # fmt: skip
    assert file.count == 5
