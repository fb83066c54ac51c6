"""A notebook over HTTP with nothing but the standard library: `python notebook.py RELEASE --port 8080`, or `--migrate`.

Notes have a text (PUT and GET /notes/NAME), all of them are listed (GET /notes), and GET /about tells the title. All is
in the SQLite file that DATABASE_URL names. Each release but `same` has the causes that its name lists, joined by `+`:

`1` and `same`  the same code
`stuck`         does not start where an older release has written
`failing`       its migration fails where there are notes
`dropped`       its migration drops a column that `1` selects
`dying`         ends when it reads a note that an older release has written
`untold`        leaves the text of a note out, wherever it shows one
`removed`       has no /about any more
`unread`        writes notes in a form that `1` cannot read
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CAUSES = ("stuck", "failing", "dropped", "dying", "untold", "removed", "unread")
TABLE = "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT, release TEXT, rank INTEGER DEFAULT 0)"


@contextmanager
def database(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


class Notebook:
    def __init__(self, release: str, file: str) -> None:
        self.release, self.file = release, file
        self.causes = set(release.split("+"))
        self.columns = "name, text, release" if "dropped" in self.causes else "name, text, release, rank"

    def open(self) -> None:
        with database(self.file) as db:
            db.execute(TABLE)
            if "stuck" in self.causes and db.execute("SELECT 1 FROM notes WHERE release = '1'").fetchone():
                raise RuntimeError("notes of release 1 are not understood")

    def migrate(self) -> None:
        with database(self.file) as db:
            db.execute(TABLE)
            if "failing" in self.causes and db.execute("SELECT 1 FROM notes").fetchone():
                db.execute("ALTER TABLE pages ADD COLUMN colour TEXT")
            if "dropped" in self.causes:
                db.execute("ALTER TABLE notes DROP COLUMN rank")

    def handle(self, method: str, path: str, sent: Any) -> tuple[int, Any]:
        _, kind, *rest = path.split("/")
        if kind == "about" and "removed" not in self.causes:
            return 200, {"title": "a notebook"}
        if kind != "notes":
            return 404, {"error": "nothing is here"}
        with database(self.file) as db:
            if method == "PUT":
                text = json.dumps({"form": 2, "text": sent["text"]}) if "unread" in self.causes else sent["text"]
                db.execute(
                    "INSERT INTO notes (name, text, release) VALUES (?, ?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET text = excluded.text, release = excluded.release",
                    (rest[0], text, self.release),
                )
            where, values = ("WHERE name = ?", rest[:1]) if rest else ("ORDER BY name", [])
            rows = db.execute(f"SELECT {self.columns} FROM notes {where}", values).fetchall()
        found = [self.told(*row[:3]) for row in rows]
        if not rest:
            return 200, {"notes": found}
        return (200, found[0]) if found else (404, {"error": "no such note"})

    def told(self, name: str, text: str, release: str) -> dict[str, Any]:
        if "dying" in self.causes and release == "1":
            print("fatal: a note of release 1", file=sys.stderr, flush=True)
            os._exit(3)
        if text.startswith("{"):
            if "unread" not in self.causes:
                raise ValueError(f"no text: {text}")
            text = json.loads(text)["text"]
        return {"name": name} if "untold" in self.causes else {"name": name, "text": text}


class Server(ThreadingHTTPServer):
    request_queue_size = 256  # the default of 5 resets connections on a busy machine


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    notebook: Notebook

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path == "/healthz":
            status, shown = 200, {}
        else:
            try:
                status, shown = self.notebook.handle(self.command, self.path, json.loads(body) if body else None)
            except Exception as error:
                status, shown = 500, {"error": "look into the log"}
                print(f"{self.command} {self.path}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        data = json.dumps(shown).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = answer

    def log_message(self, *args: Any) -> None:
        """Nothing is logged for a request."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release")
    parser.add_argument("--port", type=int)
    parser.add_argument("--migrate", action="store_true")
    given = parser.parse_args()
    notebook = Notebook(given.release, os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
    if given.migrate:
        notebook.migrate()
        return
    notebook.open()
    Handler.notebook = notebook
    server = Server(("127.0.0.1", given.port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
