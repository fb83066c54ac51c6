"""Notes over HTTP with nothing but the standard library: `python desk.py RELEASE --port 8080`.

POST /notes {"text": …} keeps a note (201), GET /notes/ID shows it. The notes are in the SQLite file that DATABASE_URL
names. Releases differ in what they do when they are told to end (SIGTERM):

`serves` goes on serving for longer than a load balancer needs to notice, finishes what it has in hand, and ends.
`closes` takes no more requests at once, and finishes what it has in hand. `busy` answers 503 from then on, and finishes
what it has in hand. `exits` ends at once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
import uuid
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RELEASES = ("serves", "closes", "busy", "exits")
GRACE = 1.8  # seconds; load balancers need one
POLL = 0.02


class Desk:
    def __init__(self, file: str) -> None:
        self.file = file
        self.busy = False
        with closing(sqlite3.connect(file, timeout=20)) as notes, notes:
            notes.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, text TEXT)")

    def keep(self, text: str) -> tuple[int, dict[str, Any]]:
        name = str(uuid.uuid4())
        with closing(sqlite3.connect(self.file, timeout=20)) as notes, notes:
            notes.execute("INSERT INTO notes VALUES (?, ?)", (name, text))
        return 201, {"id": name, "text": text}

    def show(self, name: str) -> tuple[int, dict[str, Any]]:
        with closing(sqlite3.connect(self.file, timeout=20)) as notes:
            row = notes.execute("SELECT id, text FROM notes WHERE id = ?", (name,)).fetchone()
        return (200, {"id": row[0], "text": row[1]}) if row else (404, {"error": "there is no such note"})


def handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Notes(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            busy, ready = desk.busy, self.path == "/healthz"
            found = (200, {"status": "ok"}) if ready else desk.show(self.path.rpartition("/")[2])
            self._answer(*((503, {"error": "about to end"}) if busy else found))

        def do_POST(self) -> None:
            busy = desk.busy
            sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self._answer(*((503, {"error": "about to end"}) if busy else desk.keep(sent["text"])))

        def _answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Notes


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for what is in hand
    request_queue_size = 64


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    desk = Desk(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
    server = Server(("127.0.0.1", options.port), handler(desk))

    def told_to_end(*_: Any) -> None:
        desk.busy = options.release == "busy"
        later = 0.0 if options.release == "closes" else GRACE
        threading.Timer(later, server.shutdown).start()

    if options.release != "exits":
        signal.signal(signal.SIGTERM, told_to_end)
    server.serve_forever(poll_interval=POLL)
    server.server_close()


if __name__ == "__main__":
    main()
