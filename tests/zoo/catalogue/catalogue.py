"""A catalogue over HTTP with nothing but the standard library: `python catalogue.py RELEASE --port 8080`.

PUT and GET /items/NAME keep and show an item: `title` and `subtitle` as they were sent, and `remark`, which is null.
GET /items/NAME/label shows the title in capitals, GET /items/NAME/summary fails, and GET /cellar is refused. All is in
the SQLite file that DATABASE_URL names. Releases:

`1`        as above
`mended`   leaves the remark out, tells an empty subtitle as null, and knows how to sum up
`bare`     leaves the title out of an item
`removed`  has no labels any more
`open`     lets everybody into the cellar
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RELEASES = ("1", "mended", "bare", "removed", "open")


def execute(file: str, statement: str, *values: str) -> list[Any]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def item(release: str, name: str, title: str, subtitle: str) -> dict[str, Any]:
    if release == "mended":
        return {"name": name, "title": title, "subtitle": subtitle or None}
    shown = {"name": name, "title": title, "subtitle": subtitle, "remark": None}
    if release == "bare":
        del shown["title"]
    return shown


def answered(release: str, file: str, method: str, path: str, sent: Any) -> tuple[int, Any]:
    _, kind, *rest = path.split("/")
    if kind == "cellar":
        return (200, {"bottles": 12}) if release == "open" else (403, {"error": "not for you"})
    if kind != "items" or not rest:
        return 404, {"error": "nothing is here"}
    if method == "PUT":
        execute(file, "INSERT OR REPLACE INTO items VALUES (?, ?, ?)", rest[0], sent["title"], sent["subtitle"])
        return 200, item(release, rest[0], sent["title"], sent["subtitle"])
    rows = execute(file, "SELECT title, subtitle FROM items WHERE name = ?", rest[0])
    view = rest[1] if len(rest) > 1 else ""
    if not rows or (view == "label" and release == "removed"):
        return 404, {"error": "nothing is here"}
    title, subtitle = rows[0]
    if view == "label":
        return 200, {"label": title.upper()}
    if view == "summary":
        return (200, {"summary": title}) if release == "mended" else (500, {"error": "nobody knows how"})
    return 200, item(release, rest[0], title, subtitle)


def handler(release: str, file: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # one request per connection, and a stop waits for those under way

        def _any(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
            if self.path == "/healthz":
                return self._respond(200, {"status": "ok"})
            return self._respond(*answered(release, file, self.command, self.path, sent))

        do_GET = do_PUT = _any

        def _respond(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    execute(file, "CREATE TABLE IF NOT EXISTS items (name TEXT PRIMARY KEY, title TEXT, subtitle TEXT)")
    ThreadingHTTPServer.request_queue_size = 128  # connections that wait to be taken; five is too few for a crowd
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler(options.release, file)) as server:
        server.daemon_threads = False
        # shutdown waits for the serving loop, which the signal interrupts: it needs a thread of its own.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
