"""Notes, and those who mail them: processes that one leader starts.

`crew.py web FORMAT KIND --port 8080`: POST /notes {"text"} → 201 {"id", "text"}; GET /notes/ID. It writes every note
into an outbox, in a format: `plain`, or `json`. `crew.py lead KIND` serves nobody. Both start processes that read the
outbox.

Kinds of leaders:
- `trusting`: starts a mailer for plain text and looks no more after it. The mailer ends at a line of JSON.
- `able`: the same, with a mailer that reads both formats.
- `busy`: its mailers end after three notes and are replaced at once; each note is mailed by a process of its own, which
  takes as long as ten notes. It also warms something up at its start, for a second.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

POSTMAN = ["sleep", "0.3"]  # a program that mails one note
WARMING = ["sleep", "1"]  # fills a cache
AT_ONCE = 3


def connected() -> sqlite3.Connection:
    database = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"), timeout=20, isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY, id TEXT, text TEXT, line TEXT)")
    return database


def mail(kind: str) -> None:
    """Take what is new in the outbox, for ever, or three notes if the leader is busy."""
    database, taken = connected(), 0
    (position,) = database.execute("SELECT coalesce(max(number), 0) FROM outbox").fetchone()
    while kind != "busy" or taken < AT_ONCE:
        for number, line in database.execute(
            "SELECT number, line FROM outbox WHERE number > ?", (position,)
        ).fetchall():
            if line.startswith("{") and kind == "trusting":
                raise ValueError(f"not a line to mail: {line}")
            position, taken = number, taken + 1
            if kind == "busy":
                subprocess.Popen(POSTMAN)
        time.sleep(0.02)


def lead(kind: str) -> None:
    """Start the mailer, and another one for each that ends if the leader is busy. It never ends by itself."""
    command = [sys.executable, __file__, "mail", kind]
    mailer = subprocess.Popen(command)
    if kind == "busy":
        subprocess.Popen(WARMING)
        while True:
            mailer.wait()
            mailer = subprocess.Popen(command)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    style: str

    def do_GET(self) -> None:
        if self.path == "/healthz":
            return self._respond(200, {"status": "ok"})
        name = self.path.removeprefix("/notes/")
        found = connected().execute("SELECT text FROM outbox WHERE id = ?", (name,)).fetchone()
        return self._respond(200, {"id": name, "text": found[0]}) if found else self._respond(404, {"id": name})

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        name = os.urandom(8).hex()
        line = json.dumps({"id": name}) if self.style == "json" else f"note {name}"
        connected().execute("INSERT INTO outbox (id, text, line) VALUES (?, ?, ?)", (name, text, line))
        self._respond(201, {"id": name, "text": text})

    def _respond(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged, so that the last lines of the log are those of the mailers."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("web", "lead", "mail"))
    parser.add_argument("words", nargs="+")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.what == "mail":
        return mail(options.words[0])
    connected().close()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=lead, args=(options.words[-1],), daemon=True).start()
    if options.what == "lead":
        print("the crew is here", flush=True)
        while True:
            signal.pause()
    Handler.style = options.words[0]
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), options.port), Handler).serve_forever()
    return None


if __name__ == "__main__":
    main()
