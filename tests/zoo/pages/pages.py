"""Shelves whose books are listed in pages, with the standard library alone: `python pages.py RELEASE --port 8080`.

POST /shelves/NAME/books adds a book to the shelf that its client has named. GET /shelves/NAME/books lists them three
at a time; `next` is the position to go on from, as `?cursor=`. All is in the SQLite file that DATABASE_URL names.

`1`         tells positions as "o:3", in base64, and takes any other as the first one
`prepared`  as 1, but understands "k:21" as well
`2`         tells positions as "k:21", in base64, and understands both
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

RELEASES = ("1", "prepared", "2")
PAGE = 3


def execute(file: str, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def position(release: str, offset: int) -> str:
    return urlsafe_b64encode((f"k:{7 * offset}" if release == "2" else f"o:{offset}").encode()).decode()


def offset_of(release: str, cursor: str) -> int:
    kind, _, number = urlsafe_b64decode(cursor).decode().partition(":")
    if kind == "k":
        return int(number) // 7 if release != "1" else 0
    return int(number or 0)


def answered(release: str, file: str, target: str, sent: Any) -> tuple[int, Any]:
    url = urlsplit(target)
    shelf = url.path.split("/")[2]
    if sent is not None:
        execute(file, "INSERT INTO books (shelf, title) VALUES (?, ?)", shelf, sent["title"])
        return 201, sent
    start = offset_of(release, parse_qs(url.query).get("cursor", [""])[0])
    ordered = "SELECT title FROM books WHERE shelf = ? ORDER BY id LIMIT ? OFFSET ?"
    titles = [title for (title,) in execute(file, ordered, shelf, PAGE, start)]
    return 200, {"books": titles, "next": position(release, start + PAGE) if len(titles) == PAGE else None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    release, file = "", ""

    def do_GET(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"]))) if self.command == "POST" else None
        status, shown = (200, {}) if self.path == "/healthz" else answered(self.release, self.file, self.path, sent)
        body = json.dumps(shown).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    Handler.release, Handler.file = given.release, os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    execute(Handler.file, "CREATE TABLE IF NOT EXISTS books (id INTEGER PRIMARY KEY, shelf TEXT, title TEXT)")
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
