"""A stand-in for the payment provider of the shop: it charges everything, and each charge has an id of its own."""

from __future__ import annotations

import itertools
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

charges = itertools.count(1)
by_key: dict[str, dict[str, object]] = {}


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.respond({"status": "up"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        key = self.headers.get("Idempotency-Key") or f"none-{next(charges)}"
        if key not in by_key:
            by_key[key] = {"id": f"psp-{next(charges)}", "status": "captured", "reference": asked.get("reference")}
        self.respond(by_key[key])

    def respond(self, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *rest: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 9090), Provider).serve_forever()
