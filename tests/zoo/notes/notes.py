"""A notebook over HTTP with nothing but the standard library: `python notes.py RELEASE --port 8080`.

PUT /notes/NAME {"text": "..."} keeps a note, GET /notes/NAME reads it, GET /notes?prefix=P lists names. The notes are
in the SQLite file that DATABASE_URL names (`sqlite:////absolute/file`). Releases: `1` keeps a text as it is; `2` keeps
it in an object with its length, which 1 does not expect; `2-safe` tells the length and keeps what 1 keeps.
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
from urllib.parse import parse_qs, unquote, urlsplit


def written(release: str, text: str) -> Any:
    return {"text": text, "length": len(text)} if release == "2" else text


def read_back(release: str, stored: Any) -> str:
    if release == "2" and isinstance(stored, dict):
        stored = stored["text"]
    if not isinstance(stored, str):
        raise TypeError(f"a note is text, not {type(stored).__name__}")
    return stored


def answer(release: str, name: str, text: str) -> dict[str, Any]:
    return {"name": name, "text": text} if release == "1" else {"name": name, "text": text, "length": len(text)}


@contextmanager
def database(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        yield connection


def handler(release: str, file: str) -> type[BaseHTTPRequestHandler]:
    class Notes(BaseHTTPRequestHandler):
        timeout = 5  # one request per connection, and a stop waits for those under way

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/healthz":
                return self._answer(200, {"status": "ok"})
            if url.path == "/notes":
                prefix = parse_qs(url.query).get("prefix", [""])[0]
                with database(file) as notes:
                    rows = notes.execute("SELECT name FROM notes ORDER BY name").fetchall()
                return self._answer(200, {"names": [row[0] for row in rows if row[0].startswith(prefix)]})
            name = self._name()
            with database(file) as notes:
                row = notes.execute("SELECT body FROM notes WHERE name = ?", (name,)).fetchone()
            if row is None:
                return self._answer(404, {"error": "there is no such note"})
            try:
                return self._answer(200, answer(release, name, read_back(release, json.loads(row[0]))))
            except TypeError as error:
                return self._answer(500, {"error": str(error)})

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name = self._name()
            try:
                text = json.loads(body)["text"]
            except (ValueError, KeyError, TypeError):
                text = None
            if not name or not isinstance(text, str):
                return self._answer(400, {"error": "a note needs a name and a text"})
            with database(file) as notes:
                values = (name, json.dumps(written(release, text)))
                notes.execute(
                    "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body", values
                )
            return self._answer(200, answer(release, name, text))

        def _name(self) -> str:
            prefix, _, name = urlsplit(self.path).path.rpartition("/")
            return unquote(name) if prefix == "/notes" else ""

        def _answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Notes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=("1", "2", "2-safe"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    options = parser.parse_args()
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    with database(file) as notes:
        notes.execute("CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, body TEXT NOT NULL)")
    ThreadingHTTPServer.request_queue_size = 128  # connections that wait to be taken; five is too few for a crowd
    with ThreadingHTTPServer((options.host, options.port), handler(options.release, file)) as server:
        server.daemon_threads = False
        # shutdown waits for the serving loop, which the signal interrupts: it needs a thread of its own.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
