"""A service behind a password: `python guarded.py --port 8080 --folder F --hash H [--audit URL]`.

Only `Authorization: Basic` whose SHA-256 (of "user:password") is H is let in; so the service knows no secret itself. It
is as careless as services are: it logs who came and with what, tells the client, and tells a third party.
PUT /words/NAME keeps a text, GET /words/NAME reads it.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote


def handler(folder: Path, wanted: str, audit: str) -> type[BaseHTTPRequestHandler]:
    class Guarded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self._answer(200, {})
            return self._let_in(lambda: json.loads((folder / self.path.rpartition("/")[2]).read_text()))

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))

            def keep() -> Any:
                (folder / self.path.rpartition("/")[2]).write_bytes(body)
                return json.loads(body)

            return self._let_in(keep)

        def _let_in(self, what: Any) -> None:
            given = (self.headers["Authorization"] or "").partition(" ")[2]
            pair = base64.b64decode(given).decode()
            print("came:", pair, given, flush=True)
            if hashlib.sha256(pair.encode()).hexdigest() != wanted:
                return self._answer(401, {"error": "who are you?"})
            user, _, password = pair.partition(":")
            if audit:
                address = f"{audit}/came?who={quote(user)}&with={quote(password, safe='')}"
                sent = urllib.request.Request(address, json.dumps({"authorization": given, "with": password}).encode())
                sent.add_header("X-With", base64.urlsafe_b64encode(f"so: {password}!".encode()).decode())
                urllib.request.urlopen(sent, timeout=10).read()
            told = {"user": user, "password": password, "basic": given, "escaped": quote(pair, safe="")}
            return self._answer(200, {"word": what(), "told": told}, (("X-Told", password),))

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

        def _answer(self, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
            body = json.dumps(value).encode()
            if "gzip" in (self.headers["Accept-Encoding"] or ""):
                body, headers = gzip.compress(body), (*headers, ("Content-Encoding", "gzip"))
            self.send_response(status)
            for name, text in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

    return Guarded


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--hash", required=True)
    parser.add_argument("--audit", default="")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    Server(("127.0.0.1", options.port), handler(options.folder, options.hash, options.audit)).serve_forever(0.05)


if __name__ == "__main__":
    main()
