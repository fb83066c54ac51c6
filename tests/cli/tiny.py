"""A service that keeps words in memory, with nothing but the standard library: `python tiny.py WAY --port 8080`.

PUT /words/NAME keeps the body's text, GET /words/NAME reads it. Ways to be: `well`; `deaf` never becomes ready and says
so; `dies` says why and ends with status 3.
"""

from __future__ import annotations

import argparse
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def handler(way: str, folder: Path) -> type[BaseHTTPRequestHandler]:
    class Words(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self._answer(503 if way == "deaf" else 200, {"way": way})
            file = folder / self.path.rpartition("/")[2]
            if not file.is_file():
                return self._answer(404, {"error": "no such word"})
            return self._answer(200, json.loads(file.read_text()))

        def do_PUT(self) -> None:
            text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
            name = self.path.rpartition("/")[2]
            (folder / name).write_text(json.dumps({"name": name, "text": text}))
            return self._answer(200, {"name": name, "text": text})

        def log_message(self, *_: Any) -> None:
            """Nobody reads it, and it would push what matters out of the log's end."""

        def _answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Words


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, a connection that finds the queue full is tried again after a second


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("well", "deaf", "dies"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    if options.way != "well":
        print(f"the oracle is {options.way} today", flush=True)
    if options.way == "dies":
        sys.exit(3)
    options.folder.mkdir(exist_ok=True)
    Server(("127.0.0.1", options.port), handler(options.way, options.folder)).serve_forever(0.05)


if __name__ == "__main__":
    main()
