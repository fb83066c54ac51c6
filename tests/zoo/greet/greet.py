"""Two services over HTTP with nothing but the standard library: `python greet.py front|back RELEASE --port 8080`.

`back` keeps greetings: POST /greetings {"name": ...} is answered with an id, GET /greetings/ID reads it. Release 1
refuses fields that it does not know; 2 knows "language" too; 3 requires it. `front` answers POST /hello {"name": ...}
by asking `back`, whose address is BACK_URL; its release 2 sends the language along.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FIELDS = {"1": {"name"}, "2": {"name", "language"}, "3": {"name", "language"}}
REQUIRED = {"1": {"name"}, "2": {"name"}, "3": {"name", "language"}}


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"), timeout=10)) as found, found:
        yield found


class Service(BaseHTTPRequestHandler):
    """One request per connection, so that a stop waits for those under way."""

    timeout = 5
    release = "1"

    def answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def sent(self) -> dict[str, Any]:
        try:
            found = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Back(Service):
    def do_POST(self) -> None:
        body = self.sent()
        if body.keys() - FIELDS[self.release] or REQUIRED[self.release] - body.keys():
            return self.answer(422, {"error": f"a greeting has {', '.join(sorted(REQUIRED[self.release]))}"})
        name = str(uuid.uuid4())
        with database() as greetings:
            greetings.execute("INSERT INTO greetings VALUES (?, ?)", (name, body["name"]))
        return self.answer(201, {"id": name, "name": body["name"]})

    def do_GET(self) -> None:
        if self.path == "/healthz":
            return self.answer(200, {"status": "ok"})
        name = self.path.rpartition("/")[2]
        with database() as greetings:
            rows = greetings.execute("SELECT name FROM greetings WHERE id = ?", (name,)).fetchall()
        if not rows:
            return self.answer(404, {"error": "there is no such greeting"})
        return self.answer(200, {"id": name, "name": rows[0][0]})


class Front(Service):
    def do_POST(self) -> None:
        body = self.sent()
        if not isinstance(body.get("name"), str):
            return self.answer(400, {"error": "whom to greet?"})
        asked = {"name": body["name"]} | ({"language": "en"} if self.release == "2" else {})
        status, found = self.ask("POST", "/greetings", asked)
        if status != 201:
            return self.answer(502, {"error": found.get("error", "")})
        return self.answer(201, {"id": found["id"], "text": f"Hello {found['name']}"})

    def do_GET(self) -> None:
        if self.path == "/healthz":
            return self.answer(200, {"status": "ok"})
        status, found = self.ask("GET", f"/greetings/{self.path.rpartition('/')[2]}", None)
        return self.answer(status, {"id": found["id"], "text": f"Hello {found['name']}"} if status == 200 else found)

    def ask(self, method: str, path: str, value: Any) -> tuple[int, dict[str, Any]]:
        address = urlsplit(os.environ["BACK_URL"])
        headers = {"Content-Type": "application/json"}
        if trace := self.headers.get("traceparent"):
            headers["traceparent"] = trace
        with closing(HTTPConnection(address.hostname or "", address.port, timeout=5)) as back:
            back.request(method, path, None if value is None else json.dumps(value), headers)
            answer = back.getresponse()
            return answer.status, json.loads(answer.read())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("front", "back"))
    parser.add_argument("release", choices=tuple(FIELDS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    options = parser.parse_args()
    kind = Front if options.role == "front" else Back
    handler = type("Released", (kind,), {"release": options.release})
    if options.role == "back":
        with database() as greetings:
            greetings.execute("CREATE TABLE IF NOT EXISTS greetings (id TEXT PRIMARY KEY, name TEXT NOT NULL)")
    ThreadingHTTPServer.request_queue_size = 128  # connections that wait to be taken; five is too few for a crowd
    with ThreadingHTTPServer((options.host, options.port), handler) as server:
        server.daemon_threads = False
        # shutdown waits for the serving loop, which the signal interrupts: it needs a thread of its own.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
