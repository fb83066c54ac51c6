"""A ledger over HTTP with nothing but the standard library: `python ledger.py RELEASE --port 8080`, or `--stage STAGE`
for a migration.

POST /entries {"text": …} stores an entry (201), GET /entries/ID shows it. All is in the SQLite file that DATABASE_URL
names. A replica notes in `running` that it runs, and takes the note back when it ends in good order. One that finds the
note of another that has not ended so recovers: it copies the last entry into `recovered`.

Releases: `1`; `2`, whose `expand` adds a column, and whose `contract` adds the table `kept`. `1-brittle` recovers by
`SELECT *`, so it fails once there is another column. `2-brittle` recovers into `kept`, which is not there before
`contract`. Both end in good order as well as the others do.
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TABLES = (
    "CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, text TEXT)",
    "CREATE TABLE IF NOT EXISTS recovered (id TEXT, text TEXT)",
    "CREATE TABLE IF NOT EXISTS running (replica TEXT PRIMARY KEY, pid INTEGER)",
)
STAGES = {
    "expand": "ALTER TABLE entries ADD COLUMN written TEXT",
    "contract": "CREATE TABLE kept (id TEXT, text TEXT)",
}
RECOVERY = {
    "1-brittle": "INSERT INTO recovered SELECT * FROM entries ORDER BY rowid DESC LIMIT 1",
    "2-brittle": "INSERT INTO kept (id, text) SELECT id, text FROM entries ORDER BY rowid DESC LIMIT 1",
}
USUAL = "INSERT INTO recovered (id, text) SELECT id, text FROM entries ORDER BY rowid DESC LIMIT 1"


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def begin(release: str, name: str) -> None:
    """Note that this replica runs, after recovering from what others have left behind."""
    with database() as ledger:
        for table in TABLES:
            ledger.execute(table)
        left = [row for row in ledger.execute("SELECT replica, pid FROM running") if not runs(row[1])]
        for replica, _ in left:
            ledger.execute(RECOVERY.get(release, USUAL))
            ledger.execute("DELETE FROM running WHERE replica = ?", (replica,))
        ledger.execute("INSERT INTO running VALUES (?, ?)", (name, os.getpid()))


class Ledger(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name == "healthz":
            self._respond(200, {"status": "ok"})
            return
        with database() as ledger:
            row = ledger.execute("SELECT text FROM entries WHERE id = ?", (name,)).fetchone()
        self._respond(*((200, {"id": name, "text": row[0]}) if row else (404, {"error": "there is no such entry"})))

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        made = str(uuid.uuid4())
        with database() as ledger:
            ledger.execute("INSERT INTO entries (id, text) VALUES (?, ?)", (made, sent["text"]))
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
    parser.add_argument("--port", type=int)
    parser.add_argument("--stage", choices=STAGES)
    options = parser.parse_args()
    if options.stage:
        with database() as ledger:
            ledger.execute(STAGES[options.stage])
        return
    name = str(uuid.uuid4())
    begin(options.release, name)
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Ledger)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    with database() as ledger:
        ledger.execute("DELETE FROM running WHERE replica = ?", (name,))


if __name__ == "__main__":
    main()
