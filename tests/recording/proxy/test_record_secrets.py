"""Planted secrets that go through the recording proxy as real HTTP: none is readable in the file or the terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.recording.planted_secrets import planted
from tests.recording.proxy.test_record_command import recording
from tests.recording.test_planted_secrets import readable
from verifier.http.message import Request
from verifier.recording.har import read_har

CORPUS = planted()


class Answering(BaseHTTPRequestHandler):
    """Answers a request with the planted response that its number names."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        response = CORPUS.exchanges[int(self.headers["X-Number"])].response
        self.send_response(201)
        for name, value in (*response.headers, ("Content-Length", str(len(response.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_no_planted_secret_is_readable_after_record(service: int, tmp_path: Path) -> None:
    requests = [
        Request("POST", request.target, (*request.headers, ("X-Number", str(number))), request.body)
        for number, request in enumerate(exchange.request for exchange in CORPUS.exchanges)
    ]
    with recording(service, tmp_path / "shop.har") as running:
        running.send(*requests)
        status, said = running.end(signal.SIGINT)
        printed = running.printed()
    assert status == 0, said
    read = [exchange for session in read_har(tmp_path / "shop.har").sessions for exchange in session.exchanges]
    assert len(read) == len(requests)
    for text in ((tmp_path / "shop.har").read_text(), said, printed):
        assert readable(CORPUS, text) == []
    assert "what was done" in said and "redacted" in said and "credentials:" in printed
