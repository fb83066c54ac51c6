"""An archive over HTTP with nothing but the standard library: `python archive.py RELEASE --port 8080`, or `--migrate`.

Documents have a text (PUT and GET /documents/NAME), receipts a key (POST /receipts). All is in the SQLite file that
DATABASE_URL names. Each release but `same` has one defect, which only one meeting of code and data brings out:

`1` and `same`  the same code
`untold`        leaves the text out: new code by itself
`unfilled`      reads a new column that is filled from now on, and not for what is there: new code on old data
`dropped`       drops a column that `1` selects: old code on the migrated store
`lock`          takes another lock for a receipt: old and new at once
`gated`         writes another form once no replica of `1` is left: old code on what new wrote
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
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RELEASES = ("1", "same", "untold", "unfilled", "dropped", "lock", "gated")
WORK = 0.04  # seconds that a receipt takes
FORM = "form 2: "
TABLES = (
    "CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, text TEXT, rank INTEGER DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS receipts (id TEXT PRIMARY KEY, key TEXT)",
    "CREATE TABLE IF NOT EXISTS locks (name TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS members (id TEXT PRIMARY KEY, release TEXT)",
)
MIGRATIONS = {
    "unfilled": (
        "ALTER TABLE documents ADD COLUMN body TEXT",
        "CREATE TRIGGER added AFTER INSERT ON documents BEGIN "
        "UPDATE documents SET body = new.text WHERE name = new.name; END",
        "CREATE TRIGGER changed AFTER UPDATE OF text ON documents BEGIN "
        "UPDATE documents SET body = new.text WHERE name = new.name; END",
    ),
    "dropped": ("ALTER TABLE documents DROP COLUMN rank",),
}


@contextmanager
def database(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


class Archive:
    def __init__(self, release: str, file: str) -> None:
        self.release, self.file = release, file
        self.me = uuid.uuid4().hex

    def join(self) -> None:
        with database(self.file) as db:
            for table in TABLES if self.release != "dropped" else TABLES[1:]:
                db.execute(table)
            db.execute("INSERT INTO members VALUES (?, ?)", (self.me, self.release))

    def leave(self) -> None:
        with database(self.file) as db:
            db.execute("DELETE FROM members WHERE id = ?", (self.me,))

    def handle(self, method: str, path: str, sent: Any, key: str) -> tuple[int, Any]:
        _, kind, *rest = path.split("/")
        if kind == "receipts":
            return 201, {"id": self.receipt(key)}
        if kind != "documents":
            return 404, {"error": "nothing is here"}
        return self.put(rest[0], sent["text"]) if method == "PUT" else self.get(rest[0])

    def put(self, name: str, text: str) -> tuple[int, Any]:
        with database(self.file) as db:
            last = db.execute("SELECT count(*) FROM members WHERE release = '1'").fetchone()[0] == 0
            kept = FORM + text if self.release == "gated" and last else text
            db.execute(
                "INSERT INTO documents (name, text) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET text = excluded.text",
                (name, kept),
            )
        return 200, {"name": name, "text": text}

    def get(self, name: str) -> tuple[int, Any]:
        columns = {"1": "text, rank", "same": "text, rank", "unfilled": "body"}.get(self.release, "text")
        with database(self.file) as db:
            row = db.execute(f"SELECT {columns} FROM documents WHERE name = ?", (name,)).fetchone()
        if row is None:
            return 404, {"error": "no such document"}
        text = row[0].removeprefix(FORM) if self.release == "gated" else row[0]
        return 200, {"name": name} if self.release == "untold" else {"name": name, "text": text}

    def receipt(self, key: str) -> str:
        """Look for the receipt of a key, then write one: under a lock, which `lock` calls by another name."""
        lock = f"new {key}" if self.release == "lock" else key
        while not self._taken(lock):
            time.sleep(0.005)
        try:
            with database(self.file) as db:
                row = db.execute("SELECT id FROM receipts WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return str(row[0])
            time.sleep(WORK)
            made = str(uuid.uuid4())
            with database(self.file) as db:
                db.execute("INSERT INTO receipts VALUES (?, ?)", (made, key))
            return made
        finally:
            with database(self.file) as db:
                db.execute("DELETE FROM locks WHERE name = ?", (lock,))

    def _taken(self, lock: str) -> bool:
        try:
            with database(self.file) as db:
                db.execute("INSERT INTO locks VALUES (?)", (lock,))
        except sqlite3.IntegrityError:
            return False
        return True


def handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, value = (
                    (200, {})
                    if self.path == "/healthz"
                    else archive.handle(
                        self.command, self.path, json.loads(sent or b"{}"), self.headers.get("Idempotency-Key") or ""
                    )
                )
            except sqlite3.Error as error:
                print(f"{self.command} {self.path}: {error}", flush=True)
                status, value = 500, {"error": str(error)}
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Be quiet: the verifier records every request."""

    return Handler


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("release", choices=RELEASES)
    arguments.add_argument("--port", type=int, default=8080)
    arguments.add_argument("--migrate", action="store_true")
    options = arguments.parse_args()
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    if options.migrate:
        with database(file) as db:
            for statement in MIGRATIONS.get(options.release, ()):
                db.execute(statement)
        return
    archive = Archive(options.release, file)
    archive.join()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(archive))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    archive.leave()


if __name__ == "__main__":
    main()
