"""Notes over HTTP, by a server that boots slowly: `python slow.py RELEASE --port 8080`.

POST /notes {"text": …} stores a note (201), GET /notes/ID shows it. All is in the SQLite file that DATABASE_URL names.
Release 2 does the same as 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
import time
import uuid
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BOOT = 5.0  # seconds until it listens


class Notes(BaseHTTPRequestHandler):
    file = ""
    timeout = 10

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name == "healthz":
            self._respond(200, {"status": "ok"})
            return
        with closing(sqlite3.connect(self.file, timeout=20)) as database:
            row = database.execute("SELECT text FROM notes WHERE id = ?", (name,)).fetchone()
        self._respond(*((200, {"id": name, "text": row[0]}) if row else (404, {"error": "there is no such note"})))

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        made = str(uuid.uuid4())
        with closing(sqlite3.connect(self.file, timeout=20)) as database, database:
            database.execute("INSERT INTO notes VALUES (?, ?)", (made, sent["text"]))
        self._respond(201, {"id": made, "text": sent["text"]})

    def _respond(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    time.sleep(BOOT)
    Notes.file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(Notes.file, timeout=20)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, text TEXT)")
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Notes)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
