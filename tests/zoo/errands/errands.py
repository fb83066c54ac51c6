"""Errands over HTTP with nothing but the standard library: `python errands.py web RELEASE --port 8080`, and a worker.

POST /errands {"what": …} accepts an errand (202), GET /errands/ID tells its state: queued, running or done. A worker
(`python errands.py worker RELEASE`) takes one errand after the other, under a lease that it renews while it runs it.
When it is told to stop, it runs the errand in hand to its end.
All is in the database that DATABASE_URL names: a SQLite file, or PostgreSQL, for which psycopg is needed.

Releases: `1`; `2` does the same; `start` knows no leases, but queues again at its start what was running; `lost` does
nothing about what was running; `drops` gives up the running errands of another release whose lease has expired, and
leaves new ones to others for a while.
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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

RELEASES = ("1", "2", "start", "lost", "drops")
TAKES = 0.4  # seconds that an errand takes
LEASE = 0.4  # seconds
RENEW = 0.02  # seconds between two renewals, and between two looks at the queue
PATIENCE = 0.3  # seconds for which `drops` leaves an errand to others
TABLE = """CREATE TABLE IF NOT EXISTS errands (id TEXT PRIMARY KEY, what TEXT, queued FLOAT8,
           state TEXT DEFAULT 'queued', until FLOAT8 DEFAULT 0, release TEXT)"""
NEXT = """SELECT id FROM errands WHERE (state = 'queued' AND queued < ?) OR (state = 'running' AND until < ? AND ?)
          ORDER BY queued LIMIT 1"""
ALONE = 4100  # the advisory lock of PostgreSQL that makes transactions run one after the other, as SQLite's do
_OF_THREAD = threading.local()


class Database(Protocol):
    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any: ...


@contextmanager
def database() -> Iterator[Database]:
    """A transaction that runs alone."""
    url = os.environ["DATABASE_URL"]
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as file, file:
            file.execute("BEGIN IMMEDIATE")
            yield file
    else:
        server = _server(url)
        with server.connection.transaction():
            server.execute("SELECT pg_advisory_xact_lock(?)", (ALONE,))
            yield server


class _Server:
    """A connection to PostgreSQL that takes statements as they are written for SQLite."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.connection = psycopg.connect(url, autocommit=True)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        return self.connection.execute(statement.replace("?", "%s").encode(), values)


def _server(url: str) -> _Server:
    """The connection of this thread."""
    if not hasattr(_OF_THREAD, "server"):
        _OF_THREAD.server = _Server(url)
    server: _Server = _OF_THREAD.server
    return server


def work(release: str, stopping: threading.Event) -> None:
    leases, patience = release not in ("start", "lost"), PATIENCE if release == "drops" else 0.0
    if release == "start":
        with database() as errands:
            errands.execute("UPDATE errands SET state = 'queued' WHERE state = 'running'")
    print("working", flush=True)
    while not stopping.is_set():
        now = time.time()
        with database() as errands:
            if release == "drops":
                dropped = "UPDATE errands SET state = 'gone' WHERE state = 'running' AND until < ? AND release <> ?"
                errands.execute(dropped, (now, release))
            row = errands.execute(NEXT, (now - patience, now, leases)).fetchone()
            if row is not None:
                taken = "UPDATE errands SET state = 'running', until = ?, release = ? WHERE id = ?"
                errands.execute(taken, (now + LEASE, release, row[0]))
        if row is not None:
            run(row[0])
        time.sleep(RENEW)


def run(errand: str) -> None:
    done = time.time() + TAKES
    while time.time() < done:
        time.sleep(RENEW)
        with database() as errands:
            errands.execute("UPDATE errands SET until = ? WHERE id = ?", (time.time() + LEASE, errand))
    with database() as errands:
        errands.execute("UPDATE errands SET state = 'done' WHERE id = ?", (errand,))


class Errands(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        if self.path == "/healthz":
            return self._answer(200, {"status": "ok"})
        name = self.path.rpartition("/")[2]
        with database() as errands:
            row = errands.execute("SELECT state FROM errands WHERE id = ?", (name,)).fetchone()
        return self._answer(200, {"id": name, "state": row[0]}) if row else self._answer(404, {"error": "no errand"})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        name = str(uuid.uuid4())
        with database() as errands:
            errands.execute(
                "INSERT INTO errands (id, what, queued) VALUES (?, ?, ?)", (name, sent["what"], time.time())
            )
        self._answer(202, {"id": name, "state": "queued"})

    def _answer(self, status: int, value: Any) -> None:
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
    parser.add_argument("role", choices=("web", "worker"))
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    with database() as errands:
        errands.execute(TABLE)
    if options.role == "worker":
        stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        work(options.release, stopping)
        return
    ThreadingHTTPServer((options.host, options.port), Errands).serve_forever()


if __name__ == "__main__":
    main()
