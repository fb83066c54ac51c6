"""Labels over HTTP with nothing but the standard library: `python labels.py RELEASE --port 8080`.

PUT /labels/NAME {"colour": "..."} keeps a label, and GET /labels/NAME reads it. They are in the SQLite file that
DATABASE_URL names. The releases change, step by step, how a label is kept:

`1` keeps text and reads text. `2` keeps text and reads both. `3` keeps JSON and reads both. `4` keeps JSON and reads
JSON alone: its migration rewrites all text and keeps a copy of the table, and undoing it puts that copy back.
So each release can follow the one before it and none can be skipped, and going back from `4` loses what was written.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RELEASES = ("1", "2", "3", "4")
TABLE = "CREATE TABLE IF NOT EXISTS labels (name TEXT PRIMARY KEY, body TEXT)"
EXPAND = (
    "DROP TABLE IF EXISTS labels_before",
    "CREATE TABLE labels_before AS SELECT * FROM labels",
    """UPDATE labels SET body = json_object('colour', body) WHERE body NOT LIKE '{%'""",
)
UNDO = ("DELETE FROM labels", "INSERT INTO labels SELECT * FROM labels_before", "DROP TABLE labels_before")


@contextmanager
def database(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def kept(release: str, colour: str) -> str:
    return json.dumps({"colour": colour}) if release in ("3", "4") else colour


def colour_of(release: str, body: str) -> str:
    """Raises ValueError for a form that this release does not know."""
    if not body.startswith("{"):
        if release == "4":
            raise ValueError("text")
        return body
    if release == "1":
        raise ValueError("JSON")
    return str(json.loads(body)["colour"])


def handler(release: str, file: str) -> type[BaseHTTPRequestHandler]:
    class Labels(BaseHTTPRequestHandler):
        timeout = 5  # one request per connection, and a stop waits for those under way

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            if self.path == "/healthz":
                return self._respond(200, {"status": "ok"})
            with database(file) as labels:
                row = labels.execute("SELECT body FROM labels WHERE name = ?", (name,)).fetchone()
            if row is None:
                return self._respond(404, {"error": "no such label"})
            try:
                return self._respond(200, {"name": name, "colour": colour_of(release, row[0])})
            except ValueError as error:
                return self._respond(500, {"error": f"what is kept is {error}"})

        def do_PUT(self) -> None:
            name = self.path.rpartition("/")[2]
            colour = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["colour"]
            with database(file) as labels:
                labels.execute("INSERT OR REPLACE INTO labels VALUES (?, ?)", (name, kept(release, colour)))
            self._respond(200, {"name": name, "colour": colour})

        def _respond(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Labels


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--port", type=int)
    parser.add_argument("--migrate", choices=("expand", "undo"))
    options = parser.parse_args()
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    with database(file) as db:
        db.execute(TABLE)
        for statement in {"expand": EXPAND, "undo": UNDO}.get(options.migrate, ()):
            db.execute(statement)
    if options.port is None:
        return
    ThreadingHTTPServer.request_queue_size = 128  # connections that wait to be taken; five is too few for a crowd
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler(options.release, file)) as server:
        server.daemon_threads = False
        # shutdown waits for the serving loop, which the signal interrupts: it needs a thread of its own.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
