"""Letters over HTTP with nothing but the standard library: `python letters.py RELEASE --port 8080`.

POST /letters {"reference": …} accepts a letter (202), GET /letters/ID tells whether it was sent. Each replica has a
worker that takes the letters of its own replica at once, and those of others when they have lain for a while. It sends
a letter by POST to HOOK_URL/deliveries. All is in the SQLite file that DATABASE_URL names.

Releases: `1`; `2` does the same; `lost` queues letters in a form that `1` throws away; `silent` in one that `1` ticks
off unsent; `twice` notes what it has sent where `1` does not look, so that `1` sends it again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FORMS = {"1": "plain", "2": "plain", "lost": "packed", "silent": "quiet", "twice": "plain"}
PATIENCE = 0.3  # seconds after which a letter of another replica is taken over
LOOK_EVERY = 0.04  # seconds
TABLE = """CREATE TABLE IF NOT EXISTS letters (id TEXT PRIMARY KEY, reference TEXT, form TEXT, owner TEXT, queued REAL,
           state TEXT DEFAULT 'queued', taken INTEGER DEFAULT 0, noted INTEGER DEFAULT 0)"""
FREE = """SELECT id, reference, form FROM letters WHERE taken = 0 AND {column} = 0
          AND (owner = ? OR queued < ?) ORDER BY queued LIMIT 1"""


@contextmanager
def database(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


class Office:
    def __init__(self, release: str, file: str, hook: str) -> None:
        self.release, self.file, self.hook = release, file, hook
        self.name = str(uuid.uuid4())
        self.column = "noted" if release == "twice" else "taken"
        self.stopping = threading.Event()
        with database(file) as letters:
            letters.execute(TABLE)

    def accept(self, sent: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        made = str(uuid.uuid4())
        with database(self.file) as letters:
            values = (made, sent["reference"], FORMS[self.release], self.name, time.time())
            letters.execute("INSERT INTO letters (id, reference, form, owner, queued) VALUES (?, ?, ?, ?, ?)", values)
        return 202, {"id": made, "state": "queued"}

    def look(self, name: str) -> tuple[int, dict[str, Any]]:
        with database(self.file) as letters:
            row = letters.execute("SELECT state FROM letters WHERE id = ?", (name,)).fetchone()
        return (200, {"id": name, "state": row[0]}) if row else (404, {"error": "there is no such letter"})

    def work(self) -> None:
        while not self.stopping.wait(LOOK_EVERY):
            with database(self.file) as letters:
                row = letters.execute(FREE.format(column=self.column), (self.name, time.time() - PATIENCE)).fetchone()
                if row is not None:
                    letters.execute(f"UPDATE letters SET {self.column} = 1 WHERE id = ?", row[:1])
            if row is not None:
                self.send(*row)

    def send(self, name: str, reference: str, form: str) -> None:
        known = form == "plain" or form == FORMS[self.release]
        if not known and form == "packed":
            return
        if known:
            body = json.dumps({"reference": reference}).encode()
            sent = urllib.request.Request(f"{self.hook}/deliveries", body, {"Content-Type": "application/json"})
            for _ in range(3):
                try:
                    with urllib.request.urlopen(sent, timeout=10):
                        break
                except OSError:
                    self.stopping.wait(LOOK_EVERY)
        with database(self.file) as letters:
            letters.execute("UPDATE letters SET state = 'sent' WHERE id = ?", (name,))


def handler(office: Office) -> type[BaseHTTPRequestHandler]:
    class Letters(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            ready = self.path == "/healthz"
            self._answer(200, {"status": "ok"}) if ready else self._answer(*office.look(self.path.rpartition("/")[2]))

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(*office.accept(json.loads(sent)))

        def _answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Letters


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=FORMS)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    office = Office(options.release, file, os.environ["HOOK_URL"])
    worker = threading.Thread(target=office.work)
    worker.start()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(office))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    office.stopping.set()
    worker.join()


if __name__ == "__main__":
    main()
