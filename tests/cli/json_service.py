"""What the services of these tests share; they run as scripts, so they find it beside them."""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Headers = tuple[tuple[str, str], ...]


class JsonHandler(BaseHTTPRequestHandler):
    """A handler that speaks JSON."""

    def sent(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status: int, value: Any, headers: Headers = ()) -> None:
        body, coding = self.encoded(json.dumps(value).encode())
        self.send_response(status)
        framing = (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
        for name, text in (*framing, *headers, *coding):
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def encoded(self, body: bytes) -> tuple[bytes, Headers]:
        """For services that compress: the body in its coding, and the headers that say so."""
        return body, ()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it, and it would push what matters out of the log's end."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, a connection that finds the queue full is tried again after a second


def parser() -> argparse.ArgumentParser:
    """Where to listen, and in which folder to keep things."""
    made = argparse.ArgumentParser()
    made.add_argument("--port", type=int, required=True)
    made.add_argument("--folder", type=Path, required=True)
    return made


def serve(options: argparse.Namespace, handler: type[BaseHTTPRequestHandler]) -> None:
    options.folder.mkdir(exist_ok=True)
    _Server(("127.0.0.1", options.port), handler).serve_forever(0.05)
