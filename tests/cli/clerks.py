"""A service with logins and orders: `python clerks.py --port 8080 --folder F`. Both versions share the folder.

POST /login answers with a token that is new each time, or with a cookie where a clerk logs in. POST /orders needs a
token, GET /orders/ID the cookie of a clerk; the id of an order is new each time.
"""

from __future__ import annotations

import argparse
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def handler(folder: Path) -> type[BaseHTTPRequestHandler]:
    class Clerks(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self._answer(200, {})
            sid = (self.headers["Cookie"] or "").partition("sid=")[2]
            if not self._known(f"clerk-{sid}"):
                return self._answer(401, {"error": "no clerk"})
            name = self.path.rpartition("/")[2]
            return self._answer(200, {"id": name}) if self._known(f"order-{name}") else self._answer(404, {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made = secrets.token_hex(12)
            if self.path == "/orders":
                token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
                if not self._known(f"user-{token}"):
                    return self._answer(401, {"error": "no user"})
                (folder / f"order-{made}").touch()
                return self._answer(201, {"id": made})
            (folder / f"{body['role']}-{made}").touch()
            if body["role"] == "clerk":
                return self._answer(200, {"role": "clerk"}, (("Set-Cookie", f"sid={made}; Path=/"),))
            return self._answer(200, {"access_token": made})

        def _known(self, name: str) -> bool:
            return "/" not in name and (folder / name).exists()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

        def _answer(self, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            for name, text in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

    return Clerks


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    Server(("127.0.0.1", options.port), handler(options.folder)).serve_forever(0.05)


if __name__ == "__main__":
    main()
